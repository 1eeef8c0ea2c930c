"""Objects and events in the watch cache: bytes kept once, everything derived from them made when it is first needed.

Pure. Hot: plain classes with slots (0.2 µs to make; a frozen dataclass 0.8).
"""

from typing import NamedTuple

from apiserver.storage.codec import event_frame, stamp
from apiserver.storage.interface import EventType, Stored, Version
from apiserver.storage.resources import Attributes, Resource
from apiserver.storage.selection import Selection


class Frame(NamedTuple):
    """One event as it goes out."""

    type: EventType
    #: the encoded object with its version; of a BOOKMARK: nothing but a version
    object: bytes
    version: Version


class Entry:
    """One object at one version."""

    __slots__ = ("_attributes", "_pairs", "resource", "stored")

    def __init__(self, stored: Stored, resource: Resource) -> None:
        self.stored, self.resource = stored, resource
        self._attributes: Attributes | None = None
        self._pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def attributes(self) -> Attributes:
        """Labels and fields; the object is parsed once, when a selector first asks."""
        if self._attributes is None:
            self._attributes = self.resource.attributes(self.stored.data)
        return self._attributes

    def index_pairs(self) -> tuple[tuple[str, str], ...]:
        """Return (field, value) of every indexed field."""
        if self._pairs is None:
            resource = self.resource
            fields = resource.index_fields
            self._pairs = (
                tuple(zip(fields, resource.index_values(self.stored.data), strict=True)) if fields else ()
            )
        return self._pairs

    def is_selected(self, selection: Selection) -> bool:
        """Tell whether a selection has the object."""
        key = self.stored.key
        if selection.key is not None and key != selection.key:
            return False
        if not key.startswith(selection.prefix):
            return False
        if selection.labels is not None and not selection.labels.matches(self.attributes.labels):
            return False
        return selection.fields is None or selection.fields.matches(self.attributes.fields)


class CacheEvent:
    """A change of one object, as watchers see it. What is sent is encoded once for all of them."""

    __slots__ = ("_wires", "entry", "previous", "type", "version")

    def __init__(self, kind: EventType, version: Version, entry: Entry, previous: Entry | None) -> None:
        """Make an event.

        Args:
            kind: as it looks without a selector.
            version: of the event: a watch is resumed after it.
            entry: the new state; of a deletion the last one.
            previous: the state before; None when there was none.
        """
        self.type, self.version, self.entry, self.previous = kind, version, entry, previous
        #: made when somebody watches
        self._wires: dict[EventType, bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes of the object; once sent to somebody, an event holds them twice."""
        return len(self.entry.stored.data)

    def type_for(self, selection: Selection) -> EventType | None:
        """Return what the event is to those who see a selection only: entering it is ADDED, leaving it DELETED."""
        if selection.labels is None and selection.fields is None:
            return self.type if self.entry.is_selected(selection) else None
        before = self.previous is not None and self.previous.is_selected(selection)
        now = self.type is not EventType.DELETED and self.entry.is_selected(selection)
        if now:
            return EventType.MODIFIED if before else EventType.ADDED
        return EventType.DELETED if before else None

    def object_as(self, kind: EventType) -> bytes:
        """Return the encoded object to send: the new state, or the last one that was seen, at the event's version."""
        if kind is EventType.DELETED:
            last = self.previous or self.entry
            return stamp(last.stored.data, self.version)
        return stamp(self.entry.stored.data, self.entry.stored.version)

    def wire_as(self, kind: EventType) -> bytes:
        """Return the event's part of a RawWatchResponse."""
        if self._wires is None:
            self._wires = {}
        wire = self._wires.get(kind)
        if wire is None:
            wire = self._wires[kind] = event_frame(kind, self.object_as(kind))
        return wire
