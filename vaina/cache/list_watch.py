"""PURE: decides which watch a reflector opens next, and what each answer means. A state machine without I/O.

    EMPTY --next_call--> a watch with the initial events --their end bookmark--> SYNCED
    SYNCED: each batch is applied; the stream may end at any time and is resumed after the last version
    Expired in any state --> EMPTY again: the next list replaces everything at once, deletions included

Called by `vaina.cache.reflector`. Follows KEP-3157 (watch lists) and client-go's reflector. It never goes
back in time (I7): it refuses a list that is older than a version that it has seen, as from a stale replica.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from vaina.objects.meta import metadata, object_key
from vaina.objects.watch import ADDED, BOOKMARK, DELETED, INITIAL_EVENTS_END, MODIFIED

M = TypeVar("M", bound=Message)

_CHANGES: Final = (MODIFIED, ADDED, DELETED)


class State(Enum):
    """The states of the machine."""

    #: no list was read, or the watch cannot resume after `version`
    EMPTY = "empty"
    #: the initial events are coming in
    LISTING = "listing"
    #: everything up to `version` was handed out
    SYNCED = "synced"


@dataclass(frozen=True, slots=True)
class WatchCall:
    """The watch to open next."""

    resource_version: str
    send_initial_events: bool | None


@dataclass(frozen=True, slots=True)
class Replace(Generic[M]):
    """All objects, as of one version, replace those in the store."""

    items: MutableMapping[str, M]


@dataclass(frozen=True, slots=True)
class Apply(Generic[M]):
    """Changes in order: key, and the new object or None for a deletion (with its last state)."""

    changes: Sequence[tuple[str, M | None, M]]


class StaleList(Exception):
    """The server's list is older than a version that was seen already."""


class ListWatch(Generic[M]):
    """The machine. Owned by one reflector's task."""

    def __init__(self, new_objects: Callable[[], MutableMapping[str, M]] = dict) -> None:
        """Make a machine; `new_objects` makes the mapping that collects a list."""
        self.state = State.EMPTY
        self._new_objects = new_objects
        #: everything up to this version was handed out; 0 before the first list
        self.version = 0
        #: the version at which the stream began: what is not newer was handed out before
        self._resumed = 0
        self._listed = new_objects()

    def next_call(self) -> WatchCall:
        """Return the watch to open now. After an incomplete list it lists again."""
        self._listed = self._new_objects()
        self._resumed = self.version
        if self.state is State.SYNCED:
            return WatchCall(resource_version=str(self.version), send_initial_events=None)
        self.state = State.LISTING
        # Without a version the server gives the newest state, by a quorum read.
        return WatchCall(resource_version="", send_initial_events=True)

    def on_batch(self, events: Sequence[tuple[str, M]], resource_version: str) -> list[Replace[M] | Apply[M]]:
        """Process a batch; return what the store must do, in order.

        `resource_version` is empty when the events themselves carry the version. Raises StaleList, and
        changes nothing, when the list is older than a version that was seen.
        """
        out: list[Replace[M] | Apply[M]] = []
        left = iter(events)
        while self.state is State.LISTING:
            mark = self._on_listed(left)
            if mark is None:
                return out
            out.append(self._on_list_end(mark, resource_version))
        changes = self._on_changed(left)
        if changes:
            out.append(Apply(changes))
        if self.state is State.SYNCED and resource_version:
            self.version = max(self.version, int(resource_version))
        return out

    def on_expired(self) -> None:
        """List again, because the server dropped the version to resume from. The store stays until then."""
        self.state = State.EMPTY

    def _on_changed(self, events: Iterable[tuple[str, Any]]) -> list[tuple[str, M | None, M]]:
        """Return the changes of events after the list. One plain loop: each Pod comes here several times."""
        changes: list[tuple[str, M | None, M]] = []
        seen, resumed = self.version, self._resumed
        for kind, obj in events:
            meta = obj.metadata
            version = int(meta.resource_version or 0)
            if version <= resumed:
                # It was seen before this stream: a server may repeat events after a resume. Within a stream
                # every event counts, as in client-go's reflector: events of one transaction share a version.
                continue
            if version > seen:
                seen = version
            if kind in _CHANGES:
                namespace = meta.namespace
                key = f"{namespace}/{meta.name}" if namespace else meta.name
                changes.append((key, None if kind == DELETED else obj, obj))
        self.version = seen
        return changes

    def _on_listed(self, events: Iterator[tuple[str, M]]) -> M | None:
        """Process events of the list; return the bookmark at its end when it is among them."""
        listed = self._listed
        for kind, obj in events:
            if kind == BOOKMARK:
                if metadata(obj).annotations.get(INITIAL_EVENTS_END) == "true":
                    return obj
            elif kind == DELETED:
                listed.pop(object_key(obj), None)
            else:
                listed[object_key(obj)] = obj
        return None

    def _on_list_end(self, mark: M, batch_version: str) -> Replace[M]:
        version = int(metadata(mark).resource_version or 0) or int(batch_version or 0)
        if version < self.version:
            self.state = State.EMPTY
            raise StaleList(f"listed at {version}, but {self.version} has been seen")
        items, self._listed = self._listed, self._new_objects()
        self.version, self.state = version, State.SYNCED
        self._resumed = version
        return Replace(items)
