"""PURE: one node with some of its Pods away: does it do now?

`TableTrial` takes Pods out of the table and asks the filters as always, so that every filter counts, and none
needs to know of preemption. `RoomTrial` is the same for Pods that ask of a node's Pods nothing but room: a
few sums instead, ten times faster.
"""

from collections.abc import Callable, Sequence

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodInfo

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
        """Begin.

        Args:
            free: of each resource what would be left; negative: it is lacking.
            weigh: returns what a Pod takes of each.
            reasons: what is said when it is lacking.
        """
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
