"""Pods that no node would take, by what could help them: alike Pods that the same plugins refused are one group.

An event is asked about once a group, not once a Pod, and only about groups that a plugin refused which listens to it. Alike are
Pods of one class; or of one shape, whatever their labels, where every plugin that refused them gives hints by the shape alone.
So ten thousand parked Pods cost nothing where nobody listens, and little where they are of few kinds.
"""

from collections.abc import Callable, Collection, Iterator, Set
from dataclasses import dataclass, field

from scheduler.columns.pod_info import PodClass, Shape
from scheduler.queue.queued_pod import QueuedPod

_Key = tuple[PodClass | Shape, frozenset[str]]
#: the plugin of Pods of which nobody said why they were refused
_NOBODY = ""


@dataclass(slots=True, eq=False)
class _Group:
    """Alike Pods, by uid; one of them, who is asked for all; and who refused them."""

    first: PodClass
    rejected_by: frozenset[str]
    pods: dict[str, QueuedPod] = field(default_factory=dict)


class UnschedulablePods:
    """Refused Pods. Owned by the scheduling queue."""

    def __init__(self, by_shape: frozenset[str] = frozenset()) -> None:
        """Make an empty set. Args: by_shape: plugins whose hints do not look at a refused Pod's labels."""
        self._by_shape = by_shape
        #: in the order of their coming, so the first is the one that has waited longest
        self._pods: dict[str, QueuedPod] = {}
        self._groups: dict[_Key, _Group] = {}
        #: plugin -> the groups that it refused
        self._by_plugin: dict[str, dict[_Key, _Group]] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def add(self, pod: QueuedPod) -> None:
        """Put a Pod in."""
        self._pods[pod.info.uid] = pod
        key = self._key(pod)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(pod.info.pod_class, pod.rejected_by)
            for plugin in pod.rejected_by or (_NOBODY,):
                self._by_plugin.setdefault(plugin, {})[key] = group
        group.pods[pod.info.uid] = pod

    def discard(self, uid: str) -> QueuedPod | None:
        """Take a Pod out, if it is there."""
        pod = self._pods.pop(uid, None)
        if pod is not None:
            key = self._key(pod)
            del self._groups[key].pods[uid]
            if not self._groups[key].pods:
                self._forget(key)
        return pod

    def wait_for(self, plugins: Set[str]) -> bool:
        """Say whether there is a Pod that one of the plugins refused, or nobody by name."""
        return _NOBODY in self._by_plugin or not self._by_plugin.keys().isdisjoint(plugins)

    def take(
        self, plugins: Collection[str], wanted: Callable[[PodClass, frozenset[str]], bool]
    ) -> Iterator[QueuedPod]:
        """Take out the Pods of all groups that are wanted, of those that one of the plugins refused, or nobody by name."""
        by_plugin = self._by_plugin
        # In the order of the plugins, which is the same in every process.
        there = [by_plugin[plugin] for plugin in plugins if plugin in by_plugin]
        if _NOBODY in by_plugin:
            there.append(by_plugin[_NOBODY])
        asked: dict[_Key, _Group] = {}
        for groups in there:
            asked.update(groups)
        for key, group in asked.items():
            if wanted(group.first, group.rejected_by):
                self._forget(key)
                for uid, pod in group.pods.items():
                    del self._pods[uid]
                    yield pod

    def take_older(self, than: float) -> Iterator[QueuedPod]:
        """Take out the Pods that came before a moment."""
        while (oldest := self.oldest()) is not None and oldest <= than:
            pod = self.discard(next(iter(self._pods)))
            assert pod is not None
            yield pod

    def oldest(self) -> float | None:
        """Return when the Pod that has waited longest came."""
        return next((pod.failed_at for pod in self._pods.values()), None)

    def _key(self, pod: QueuedPod) -> _Key:
        pod_class = pod.info.pod_class
        alike = pod_class.shape if pod.rejected_by and pod.rejected_by <= self._by_shape else pod_class
        return (alike, pod.rejected_by)

    def _forget(self, key: _Key) -> None:
        group = self._groups.pop(key)
        for plugin in group.rejected_by or (_NOBODY,):
            there = self._by_plugin[plugin]
            del there[key]
            if not there:
                del self._by_plugin[plugin]
