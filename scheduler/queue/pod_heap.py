"""A heap of Pods from which any Pod can be taken out: entries that no longer count are skipped, and cleared away in time."""

import heapq
from typing import Generic, TypeVar

from scheduler.queue.queued_pod import QueuedPod

Key = TypeVar("Key")

#: dead entries are left alone up to this many
_SLACK = 64


class PodHeap(Generic[Key]):
    """Pods by key, smallest first; among equal keys in the order of their coming. Owned by the scheduling task."""

    def __init__(self) -> None:
        self._entries: list[tuple[Key, int, QueuedPod]] = []
        #: uid -> number of the entry that counts
        self._live: dict[str, int] = {}
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, uid: str) -> bool:
        return uid in self._live

    def push(self, key: Key, pod: QueuedPod) -> None:
        """Put a Pod in; an entry that it had before counts no longer."""
        self._numbers += 1
        self._live[pod.info.uid] = self._numbers
        heapq.heappush(self._entries, (key, self._numbers, pod))
        if len(self._entries) > 2 * len(self._live) + _SLACK:
            self._entries = [
                entry for entry in self._entries if self._live.get(entry[2].info.uid) == entry[1]
            ]
            heapq.heapify(self._entries)

    def pop(self) -> QueuedPod | None:
        """Take the first Pod out."""
        while self._entries:
            _, number, pod = heapq.heappop(self._entries)
            if self._live.get(pod.info.uid) == number:
                del self._live[pod.info.uid]
                return pod
        return None

    def first_key(self) -> Key | None:
        """Return the key of the first Pod."""
        while self._entries:
            key, number, pod = self._entries[0]
            if self._live.get(pod.info.uid) == number:
                return key
            heapq.heappop(self._entries)
        return None

    def discard(self, uid: str) -> None:
        """Take a Pod out, if it is there."""
        self._live.pop(uid, None)
