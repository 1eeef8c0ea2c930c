"""Pods that are ready for a cycle, in the order of the profiles' QueueSort plugin."""

import math

import structlog

from scheduler.columns.pod_info import PodClass
from scheduler.framework.binding_points import QueueSortPlugin
from scheduler.framework.checked import numbers
from scheduler.plugins.priority_sort import PrioritySort
from scheduler.queue.pod_heap import PodHeap
from scheduler.queue.queued_pod import QueuedPod

log = structlog.stdlib.get_logger(__name__)


class ActiveQueue:
    """Ready Pods. Owned by the scheduling queue."""

    def __init__(self, sort: QueueSortPlugin | None = None) -> None:
        self._sort = sort or PrioritySort()
        #: our own needs no look
        self._checks = sort is not None and not isinstance(sort, PrioritySort)
        self._heap: PodHeap[tuple[float, ...]] = PodHeap()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, pod: QueuedPod) -> None:
        """Put a Pod in."""
        self._heap.push(self._checked_key(pod) if self._checks else self._sort.sort_key(pod), pod)

    def _checked_key(self, pod: QueuedPod) -> tuple[float, ...]:
        """Return a Pod's place in the order; one about which the plugin fails goes last."""
        try:
            return numbers(self._sort.name, "sort_key", self._sort.sort_key(pod))
        except Exception:
            log.exception("queue sort failed", plugin=self._sort.name, pod=pod.info.key)
            return (math.inf,)

    def pop(self) -> QueuedPod | None:
        """Take the next Pod out."""
        return self._heap.pop()

    def pop_like(self, pod_class: PodClass) -> QueuedPod | None:
        """Take the next Pod out if it is of a class."""
        return self._heap.pop_like(pod_class)

    def discard(self, uid: str) -> None:
        """Take a Pod out, if it is there."""
        self._heap.discard(uid)
