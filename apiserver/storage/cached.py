"""Objects and events in the watch cache: bytes kept once, everything derived from them made when it is first needed.

Pure. Hot: plain classes with slots (0.2 µs to make; a frozen dataclass 0.8).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from apiserver.storage.codec import stamp, stamped_event_frame
from apiserver.storage.interface import EventType, Stored, Version
from apiserver.storage.resources import Resource


class Frame(NamedTuple):
    """One event as it goes out."""

    type: EventType
    #: the encoded object with its version; of a BOOKMARK: nothing but a version
    object: bytes
    version: Version


class Entry:
    """One object at one version."""

    __slots__ = ("_fields", "_labels", "_values", "resource", "stored")

    def __init__(self, stored: Stored, resource: Resource) -> None:
        self.stored, self.resource = stored, resource
        self._labels: Mapping[str, str] | None = None
        self._fields: Mapping[str, str] | None = None
        self._values: tuple[str, ...] | None = None

    def labels(self) -> Mapping[str, str]:
        """Return the labels, read when a selector first asks: without the rest of the object (a fifth of the price)."""
        labels = self._labels
        if labels is None:
            labels = self._labels = self.resource.labels(self.stored.data)
        return labels

    def fields(self) -> Mapping[str, str]:
        """Return the selectable fields, read when a selector first asks."""
        fields = self._fields
        if fields is None:
            fields = self._fields = self.resource.fields(self.stored.data)
        return fields

    def index_values(self) -> tuple[str, ...]:
        """Return the values of the indexed fields, in the order of the kind's `index_fields`."""
        values = self._values
        if values is None:
            resource = self.resource
            values = self._values = resource.index_values(self.stored.data) if resource.index_fields else ()
        return values

    def index_pairs(self) -> list[tuple[str, str]]:
        """Return (field, value) of every indexed field."""
        return list(zip(self.resource.index_fields, self.index_values(), strict=True))


class CacheEvent:
    """A change of one object, as watchers see it. What is sent is encoded once for all of them."""

    __slots__ = ("_wires", "entry", "previous", "size", "type", "version")

    def __init__(self, kind: EventType, version: Version, entry: Entry, previous: Entry | None) -> None:
        """Make an event.

        Args:
            kind: as it looks without a selector.
            version: of the event: a watch is resumed after it.
            entry: the new state; of a deletion the last one.
            previous: the state before; None when there was none.
        """
        self.type, self.version, self.entry, self.previous = kind, version, entry, previous
        #: bytes of the object; once sent to somebody, an event holds them twice
        self.size = len(entry.stored.data)
        #: made when somebody watches
        self._wires: dict[EventType, bytes] | None = None

    def type_for(self, selects: "Callable[[Entry], bool]") -> EventType | None:
        """Return what the event is to those who see some objects only: beginning to see one is ADDED, seeing it no more DELETED.

        Args:
            selects: says which objects (`judging.judge_of`).
        """
        previous = self.previous
        before = previous is not None and selects(previous)
        if self.type is not EventType.DELETED and selects(self.entry):
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
        wires = self._wires
        if wires is None:
            wires = self._wires = {}
        wire = wires.get(kind)
        if wire is None:
            # The object is the one of `object_as`.
            if kind is EventType.DELETED:
                last = self.previous or self.entry
                wire = stamped_event_frame(kind, last.stored.data, self.version)
            else:
                stored = self.entry.stored
                wire = stamped_event_frame(kind, stored.data, stored.version)
            wires[kind] = wire
        return wire
