"""Objects and events in the watch cache.

Their bytes are kept once; everything derived from them is made when it is first needed.

Pure. Hot: plain classes with slots (0.2 µs to make; a frozen dataclass 0.8).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from apiserver.storage.codec import stamp, stamped_event_frame
from apiserver.storage.interface import Alike, EventType, Known, Stored, Version
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

    __slots__ = ("_alike", "_fields", "_labels", "resource", "stored", "values")

    def __init__(self, stored: Stored, resource: Resource, known: Known | None = None) -> None:
        self.stored, self.resource = stored, resource
        self._labels: Mapping[str, str] | None = None
        self._fields: Mapping[str, str] | None = None
        self._alike: Alike | None = None
        #: of the indexed fields, in the order of the kind's `index_fields`
        self.values: tuple[str, ...] = ()
        if known is not None:
            self.values, self._alike = known
        elif resource.index_fields:
            self.values = resource.index_values(stored.data)

    def labels(self) -> Mapping[str, str]:
        """Return the labels, read when a selector first asks.

        The rest of the object is not decoded, which costs a fifth.
        """
        labels, alike = self._labels, self._alike
        if labels is None and alike is not None:
            labels = self._labels = alike.labels
        if labels is None:
            labels = self._labels = self.resource.labels(self.stored.data)
            if alike is not None:
                alike.labels = labels
        return labels

    def fields(self) -> Mapping[str, str]:
        """Return the selectable fields, read when a selector first asks."""
        fields = self._fields
        if fields is None:
            fields = self._fields = self.resource.fields(self.stored.data)
        return fields


class CacheEvent:
    """A change of one object, as watchers see it.

    As it looks without a selector, or to a selector as `type_for` says.

    What is sent is encoded once for all of them.
    """

    __slots__ = ("_made", "_wires", "entry", "previous", "size", "type", "version")

    def __init__(self, kind: EventType, version: Version, entry: Entry, previous: Entry | None) -> None:
        """Make an event.

        Args:
            kind: as it looks without a selector.
            version: of the event: a watch is resumed after it.
            entry: the new state; of a deletion the last one.
            previous: the state before; None when there was none.
        """
        self.type, self.version, self.entry, self.previous = kind, version, entry, previous
        #: bytes of the object; sent to several groups of watchers, an event holds them twice
        self.size = len(entry.stored.data)
        #: what `wire_as` made last
        self._made: EventType | None = None
        #: what it was asked for again
        self._wires: dict[EventType, bytes] | None = None

    def type_for(self, selects: "Callable[[Entry], bool]") -> EventType | None:
        """Return what the event is to those who see some objects only.

        Beginning to see one is ADDED, seeing it no more DELETED.

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
        return self.wire_as(self.type)

    def object_as(self, kind: EventType) -> bytes:
        """Return the encoded object to send.

        The new state, or the last one that was seen, at the event's version.
        """
        if kind is _DELETED:
            return stamp((self.previous or self.entry).stored.data, self.version)
        return stamp(self.entry.stored.data, self.entry.stored.version)

    def wire_as(self, kind: EventType) -> bytes:
        """Return the event's part of a RawWatchResponse.

        Most are sent once, to one group of watchers: it is kept when it is asked for again.
        """
        wires = self._wires
        if wires is not None and kind in wires:
            return wires[kind]
        # The object is the one of `object_as`.
        if kind is _DELETED:
            wire = stamped_event_frame(kind, (self.previous or self.entry).stored.data, self.version)
        else:
            stored = self.entry.stored
            wire = stamped_event_frame(kind, stored.data, stored.version)
        if self._made is not kind:
            self._made = kind
        elif wires is None:
            self._wires = {kind: wire}
        else:
            wires[kind] = wire
        return wire
