"""PURE: what a reflector asks next, and what each answer means. A state machine without a wire.

    EMPTY --next_call--> a watch with the initial events --their end bookmark--> SYNCED
    SYNCED: each batch is applied; the stream may end at any time and is resumed after the last version
    Expired in any state --> EMPTY again: the next list replaces everything at once, deletions included

Called by `vaina.cache.reflector`. Follows KEP-3157 (watch lists) and client-go's reflector. It never goes back in time (I7):
a list that is older than what has been seen, as a stale replica may give it, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from google.protobuf.message import Message

from vaina.objects.meta import key_of, metadata, object_key
from vaina.objects.watch import ADDED, BOOKMARK, DELETED, INITIAL_EVENTS_END, MODIFIED

M = TypeVar("M", bound=Message)


class State(Enum):
    """Where the machine is."""

    #: nothing is known, or what is known can no longer be followed
    EMPTY = "empty"
    #: initial events are coming in
    LISTING = "listing"
    #: everything up to `version` is known
    SYNCED = "synced"


@dataclass(frozen=True, slots=True)
class WatchCall:
    """The watch to open next."""

    resource_version: str
    send_initial_events: bool | None


@dataclass(frozen=True, slots=True)
class Replace(Generic[M]):
    """Everything there is, as of one version."""

    items: dict[str, M]


@dataclass(frozen=True, slots=True)
class Apply(Generic[M]):
    """Changes in order: key, and the new object or None for a deletion (with its last state)."""

    changes: Sequence[tuple[str, M | None, M]]


class StaleList(Exception):
    """The server listed a state older than one that was seen already."""


class ListWatch(Generic[M]):
    """The machine. Owned by one reflector's task."""

    def __init__(self) -> None:
        self.state = State.EMPTY
        #: everything up to here has been handed out; 0 before the first list
        self.version = 0
        self._listed: dict[str, M] = {}

    def next_call(self) -> WatchCall:
        """Return the watch to open now. A list that was cut off begins anew."""
        self._listed = {}
        if self.state is State.SYNCED:
            return WatchCall(resource_version=str(self.version), send_initial_events=None)
        self.state = State.LISTING
        # No version: the newest there is, by a quorum read.
        return WatchCall(resource_version="", send_initial_events=True)

    def on_batch(self, events: Sequence[tuple[str, M]], resource_version: str) -> list[Replace[M] | Apply[M]]:
        """Take in a batch; returns what the store must do, in order.

        Args:
            events: type and object of each event.
            resource_version: of the batch; empty when the events themselves carry the version.

        Raises:
            StaleList: the list is older than what was seen; nothing has changed.
        """
        out: list[Replace[M] | Apply[M]] = []
        changes: list[tuple[str, M | None, M]] = []
        for kind, obj in events:
            if self.state is State.LISTING:
                replace = self._on_listed(kind, obj, resource_version)
                if replace is not None:
                    out.append(replace)
                continue
            meta = metadata(obj)
            version = int(meta.resource_version or 0)
            if version <= self.version:
                # Seen already: a server may repeat itself after a resume, time does not.
                continue
            self.version = version
            if kind in (ADDED, MODIFIED):
                changes.append((key_of(meta), obj, obj))
            elif kind == DELETED:
                changes.append((key_of(meta), None, obj))
        if changes:
            out.append(Apply(changes))
        if self.state is State.SYNCED and resource_version:
            self.version = max(self.version, int(resource_version))
        return out

    def on_expired(self) -> None:
        """The version to resume from is no longer kept: list again. What is known stays until the list is whole."""
        self.state = State.EMPTY

    def _on_listed(self, kind: str, obj: M, batch_version: str) -> Replace[M] | None:
        if kind == BOOKMARK:
            if metadata(obj).annotations.get(INITIAL_EVENTS_END) != "true":
                return None
            version = _version(obj) or int(batch_version or 0)
            if version < self.version:
                self.state = State.EMPTY
                raise StaleList(f"listed at {version}, but {self.version} has been seen")
            items, self._listed = self._listed, {}
            self.version, self.state = version, State.SYNCED
            return Replace(items)
        if kind == DELETED:
            self._listed.pop(object_key(obj), None)
        else:
            self._listed[object_key(obj)] = obj
        return None


def _version(obj: Message) -> int:
    return int(metadata(obj).resource_version or 0)
