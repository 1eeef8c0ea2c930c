"""PURE: where does a Pod go? One class of equal Pods at a time, and no more computed than changed.

`ClassCycle` answers for one class. What nodes are worth by themselves it reads from rows that it shares with
all classes that ask the same of nodes (`scheduler.decide.node_rows`): these follow each Pod that comes or
goes. What the class asks of other Pods, and scores that are scaled over all feasible nodes, it adds at each
decision (`scheduler.decide.beyond`). A class keeps little itself, and its first decision costs little more
than the next.

The decisions are those of one Pod at a time from scratch; a plain reference scheduler in the tests is the
judge. `Cycles` keeps the classes that were lately asked for. Figures are in
docs/benchmarks.md. Called by `scheduler.scheduler` (step 2); there is no await in it, so nothing changes
under it. Follows upstream's `schedulePod`, without its sampling of nodes: columns are fast enough to look at
all.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import numpy as np

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, Shape
from scheduler.columns.pod_terms import PodTerm
from scheduler.decide.beyond import NOTHING, Beyond, Found, ScaledScore
from scheduler.decide.node_rows import LookAhead
from scheduler.decide.ranking import TieBreak
from scheduler.decide.refusals import Refused
from scheduler.decide.row_store import RowStore
from scheduler.framework.checked import invalid_score
from scheduler.framework.interface import UNRESOLVABLE, FilterPlugin, Reach, Refusals, ScorePlugin
from scheduler.framework.runtime import Framework, Prepared
from scheduler.framework.status import NO_NODES, Decision, Scheduled, Unschedulable, fit_message
from scheduler.preemption.dry_run import DryRun, Residents

#: whoever is decided for
P = TypeVar("P")


class ClassCycle:
    """The decisions for one class. Owned by the scheduling task; starts afresh whenever a node changes."""

    #: why no node will do, as of `_position`; None: one will, or nobody has asked
    _verdict: Unschedulable | None
    #: of the journal, at the last decision
    _position: int
    #: whether a change anywhere may change anything: plugins have to prepare anew then
    _is_far: bool
    #: the terms of placed Pods that mean this one
    _terms: tuple[PodTerm, ...]

    def __init__(
        self,
        pod: PodClass,
        table: NodeTable,
        framework: Framework,
        residents: Residents | None = None,
        *,
        store: RowStore | None = None,
    ) -> None:
        """Prepare the plugins; without `residents` (the Pods of a node) nobody is evicted."""
        self._pod, self._table, self._framework, self._residents = pod, table, framework, residents
        self._store = RowStore(table, framework) if store is None else store
        self._start()

    def decide(self, tie_break: TieBreak, in_view: str = "") -> Decision:
        """Return where the next Pod goes; where the node `in_view` will do, no other is looked at."""
        position = self._table.journal.position
        if (
            not self._store.refresh(self._rows)
            or (self._is_far and position != self._position)
            or self._table.topology.terms_matching(self._pod.group) != self._terms
        ):  # fmt: skip
            self._start()
        row = self._table.rows.get(in_view, -1) if in_view else -1
        if row >= 0 and self._passes(row):
            return Scheduled(row, in_view, 1, 1)
        found = NOTHING
        if self._verdict is None or position != self._position:
            self._position, self._verdict = position, None
            found = self._find(tie_break)
        if found.row >= 0:
            name = self._rows.nodes.names[found.row]
            assert name is not None
            return Scheduled(found.row, name, self._rows.count, found.feasible)
        if in_view:
            # What can be done depends on what was begun for this very Pod.
            return self._explain(row)
        if self._verdict is None:
            self._verdict = self._explain(-1)
        return self._verdict

    def adopt(self, pod: PodClass) -> None:
        """Decide from now on for a class whose labels differ in what nobody looks at."""
        self._pod = pod

    def run(self, pods: Iterable[P], tie_break: TieBreak) -> list[tuple[P, Scheduled]]:
        """Decide for Pods of the class one after the other, as long as what follows from each was computed
        ahead: no column is read.

        Whoever calls places them at once, in this order: they count as placed here. The next Pod is taken
        from `pods` only when it will get a node.
        """
        rows, table = self._rows, self._table
        found: list[tuple[P, Scheduled]] = []
        ahead, ranking = rows.ahead, rows.ranking()
        if (
            ahead is None or ranking is None or not self._beyond.is_empty or self._is_rejected or table.nominated
            # A Pod that asks something of others changes what is asked of the next.
            or self._pod.asked.terms or not self._store.follow_known(rows)
        ):  # fmt: skip
            return found
        names, all_rows = rows.nodes.names, ranking.rankings[0]
        best = all_rows.best()
        if best is None:
            return found
        for pod in pods:
            _, ties = best
            row = ties.pick(tie_break(ties.count) if ties.count > 1 else 0)
            name = names[row]
            assert name is not None
            found.append((pod, Scheduled(row, name, rows.count, all_rows.count)))
            if not ahead.knows(row):
                # The next decision begins by asking about this row.
                break
            rows.put(row, ahead.take(row))
            best = all_rows.best()
            if best is None:
                break
        return found

    def _start(self) -> None:
        pod, observer = self._pod, self._framework.observer
        observer.begin()
        self._rows = rows = self._store.rows_for(pod)
        self._position, self._verdict = self._table.journal.position, None
        self._terms = self._table.topology.terms_matching(pod.group)
        #: what would be if Pods were not there, or others were; made when somebody asks
        self._what_if: DryRun | None = None
        #: all plugins, prepared; made when somebody asks
        self._all: Prepared | None = None
        #: what the filters said of each node when nothing fitted last
        self._refused: Refused | None = None
        prepared = self._store.beyond.prepare(pod, rows.nodes)
        self._is_rejected = rows.rejected or bool(prepared.rejected)
        self._is_far = any(_is_far(plugin, "filter_groups") for plugin in prepared.filters) or any(
            _is_far(item.plugin, "score_groups") for item in prepared.scores
        )
        scores = [
            *(ScaledScore.of(weighted, raw) for weighted, raw in rows.kind.scaled),
            *(ScaledScore.of(weighted) for weighted in prepared.scores),
        ]
        self._beyond = Beyond(pod, rows, prepared.state, prepared.filters, scores)

    def _find(self, tie_break: TieBreak) -> Found:
        if self._is_rejected or not self._rows.count:
            return NOTHING
        for row, wrong in self._rows.wrong.items():
            if self._passes(row):
                raise invalid_score(*wrong)
        return self._beyond.find(self._table.nominated, self._keeps, tie_break)

    def _passes(self, row: int) -> bool:
        if self._is_rejected or self._rows.total.item(row) < 0 or not self._beyond.passes(row):
            return False
        return row not in self._table.nominated or self._keeps(row)

    def _keeps(self, row: int) -> bool:
        """Say whether a row would do although other Pods, of at least this priority, have it in view."""
        return self._dry_run().with_nominated(row)[0] < 0

    def _prepared(self) -> Prepared:
        if self._all is None:
            self._all = self._framework.prepare(self._pod, self._rows.nodes)
        return self._all

    def _dry_run(self) -> DryRun:
        if self._what_if is None:
            prepared = self._prepared()
            self._what_if = DryRun(
                self._pod, self._table, self._rows.nodes, prepared.state, prepared.filters[_first_moving(prepared) :],
                residents=self._residents or (lambda _node_name: ()),
                far=any(plugin.reach > Reach.ROW for plugin in prepared.filters),
            )  # fmt: skip
        return self._what_if

    def _explain(self, in_view: int) -> Unschedulable:
        """Say why no node will do, and what can be done for the Pod that has the row `in_view` (-1: none)."""
        count, pod, nodes = self._rows.count, self._pod, self._rows.nodes
        if not count:
            return Unschedulable(0, {}, frozenset(), NO_NODES)
        prepared = self._prepared()
        rejections: dict[str, int] = {prepared.rejected: count}
        by, resolvable = frozenset({prepared.rejected_by}), np.zeros(nodes.size, np.bool_)
        if not prepared.rejected:
            refused = self._refusals(prepared)
            kept: dict[int, tuple[int, int]] = {}
            for row in refused.passing(self._table.nominated):
                number, code = self._dry_run().with_nominated(row)
                if number >= 0:
                    kept[row] = number + _first_moving(prepared), code
            rejections, by = refused.tell(kept)
            resolvable = refused.resolvable.copy() if kept else refused.resolvable
            for row, (_, code) in kept.items():
                resolvable[row] = not code & UNRESOLVABLE
        refusals = Refusals(resolvable, count, in_view, self._dry_run() if self._residents else None)
        found = self._framework.post_filter(prepared, pod, nodes, refusals)
        message = fit_message(count, rejections, pre_filter=prepared.rejected, post_filter=found.message)
        return Unschedulable(count, rejections, by, message, found.nominated, found.victims, found.waits)

    def _refusals(self, prepared: Prepared) -> Refused:
        found = self._refused
        if found is None or not found.follow():
            found = Refused(prepared, self._pod, self._rows.nodes, self._table.journal)
            self._refused = found
            self._store.explained(self._forget_refused)
        return found

    def _forget_refused(self) -> None:
        """Let go of what the filters said: others are asked about more often."""
        self._refused = None


def _first_moving(prepared: Prepared) -> int:
    """Return the number of the first filter whose answer a placement may change; as many as there are: none."""
    return next(
        (number for number, plugin in enumerate(prepared.filters) if plugin.reach is not Reach.NONE),
        len(prepared.filters),
    )


def _is_far(plugin: FilterPlugin | ScorePlugin, grouped: str) -> bool:
    """Say whether a Pod anywhere may change what a plugin has prepared."""
    return plugin.reach is Reach.GLOBAL or (plugin.reach is Reach.DOMAIN and not hasattr(plugin, grouped))


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
        """Keep nothing yet; `limit` classes at most, or as many as `BUDGET_BYTES` hold."""
        self._table, self._framework, self._fixed_limit = table, framework, limit
        self._residents = residents
        self._cycles: dict[tuple[Shape, tuple[PodTerm, ...]], ClassCycle] = {}
        self._store = RowStore(table, framework, make_ahead=make_ahead)

    @property
    def kept(self) -> int:
        return len(self._cycles)

    @property
    def limit(self) -> int:
        """How many classes may be kept with the nodes that there are."""
        if self._fixed_limit is not None:
            return self._fixed_limit
        return max(1, BUDGET_BYTES // (BYTES_A_CLASS + BYTES_A_NODE * self._table.snapshot().size))

    def decide(self, pod: PodClass, tie_break: TieBreak, in_view: str = "") -> Decision:
        """Return where a Pod of this class goes; `in_view` is the node it was nominated for."""
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
        """Decide for Pods of this class as long as that was computed ahead (`ClassCycle.run`)."""
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
