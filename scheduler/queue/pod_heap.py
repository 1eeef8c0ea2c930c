"""A heap of Pods from which any Pod can be taken out.

Entries that no longer count are skipped, and cleared away in time. Most Pods come in the order in which they
go: those are a line. Only a Pod that comes out of turn is put into the heap.
"""

import heapq
from collections import deque
from typing import Generic, TypeVar

from scheduler.columns.pod_info import PodClass
from scheduler.queue.queued_pod import QueuedPod

Key = TypeVar("Key", float, tuple[float, ...])

#: dead entries are left alone up to this many
_SLACK = 64


class PodHeap(Generic[Key]):
    """Pods by key, smallest first; among equal keys in the order of their coming.

    Owned by the scheduling task.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[Key, int, QueuedPod]] = []
        #: those whose keys were no smaller than the one before
        self._line: deque[tuple[Key, int, QueuedPod]] = deque()
        #: uid -> number of the entry that counts
        self._live: dict[str, int] = {}
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, uid: str) -> bool:
        return uid in self._live

    def push(self, key: Key, pod: QueuedPod) -> None:
        """Put a Pod in; an entry that it had before counts no longer."""
        live, line = self._live, self._line
        number = self._numbers = self._numbers + 1
        live[pod.info.uid] = number
        if not line or line[-1][0] <= key:
            line.append((key, number, pod))
        else:
            heapq.heappush(self._entries, (key, number, pod))
        if len(self._entries) + len(line) > 2 * len(live) + _SLACK:
            self._line = deque(entry for entry in line if live.get(entry[2].info.uid) == entry[1])
            self._entries = [entry for entry in self._entries if live.get(entry[2].info.uid) == entry[1]]
            heapq.heapify(self._entries)

    def pop(self) -> QueuedPod | None:
        while self._line or self._entries:
            _, number, pod = self._take()
            uid = pod.info.uid
            if self._live.get(uid) == number:
                del self._live[uid]
                return pod
        return None

    def pop_like(self, pod_class: PodClass) -> QueuedPod | None:
        """Take the first Pod out if it is of a class."""
        line, entries, live = self._line, self._entries, self._live
        while line or entries:
            in_line = self._line_first() if entries else True
            _, number, pod = line[0] if in_line else entries[0]
            info = pod.info
            counts = live.get(info.uid) == number
            if counts and info.pod_class is not pod_class:
                return None
            if in_line:
                line.popleft()
            else:
                heapq.heappop(entries)
            if counts:
                del live[info.uid]
                return pod
        return None

    def first_key(self) -> Key | None:
        while self._line or self._entries:
            key, number, pod = self._line[0] if self._line_first() else self._entries[0]
            if self._live.get(pod.info.uid) == number:
                return key
            self._take()
        return None

    def discard(self, uid: str) -> None:
        self._live.pop(uid, None)

    def _line_first(self) -> bool:
        """Say whether the first entry is in the line. There must be one."""
        # No two have the same number: the Pods themselves are never compared.
        return not self._entries or (bool(self._line) and self._line[0] < self._entries[0])

    def _take(self) -> tuple[Key, int, QueuedPod]:
        """Take out the first entry, dead or alive. There must be one."""
        return self._line.popleft() if self._line_first() else heapq.heappop(self._entries)
