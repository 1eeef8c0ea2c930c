"""Objects and events in the watch cache: their bytes, and values that are derived when they are first needed.

Pure. They are Structs that the garbage collector does not track (`Stored`), because there are many.

Each event is checked against each selection, so a selection's check is prepared once (`judge_of`). A selector
of indexed fields alone (`spec.nodeName!=`, a kubelet's `spec.nodeName=node-1`) is checked by the values that
the index has anyway. Other selectors need the whole object (10 µs for a Pod).
"""

from collections.abc import Callable, Mapping

import msgspec

from apiserver.storage.codec import stamped_event_frame
from apiserver.storage.interface import EventType, Stored, Version
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Matcher, Selection

_ADDED, _MODIFIED, _DELETED = EventType.ADDED, EventType.MODIFIED, EventType.DELETED


class Entry(msgspec.Struct, eq=False, gc=False):
    """One object at one version."""

    stored: Stored
    resource: Resource
    #: the values of the indexed fields, in the order of the kind's `index_fields`
    values: tuple[str, ...] = ()
    _labels: Mapping[str, str] | None = None
    _fields: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.resource.index_fields:
            self.values = self.resource.index_values(self.stored.data)

    def labels(self) -> Mapping[str, str]:
        """Return the labels, decoded at the first call. The rest of the object is not decoded."""
        labels = self._labels
        if labels is None:
            labels = self._labels = self.resource.labels(self.stored.data)
        return labels

    def fields(self) -> Mapping[str, str]:
        """Return the selectable fields, decoded at the first call."""
        fields = self._fields
        if fields is None:
            fields = self._fields = self.resource.fields(self.stored.data)
        return fields


class CacheEvent(msgspec.Struct, eq=False, gc=False):
    """A change of one object, as it looks without a selector; encoded once for all watchers."""

    type: EventType
    version: Version
    #: the object's new state; of a deletion the last one
    entry: Entry
    #: the state before, if any
    previous: Entry | None
    #: what `wire_as` made last
    _made: EventType | None = None
    #: what it was asked for again
    _wires: dict[EventType, bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes of the object; sent to several groups of watchers, an event holds them twice."""
        return len(self.entry.stored.data)

    def type_for(self, selects: "Callable[[Entry], bool]") -> EventType | None:
        """Return what a selection sees of the event: an object comes as ADDED, goes as DELETED; or None."""
        previous = self.previous
        before = previous is not None and selects(previous)
        if self.type is not _DELETED and selects(self.entry):
            return _MODIFIED if before else _ADDED
        return _DELETED if before else None

    @property
    def wire(self) -> bytes:
        """The event's part of a RawWatchResponse, as it looks without a selector."""
        return self.wire_as(self.type)

    def wire_as(self, kind: EventType) -> bytes:
        """Return the event's part of a RawWatchResponse; kept when it is asked for again, as few are."""
        wires = self._wires
        if wires is not None and kind in wires:
            return wires[kind]
        if kind is _DELETED:
            # The last state that was seen, at the event's version.
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


#: says whether an object is selected
Judge = Callable[[Entry], bool]


def judge_of(resource: Resource, selection: Selection) -> Judge:
    """Return what says whether a selection of a kind has an object."""
    key, labels, fields = selection.key, selection.labels, selection.fields
    prefix = "" if selection.prefix == resource.prefix else selection.prefix
    if key is None and not prefix and labels is None and fields is None:
        return _everything
    wanted = _of_index(resource, fields)
    if key is None and not prefix and labels is None and wanted is not None and len(wanted) == 1:
        return _by_one_field(*wanted[0])

    has_labels = None if labels is None else _with_labels(labels)

    def selects(entry: Entry) -> bool:
        if key is not None and entry.stored.key != key:
            return False
        if prefix and not entry.stored.key.startswith(prefix):
            return False
        if wanted is not None:
            values = entry.values
            for place, value, is_equal in wanted:
                if (values[place] == value) is not is_equal:
                    return False
        if has_labels is not None and not has_labels(entry.labels()):
            return False
        return wanted is not None or fields is None or fields.matches(entry.fields())

    return selects


def _with_labels(selector: Matcher) -> Callable[[Mapping[str, str]], bool]:
    """Return what says whether a selector has labels; it remembers the last, which many objects share."""
    last: Mapping[str, str] | None = None
    answer = False

    def matches(labels: Mapping[str, str]) -> bool:
        nonlocal last, answer
        if labels is not last:
            last, answer = labels, selector.matches(labels)
        return answer

    return matches


def _everything(_entry: Entry) -> bool:
    return True


def _by_one_field(place: int, value: str, is_equal: bool) -> Judge:
    def selects(entry: Entry) -> bool:
        return (entry.values[place] == value) is is_equal

    return selects


def _of_index(resource: Resource, fields: Matcher | None) -> list[tuple[int, str, bool]] | None:
    """Return what a selector asks of indexed fields: place, value, equal or not. None: of others, too."""
    requirements = getattr(fields, "requirements", None)
    if not requirements:
        return None
    places = {name: place for place, name in enumerate(resource.index_fields)}
    if any(name not in places for name, _, _ in requirements):
        return None
    return [(places[name], value, operator == "=") for name, operator, value in requirements]
