"""Pods that no node would take, by what could help them: equal Pods that the same plugins refused are one group.

An event is asked once a group, not once a Pod.
"""

from collections.abc import Callable, Iterator

from scheduler.columns.pod_info import PodClass
from scheduler.queue.queued_pod import QueuedPod

_Group = tuple[PodClass, frozenset[str]]


class UnschedulablePods:
    """Refused Pods. Owned by the scheduling queue."""

    def __init__(self) -> None:
        #: in the order of their coming, so the first is the one that has waited longest
        self._pods: dict[str, QueuedPod] = {}
        self._groups: dict[_Group, dict[str, QueuedPod]] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def add(self, pod: QueuedPod) -> None:
        """Put a Pod in."""
        self._pods[pod.info.uid] = pod
        self._groups.setdefault(_group(pod), {})[pod.info.uid] = pod

    def discard(self, uid: str) -> QueuedPod | None:
        """Take a Pod out, if it is there."""
        pod = self._pods.pop(uid, None)
        if pod is not None:
            group = self._groups[_group(pod)]
            del group[uid]
            if not group:
                del self._groups[_group(pod)]
        return pod

    def take(self, wanted: Callable[[PodClass, frozenset[str]], bool]) -> Iterator[QueuedPod]:
        """Take out the Pods of all groups (class, plugins that refused it) that are wanted."""
        for group in [group for group in self._groups if wanted(*group)]:
            for uid, pod in self._groups.pop(group).items():
                del self._pods[uid]
                yield pod

    def take_older(self, than: float) -> Iterator[QueuedPod]:
        """Take out the Pods that came before a moment."""
        for uid, pod in [*self._pods.items()]:
            if pod.failed_at > than:
                return
            self.discard(uid)
            yield pod

    def oldest(self) -> float | None:
        """Return when the Pod that has waited longest came."""
        return next((pod.failed_at for pod in self._pods.values()), None)


def _group(pod: QueuedPod) -> _Group:
    return (pod.info.pod_class, pod.rejected_by)
