"""PURE: the classes of Pods that were lately decided, kept because the next Pod of a class costs less.

Called by `scheduler.scheduler` (step 2), and by preemption and explanations for a decision from scratch.
"""

from collections.abc import Callable, Iterable
from typing import Final

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, Shape
from scheduler.columns.pod_terms import PodTerm
from scheduler.decide.cycle import ClassCycle, P
from scheduler.decide.node_rows import LookAhead
from scheduler.decide.ranking import TieBreak
from scheduler.decide.row_store import RowStore
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Decision, Scheduled
from scheduler.preemption.dry_run import Residents

#: memory for the classes of a profile that are kept; what one takes, and what it takes besides by node
#: (measured with all kinds of constraints)
BUDGET_BYTES: Final = 128 * 1024 * 1024
BYTES_A_CLASS: Final = 16_000
BYTES_A_NODE: Final = 1


class Cycles:
    """The classes that were lately asked for, bounded. Owned by the scheduling task."""

    def __init__(
        self,
        table: NodeTable,
        framework: Framework,
        *,
        limit: int | None = None,
        residents: Residents | None = None,
        make_ahead: Callable[[int], LookAhead] | None = None,
    ) -> None:
        """Keep nothing yet.

        Args:
            table: of the nodes.
            framework: of the profile.
            limit: classes that are kept; None: as many as `BUDGET_BYTES` hold.
            residents: the Pods of a node; without them nobody is evicted.
            make_ahead: an accelerator: what equal Pods make of so many rows is computed ahead.
        """
        self._table, self._framework, self._fixed_limit = table, framework, limit
        self._residents = residents
        self._cycles: dict[tuple[Shape, tuple[PodTerm, ...]], ClassCycle] = {}
        self._store = RowStore(table, framework, make_ahead=make_ahead)

    @property
    def kept(self) -> int:
        """How many classes are kept."""
        return len(self._cycles)

    @property
    def limit(self) -> int:
        """How many classes may be kept with the nodes that there are."""
        if self._fixed_limit is not None:
            return self._fixed_limit
        return max(1, BUDGET_BYTES // (BYTES_A_CLASS + BYTES_A_NODE * self._table.snapshot().size))

    def decide(self, pod: PodClass, tie_break: TieBreak, in_view: str = "") -> Decision:
        """Return where a Pod of this class goes, on the table as it is now.

        `in_view` is the node it was nominated for.
        """
        if pod.has_storage:
            return self._begin(pod).decide(tie_break, in_view)
        # Of a Pod's labels nothing matters but which terms of placed Pods mean it, and what its own terms
        # make of it (the shape).
        key = (pod.shape, self._table.topology.terms_matching(pod.group))
        cycle = self._cycles.pop(key, None)
        # The one that was not asked for longest goes. Nodes that came leave room for fewer.
        while len(self._cycles) >= self.limit:
            del self._cycles[next(iter(self._cycles))]
        try:
            if cycle is None:
                cycle = self._begin(pod)
            else:
                cycle.adopt(pod)
            decision = cycle.decide(tie_break, in_view)
        except Exception:
            # A plugin has a bug: what was brought up to date then, and what was not, nobody knows.
            self._store.forget()
            raise
        self._cycles[key] = cycle
        return decision

    def run(self, pod: PodClass, pods: Iterable[P], tie_break: TieBreak) -> list[tuple[P, Scheduled]]:
        """Decide for Pods of this class as long as that was computed ahead (`ClassCycle.run`): perhaps for
        none.
        """
        cycle = self._cycles.get((pod.shape, self._table.topology.terms_matching(pod.group)))
        if cycle is None:
            return []
        cycle.adopt(pod)
        return cycle.run(pods, tie_break)

    def _begin(self, pod: PodClass) -> ClassCycle:
        return ClassCycle(pod, self._table, self._framework, self._residents, store=self._store)


def schedule_pod(
    pod: PodClass,
    table: NodeTable,
    framework: Framework,
    *,
    tie_break: TieBreak,
    residents: Residents | None = None,
) -> Decision:
    """Return where one Pod goes, from scratch. Without `residents` (the Pods of a node) nobody is evicted."""
    return ClassCycle(pod, table, framework, residents).decide(tie_break)
