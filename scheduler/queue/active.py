"""Pods that are ready for a cycle, in the order of PrioritySort."""

from scheduler.columns.pod_info import PodClass
from scheduler.plugins.priority_sort import sort_key
from scheduler.queue.pod_heap import PodHeap
from scheduler.queue.queued_pod import QueuedPod


class ActiveQueue:
    """Ready Pods. Owned by the scheduling queue."""

    def __init__(self) -> None:
        self._heap: PodHeap[tuple[int, float]] = PodHeap()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, pod: QueuedPod) -> None:
        """Put a Pod in."""
        self._heap.push(sort_key(pod.info.pod_class.priority, pod.since), pod)

    def pop(self) -> QueuedPod | None:
        """Take the next Pod out."""
        return self._heap.pop()

    def pop_like(self, pod_class: PodClass) -> QueuedPod | None:
        """Take the next Pod out if it is of a class."""
        return self._heap.pop_like(pod_class)

    def discard(self, uid: str) -> None:
        """Take a Pod out, if it is there."""
        self._heap.discard(uid)
