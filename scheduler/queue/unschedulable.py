"""Pods that no node would take, by what could help them: alike Pods that the same plugins refused are one group.

An event is asked about once a group, not once a Pod, and only about groups that a plugin refused which
listens to it. Alike are Pods of one class; or of one shape, whatever their labels, where every plugin that
refused them gives hints by the shape alone. So ten thousand parked Pods cost nothing where nobody listens,
and little where they are of few kinds. Most questions are spared even so (`scheduler.queue.refusals`).
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from scheduler.columns.pod_info import PodClass
from scheduler.framework.events import ClusterEvent
from scheduler.queue.queued_pod import QueuedPod
from scheduler.queue.refusals import Group, GroupKey, Happened, Refusals, Screen

#: the plugin of Pods of which nobody said why they were refused
_NOBODY = ""


class UnschedulablePods:
    """Refused Pods. Owned by the scheduling queue."""

    def __init__(
        self,
        by_shape: frozenset[str] = frozenset(),
        by_class: frozenset[str] = frozenset(),
        screens: Mapping[str, Screen] | None = None,
    ) -> None:
        """Make an empty set. For the parameters see `SchedulingQueue`."""
        self._by_shape, self._by_class, self._screens = by_shape, by_class, screens or {}
        #: in the order of their coming, so the first is the one that has waited longest
        self._pods: dict[str, QueuedPod] = {}
        self._groups: dict[GroupKey, Group] = {}
        self._by_plugin: dict[str, Refusals] = {}
        #: event -> what those refused that listen to it; of the plugins that there are now
        self._listening: dict[ClusterEvent, tuple[Refusals, ...]] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def add(self, pod: QueuedPod) -> None:
        self._pods[pod.info.uid] = pod
        key = self._key(pod)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(pod.info.pod_class, pod.rejected_by)
            for plugin in pod.rejected_by or (_NOBODY,):
                refusals = self._by_plugin.get(plugin)
                if refusals is None:
                    refusals = Refusals(self._screens.get(plugin), by_class=plugin in self._by_class)
                    self._by_plugin[plugin] = refusals
                    self._listening.clear()
                refusals.add(key, group)
        group.pods[pod.info.uid] = pod

    def discard(self, uid: str) -> QueuedPod | None:
        pod = self._pods.pop(uid, None)
        if pod is not None:
            key = self._key(pod)
            del self._groups[key].pods[uid]
            if not self._groups[key].pods:
                self._forget(key)
        return pod

    def take(
        self,
        plugins: Mapping[str, object],
        happened: Happened,
        wanted: Callable[[Happened, PodClass, frozenset[str]], bool],
    ) -> Iterator[QueuedPod]:
        """Take out the Pods of all groups that are wanted.

        Asked about (`wanted`, with its class and who refused it) is each group that one of the plugins
        refused which listen to the event, or no plugin by name.
        """
        listening = self._listening.get(happened[0])
        if listening is None:
            listening = self._who_listens(happened[0], plugins)
        heard = [refusals for refusals in listening if refusals.may_help(happened)]
        asked: dict[GroupKey, Group] = {}
        for refusals in heard:
            asked.update(refusals.groups)
        in_vain = True
        for key, group in asked.items():
            if wanted(happened, group.first, group.rejected_by):
                in_vain = False
                self._forget(key)
                for uid, pod in group.pods.items():
                    del self._pods[uid]
                    yield pod
        if in_vain:
            for refusals in heard:
                refusals.deny(happened)

    def take_older(self, than: float) -> Iterator[QueuedPod]:
        """Take out the Pods that came before a moment."""
        while (oldest := self.oldest()) is not None and oldest <= than:
            pod = self.discard(next(iter(self._pods)))
            assert pod is not None
            yield pod

    def first(self, limit: int) -> list[QueuedPod]:
        return list(islice(self._pods.values(), limit))

    def oldest(self) -> float | None:
        """Return when the Pod that has waited longest came."""
        return next((pod.failed_at for pod in self._pods.values()), None)

    def _key(self, pod: QueuedPod) -> GroupKey:
        pod_class = pod.info.pod_class
        alike = pod_class.shape if pod.rejected_by and pod.rejected_by <= self._by_shape else pod_class
        return (alike, pod.rejected_by)

    def _who_listens(self, event: ClusterEvent, plugins: Mapping[str, object]) -> tuple[Refusals, ...]:
        there = self._by_plugin
        # In the order of the plugins, which is the same in every process.
        found = tuple(there[plugin] for plugin in (*plugins, _NOBODY) if plugin in there)
        self._listening[event] = found
        return found

    def _forget(self, key: GroupKey) -> None:
        group = self._groups.pop(key)
        for plugin in group.rejected_by or (_NOBODY,):
            refusals = self._by_plugin[plugin]
            refusals.remove(key)
            if not refusals.groups:
                del self._by_plugin[plugin]
                self._listening.clear()
