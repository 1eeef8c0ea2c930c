"""PURE: what would the filters say of a node if some of its Pods were not there?

Pods are taken out of the table and put back, and the filters are asked as always: so every filter counts, and
none needs to know of preemption (`TableTrial`). Where the filters ask of a node's Pods nothing but room, a few
sums do the same ten times faster (`RoomTrial`). Nobody else sees the table meanwhile (there is no await). Made
by `scheduler.decide.cycle` for one class of Pods.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.checked import ask_room, whole
from scheduler.framework.interface import CycleState, FilterPlugin, RoomFilter, Trial, decode

#: returns why a row would not do; empty: it would
Ask = Callable[[int], tuple[str, ...]]


class TableTrial:
    """A node whose Pods are taken out of the table. Nobody else may look until it is closed."""

    def __init__(self, table: NodeTable, row: int, ask: Ask) -> None:
        self._table, self._row, self._ask = table, row, ask
        self._away: dict[str, PodInfo] = {}

    def take(self, pod: PodInfo) -> None:
        self._table.suppose(self._row, pod.pod_class, -1)
        self._away[pod.uid] = pod

    def put(self, pod: PodInfo) -> None:
        self._table.suppose(self._row, pod.pod_class, 1)
        del self._away[pod.uid]

    def refusal(self) -> tuple[str, ...]:
        return self._ask(self._row)

    def close(self) -> None:
        for pod in [*self._away.values()]:
            self.put(pod)


class RoomTrial:
    """A node as sums of what is free. Nothing is changed, so there is nothing to put back."""

    def __init__(
        self, free: list[int], weigh: Callable[[PodInfo], Sequence[int]], reasons: Sequence[str]
    ) -> None:
        """Begin; `free` is what would be left of each resource, negative where it is lacking."""
        self._free, self._weigh, self._reasons = free, weigh, reasons

    def take(self, pod: PodInfo) -> None:
        self._free = [left + amount for left, amount in zip(self._free, self._weigh(pod), strict=True)]

    def put(self, pod: PodInfo) -> None:
        self._free = [left - amount for left, amount in zip(self._free, self._weigh(pod), strict=True)]

    def refusal(self) -> tuple[str, ...]:
        if min(self._free) >= 0:
            return ()
        return tuple(reason for left, reason in zip(self._free, self._reasons, strict=True) if left < 0)

    def close(self) -> None:
        """Do nothing."""


#: node -> the Pods that take room there
Residents = Callable[[str], Collection[PodInfo]]
_PASSES = (-1, 0)


class DryRun:
    """Questions about one class of Pods. Lives as long as what its filters have prepared."""

    def __init__(
        self,
        pod: PodClass,
        table: NodeTable,
        nodes: Snapshot,
        state: CycleState,
        filters: Sequence[FilterPlugin],
        *,
        residents: Residents,
        far: bool,
    ) -> None:
        """Prepare; `filters` begin with the first whose answer depends on the Pods of a node.

        `far`: a change on a row reaches what they say of others.
        """
        self._pod, self._table, self._nodes, self._state = pod, table, nodes, state
        self._filters, self._residents, self._far = filters, residents, far
        #: what is needed of resources, when that is all that depends on a node's Pods
        self._room: Sequence[tuple[str, int, int]] | None = None
        self._reasons: Sequence[str] = ()
        self._weights: dict[PodClass, Sequence[int]] = {}
        if len(filters) == 1 and isinstance(filters[0], RoomFilter):
            self._room = ask_room(filters[0].name, filters[0], state, pod, nodes)
            self._reasons = filters[0].reasons(pod)

    @property
    def position(self) -> int:
        return self._table.journal.position

    def changed_since(self, position: int) -> Iterable[int] | None:
        entries = self._table.journal.since(position)
        if entries is None or (entries and self._far):
            return None
        return set(entries)

    def pods(self, row: int) -> Collection[PodInfo]:
        name = self._nodes.names[row]
        return () if name is None else self._residents(name)

    def begin(self, row: int) -> Trial:
        if self._room is None:
            return TableTrial(self._table, row, self.refusal)
        nodes, coming = self._nodes, self._coming(row)
        free = [nodes.max_pods.item(row) - nodes.pod_count.item(row) - len(coming) - 1]
        for name, index, amount in self._room:
            left = nodes.allocatable[index].item(row) - nodes.requested[index].item(row) - amount
            free.append(left - sum(other.request(name) for other in coming))
        return RoomTrial(free, self._weigh, self._reasons)

    def _weigh(self, pod: PodInfo) -> Sequence[int]:
        found = self._weights.get(pod.pod_class)
        if found is None:
            assert self._room is not None
            found = (1, *(pod.pod_class.request(name) for name, _, _ in self._room))
            self._weights[pod.pod_class] = found
        return found

    def _coming(self, row: int) -> list[PodClass]:
        kept = self._table.nominated.get(row)
        return [other for other in kept if other.priority >= self._pod.priority] if kept else []

    def refusal(self, row: int) -> tuple[str, ...]:
        """Return why the row would not do now; empty: it would."""
        number, code = self.check(row)
        return () if number < 0 else (*decode(code, self._filters[number].reasons(self._pod)),)

    def check(self, row: int) -> tuple[int, int]:
        """Return the number of the filter that refuses a row, and its code; -1: none does.

        Asked twice, as upstream's `RunFilterPluginsWithNominatedPods`: with the Pods of at least this
        priority that have the node in view, and without, because an affinity must not be fulfilled by a Pod
        that may never come.
        """
        answer = self.with_nominated(row)
        return answer if answer[0] >= 0 else self._ask(row)

    def with_nominated(self, row: int) -> tuple[int, int]:
        """Return what `check` does, as if the Pods of at least this priority that are to come were there."""
        coming = self._coming(row)
        if not coming:
            return _PASSES
        suppose = self._table.suppose
        for other in coming:
            suppose(row, other, 1)
        try:
            return self._ask(row)
        finally:
            for other in coming:
                suppose(row, other, -1)

    def _ask(self, row: int) -> tuple[int, int]:
        state, pod, nodes = self._state, self._pod, self._nodes
        for number, plugin in enumerate(self._filters):
            code = plugin.filter_row(state, pod, nodes, row)
            if type(code) is not int:
                code = whole(plugin.name, "filter_row", code)
            if code:
                return number, code
        return _PASSES
