"""PURE: the classes of Pods that were lately decided, kept because the next Pod of a class costs only what
changed.

Called by `scheduler.scheduler` (step 2), and by preemption and explanations for a decision from scratch.
"""

from collections.abc import Iterable
from typing import Final

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, Shape
from scheduler.columns.pod_terms import PodTerm
from scheduler.decide.ahead import LEAST_ROWS
from scheduler.decide.cycle import ClassCycle, P, Run
from scheduler.decide.first_decision import FirstDecision
from scheduler.decide.ranking import TieBreak
from scheduler.decide.row_layer import RowLayer, RowLayers
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Decision
from scheduler.preemption.dry_run import Residents

#: memory for the classes of a profile that are kept; what one takes, and what it takes besides by node
#: (measured with all kinds of constraints)
BUDGET_BYTES: Final = 256 * 1024 * 1024
BYTES_A_CLASS: Final = 20_000
BYTES_A_NODE: Final = 100
#: classes that are kept however many nodes there are
LEAST_CLASSES: Final = 64


class Cycles:
    """The classes that were lately asked for, bounded. Owned by the scheduling task."""

    def __init__(
        self,
        table: NodeTable,
        framework: Framework,
        *,
        limit: int | None = None,
        residents: Residents | None = None,
        ahead_from: int = LEAST_ROWS,
        rows: RowLayers | None = None,
    ) -> None:
        """Keep nothing yet.

        Args:
            table: of the nodes.
            framework: of the profile.
            limit: classes that are kept; None: as many as `BUDGET_BYTES` hold, `LEAST_CLASSES` at least.
            residents: the Pods of a node; without them nobody is evicted.
            ahead_from: so many equally good nodes are worth a look ahead.
            rows: an accelerator makes the row layer of each class; without it `RowLayer` is used.
        """
        self._table, self._framework, self._fixed_limit = table, framework, limit
        self._residents, self._ahead_from = residents, ahead_from
        self._cycles: dict[tuple[Shape, tuple[PodTerm, ...]], ClassCycle] = {}
        self._first = FirstDecision(table, framework)
        self._make_rows = RowLayer if rows is None else rows(table, framework.observer)
        #: shapes that were met once, lately, and of which nothing is kept
        self._met: dict[Shape, bool] = {}

    @property
    def kept(self) -> int:
        """How many classes are kept."""
        return len(self._cycles)

    @property
    def limit(self) -> int:
        """How many classes may be kept with the nodes that there are."""
        if self._fixed_limit is not None:
            return self._fixed_limit
        return max(
            LEAST_CLASSES, BUDGET_BYTES // (BYTES_A_CLASS + BYTES_A_NODE * self._table.snapshot().size)
        )

    def decide(self, pod: PodClass, tie_break: TieBreak, in_view: str = "") -> Decision:
        """Return where a Pod of this class goes, on the table as it is now.

        `in_view` is the node it was nominated for.
        """
        if pod.has_storage:
            # What storage there is stands in no column, and each such Pod has claims of its own.
            once = ClassCycle(pod, self._table, self._framework, self._residents)
            return once.decide(tie_break, in_view)
        # Of a Pod's labels nothing matters but which terms of placed Pods mean it, and what its own terms
        # make of it (the shape).
        terms = self._table.topology.terms_matching(pod.group)
        key = (pod.shape, terms)
        cycle = self._cycles.pop(key, None)
        # The one that was not asked for longest goes; when it comes back that costs a full pass. Nodes that
        # came leave room for fewer.
        while len(self._cycles) >= self.limit:
            del self._cycles[next(iter(self._cycles))]
        if cycle is not None:
            cycle.adopt(pod)
        elif not terms and not in_view and not self._was_met(pod.shape):
            decision = self._look(pod, tie_break)
            if decision is not None:
                return decision
        if cycle is None:
            cycle = self._begin(pod)
        # Not kept when a plugin has a bug: what was brought up to date then, and what was not, nobody knows.
        decision = cycle.decide(tie_break, in_view)
        self._cycles[key] = cycle
        return decision

    def run(self, pod: PodClass, pods: Iterable[P], tie_break: TieBreak) -> Run[P]:
        """Decide for Pods of this class as long as that was computed in advance (`ClassCycle.run`): perhaps
        for none.
        """
        cycle = self._cycles.get((pod.shape, self._table.topology.terms_matching(pod.group)))
        if cycle is None:
            return Run([], False)
        cycle.adopt(pod)
        return cycle.run(pods, tie_break)

    def _was_met(self, shape: Shape) -> bool:
        """Say whether a class that no term means was lately met for the first time, and note that it is met
        now.
        """
        met = self._met
        if met.pop(shape, False):
            return True
        while len(met) >= self.limit:
            del met[next(iter(met))]
        met[shape] = True
        return False

    def _look(self, pod: PodClass, tie_break: TieBreak) -> Decision | None:
        try:
            return self._first.decide(pod, tie_break)
        except Exception:
            self._first.forget()
            raise

    def _begin(self, pod: PodClass) -> ClassCycle:
        return ClassCycle(
            pod,
            self._table,
            self._framework,
            self._residents,
            ahead_from=self._ahead_from,
            make_rows=self._make_rows,
        )


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
