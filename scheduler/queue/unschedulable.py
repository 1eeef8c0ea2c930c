"""Pods that no node would take, by what could help them: alike Pods that the same plugins refused are one group.

An event is asked about once a group, not once a Pod, and only about groups that a plugin refused which
listens to it. Alike are Pods of one class; or of one shape, whatever their labels, where every plugin that
refused them gives hints by the shape alone. So ten thousand parked Pods cost nothing where nobody listens,
and little where they are of few kinds.

Most questions come again, because Pods of one class come and go. Where the hints of a plugin look at nothing but
the class of such a Pod, what was denied to all its groups is not asked again until it has a new group. And a
plugin may have a screen, which tells by one look that none of its groups is helped.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from scheduler.columns.node_table import BASIC_RESOURCES, NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo, Shape
from scheduler.framework.events import Changed, ClusterEvent, Happened, Hint
from scheduler.queue.places import QueuedPod

#: what the Pods of a group have in common: class or shape, and the plugins that refused them
GroupKey = tuple[PodClass | Shape, frozenset[str]]
#: questions that are remembered of a plugin; beyond that all are forgotten
MAX_DENIED: Final = 256


FIT: Final = "NodeResourcesFit"
#: resources whose columns every configuration looks at come first
_BASIC: Final = len(BASIC_RESOURCES)


def screens(table: NodeTable) -> dict[str, "RoomScreen"]:
    """Return what tells at one look that a Pod that went leaves room for no parked Pod, for `with_room`."""
    return {FIT: RoomScreen(table)}


def with_room(
    hints: Mapping[ClusterEvent, Mapping[str, Hint]], table: NodeTable
) -> dict[ClusterEvent, dict[str, Hint]]:
    """Return hints in which a Pod's going wakes for want of room only those for whom there is some."""
    found = {event: dict(of) for event, of in hints.items()}
    if FIT in found.get(ClusterEvent.ASSIGNED_POD_DELETE, {}):

        def went(pod: PodClass, before: Changed, after: Changed) -> bool:
            return may_fit(table, pod, before)

        found[ClusterEvent.ASSIGNED_POD_DELETE][FIT] = went
    return found


def may_fit(table: NodeTable, pod: PodClass, gone: Changed) -> bool:
    """Say whether there may be room for a Pod on the node that another has left.

    Extended resources are not looked at, because a configuration can have them ignored, nor is the room that
    is kept for nominated Pods.
    """
    return _may_fit(table, table.resolve(pod), pod.priority if pod.may_preempt else None, gone)


def _may_fit(
    table: NodeTable, requests: Iterable[tuple[int, int]], priority: int | None, gone: Changed
) -> bool:
    """Say so of requests by column; `priority` is None for a Pod that may not preempt."""
    if not isinstance(gone, PodInfo) or not gone.node_name:
        # Nobody says where.
        return True
    row = table.rows.get(gone.node_name)
    if row is None:
        return False
    # Asked for each Pod that goes: plain loops, and what decides soonest first.
    nodes, short = table.snapshot(), False
    for index, amount in requests:
        if index < _BASIC:
            most = nodes.allocatable[index].item(row)
            if amount > most:
                # Not on an empty node either.
                return False
            short = short or amount > most - nodes.requested[index].item(row)
    if not short and nodes.pod_count.item(row) < nodes.max_pods.item(row):
        return True
    if priority is not None:
        for level, counts in nodes.priorities.items():
            if level < priority and counts.item(row):
                return True
    return False


class RoomScreen:
    """Knows of all groups at once that a Pod that goes left no room, even for one that asks the least of all and
    may evict most. Groups that have gone make it too careful, never wrong.
    """

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        #: of the resources of every configuration; None: there is nobody
        self._least: list[int] | None = None
        #: the highest of those who may preempt
        self._priority: int | None = None
        #: (column, amount) of what everybody asks for
        self._requests: tuple[tuple[int, int], ...] = ()

    def join(self, pod: PodClass) -> None:
        asked = [pod.request(name) for name in BASIC_RESOURCES]
        self._least = asked if self._least is None else [*map(min, self._least, asked)]
        self._requests = tuple((index, amount) for index, amount in enumerate(self._least) if amount)
        if pod.may_preempt and (self._priority is None or pod.priority > self._priority):
            self._priority = pod.priority

    def clear(self) -> None:
        self._least = self._priority = None
        self._requests = ()

    def nobody(self, happened: Happened) -> bool:
        event, before, _ = happened
        return event is ClusterEvent.ASSIGNED_POD_DELETE and not _may_fit(
            self._table, self._requests, self._priority, before
        )


@dataclass(slots=True, eq=False)
class Group:
    """Alike Pods, by uid; the class of one of them, which is asked about for all; and who refused them."""

    first: PodClass
    rejected_by: frozenset[str]
    pods: dict[str, QueuedPod] = field(default_factory=dict)


class Refusals:
    """The groups that one plugin refused. Owned by `UnschedulablePods`."""

    __slots__ = ("_by_class", "_denied", "_screen", "_stale", "groups")

    def __init__(self, screen: RoomScreen | None, *, by_class: bool) -> None:
        self._screen, self._by_class = screen, by_class
        self.groups: dict[GroupKey, Group] = {}
        self._denied: set[Hashable] = set()
        #: the screen knows groups that have gone
        self._stale = False

    def add(self, key: GroupKey, group: Group) -> None:
        self.groups[key] = group
        self._denied.clear()
        if self._screen is not None:
            self._screen.join(group.first)

    def remove(self, key: GroupKey) -> None:
        del self.groups[key]
        self._stale = True
        if self._screen is not None and not self.groups:
            self._screen.clear()

    def may_help(self, happened: Happened) -> bool:
        if self._screen is not None:
            if self._screen.nobody(happened):
                return False
            if self._stale:
                self._stale = False
                self._screen.clear()
                for group in self.groups.values():
                    self._screen.join(group.first)
            return True
        return not self._by_class or _by_classes(happened) not in self._denied

    def deny(self, happened: Happened) -> None:
        """The hint was asked for each group, and said no of all."""
        about = _by_classes(happened) if self._by_class else None
        if about is not None:
            if len(self._denied) >= MAX_DENIED:
                self._denied.clear()
            self._denied.add(about)


def _by_classes(happened: Happened) -> Hashable | None:
    """Return what happened to a Pod as far as classes go; None: it happened to something else."""
    event, before, after = happened
    if before is None and isinstance(after, PodInfo):
        return (event, None, after.pod_class)
    if isinstance(before, PodInfo) and (after is None or isinstance(after, PodInfo)):
        return (event, before.pod_class, None if after is None else after.pod_class)
    return None


#: the plugin of Pods of which nobody said why they were refused
_NOBODY = ""


class UnschedulablePods:
    """Refused Pods. Owned by the scheduling queue."""

    def __init__(
        self,
        by_shape: frozenset[str] = frozenset(),
        by_class: frozenset[str] = frozenset(),
        screens: Mapping[str, RoomScreen] | None = None,
    ) -> None:
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
        while (oldest := self.oldest()) is not None and oldest <= than:
            pod = self.discard(next(iter(self._pods)))
            assert pod is not None
            yield pod

    def first(self, limit: int) -> list[QueuedPod]:
        return list(islice(self._pods.values(), limit))

    def oldest(self) -> float | None:
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
