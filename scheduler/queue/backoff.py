"""Pods that failed and must wait.

1 s after the first attempt, doubling to 10 s (upstream's podInitialBackoffSeconds and max).
"""

from typing import Final

from scheduler.queue.pod_heap import PodHeap
from scheduler.queue.queued_pod import QueuedPod
from vaina.backoff import Backoff

BACKOFF: Final = Backoff(base_seconds=1.0, cap_seconds=10.0, factor=2.0)


class BackoffQueue:
    """Waiting Pods by the time they are due. Owned by the scheduling queue."""

    def __init__(self, backoff: Backoff = BACKOFF) -> None:
        self._backoff = backoff
        self._heap: PodHeap[float] = PodHeap()

    def __len__(self) -> int:
        return len(self._heap)

    def due(self, pod: QueuedPod) -> float:
        """Return when a Pod's back-off ends."""
        if pod.attempts == 0:
            return pod.failed_at
        return pod.failed_at + self._backoff.delay(pod.attempts - 1)

    def push(self, pod: QueuedPod) -> None:
        """Put a Pod in."""
        self._heap.push(self.due(pod), pod)

    def pop_due(self, now: float) -> QueuedPod | None:
        """Take out a Pod whose time has come."""
        first = self._heap.first_key()
        return self._heap.pop() if first is not None and first <= now else None

    def next_due(self) -> float | None:
        """Return when the next Pod is due."""
        return self._heap.first_key()

    def discard(self, uid: str) -> None:
        """Take a Pod out, if it is there."""
        self._heap.discard(uid)
