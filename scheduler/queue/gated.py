"""Pods that a PreEnqueue plugin keeps out of the queue, by plugin and class.

A plugin answers by the class of a Pod, so it is asked once for all Pods of a class.
"""

from collections.abc import Iterable

from scheduler.columns.pod_info import PodClass
from scheduler.queue.queued_pod import QueuedPod


class GatedPods:
    """Gated Pods. Owned by the scheduling queue."""

    def __init__(self) -> None:
        #: plugin -> class -> uid -> Pod
        self._by_plugin: dict[str, dict[PodClass, dict[str, QueuedPod]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, pod: QueuedPod) -> None:
        """Put a Pod in; its `gated_by` says who keeps it out."""
        by_class = self._by_plugin.setdefault(pod.gated_by, {})
        by_class.setdefault(pod.info.pod_class, {})[pod.info.uid] = pod
        self._count += 1

    def discard(self, pod: QueuedPod) -> None:
        """Take a Pod out. Its class and `gated_by` are still those with which it was put in."""
        by_class = self._by_plugin[pod.gated_by]
        pods = by_class[pod.info.pod_class]
        del pods[pod.info.uid]
        if not pods:
            del by_class[pod.info.pod_class]
        if not by_class:
            del self._by_plugin[pod.gated_by]
        self._count -= 1

    def groups(self, plugins: Iterable[str] | None = None) -> list[tuple[str, list[QueuedPod]]]:
        """Return the Pods of each class that one of these plugins keeps out (None: that anyone does)."""
        wanted = (
            [*self._by_plugin] if plugins is None else [name for name in plugins if name in self._by_plugin]
        )
        return [(name, [*pods.values()]) for name in wanted for pods in self._by_plugin[name].values()]
