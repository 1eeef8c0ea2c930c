"""Objects and events in the watch cache: bytes kept once, everything derived from them made when it is first needed.

Pure. Hot: plain classes with slots (0.2 µs to make; a frozen dataclass 0.8).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from apiserver.storage.codec import stamp, stamped_event_frame
from apiserver.storage.interface import EventType, Stored, Version
from apiserver.storage.resources import Resource

_ADDED, _MODIFIED, _DELETED = EventType.ADDED, EventType.MODIFIED, EventType.DELETED


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
    """A change of one object, as watchers see it: as it looks without a selector, or to a selector as `type_for` says.

    What is sent is encoded once for all of them.
    """

    __slots__ = ("_other", "_wire", "entry", "previous", "size", "type", "version")

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
        self._wire: bytes | None = None
        #: as it looked last to somebody to whom it is another type
        self._other: tuple[EventType, bytes] | None = None

    def type_for(self, selects: "Callable[[Entry], bool]") -> EventType | None:
        """Return what the event is to those who see some objects only: beginning to see one is ADDED, seeing it no more DELETED.

        Args:
            selects: says which objects (`judging.judge_of`).
        """
        previous = self.previous
        before = previous is not None and selects(previous)
        if self.type is not _DELETED and selects(self.entry):
            return _MODIFIED if before else _ADDED
        return _DELETED if before else None

    @property
    def object(self) -> bytes:
        """The encoded object with its version, as it looks without a selector."""
        return self.object_as(self.type)

    @property
    def wire(self) -> bytes:
        """The event's part of a RawWatchResponse, as it looks without a selector."""
        wire = self._wire
        if wire is None:
            wire = self._wire = self._framed(self.type)
        return wire

    def object_as(self, kind: EventType) -> bytes:
        """Return the encoded object to send: the new state, or the last one that was seen, at the event's version."""
        return stamp(*self._sent(kind))

    def wire_as(self, kind: EventType) -> bytes:
        """Return the event's part of a RawWatchResponse."""
        if kind is self.type:
            return self.wire
        other = self._other
        if other is None or other[0] is not kind:
            other = self._other = (kind, self._framed(kind))
        return other[1]

    def _framed(self, kind: EventType) -> bytes:
        return stamped_event_frame(kind, *self._sent(kind))

    def _sent(self, kind: EventType) -> tuple[bytes, Version]:
        """Return the object to send, and its version there."""
        if kind is _DELETED:
            return (self.previous or self.entry).stored.data, self.version
        stored = self.entry.stored
        return stored.data, stored.version
