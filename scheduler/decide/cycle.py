"""PURE: where does a Pod go? One class of equal Pods at a time, and no more computed than changed.

`ClassCycle` answers for one class. It keeps three layers, each brought up to date with the rows that were
touched since the last decision (its own placement, other classes' placements, Pods that went):
  rows      filters and scores that look at a node and its Pods; again for a touched row alone
            (`scheduler.decide.row_layer`)
  domains   filters of reach DOMAIN, a code a row each; the plugin says which rows a change reached
  scaled    scores that depend on all feasible rows, or on domains (`scheduler.decide.scaling`)
and above them what the filters said of each row (`scheduler.decide.verdicts`), the sum by row and the best
rows (`scheduler.decide.ranking`). Which plugin is asked in which layer is said by `scheduler.decide.layers`.
The decisions are those of one Pod at a time from scratch; a plain reference scheduler in the tests is the
judge. `scheduler.decide.cycles` keeps the classes that were lately asked for; the first Pod of one is decided
by `scheduler.decide.first_decision`.

Figures are in docs/benchmarks.md. Called by `scheduler.scheduler` (step 2); there is no await in it, so
nothing changes under it. Follows upstream's `schedulePod`, without its sampling of nodes: columns are fast
enough to look at all.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from scheduler.columns.domains import ONE_BY_ONE
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.decide.ahead import LEAST_ROWS, UNKNOWN, Ahead, compute_ahead
from scheduler.decide.cell_ranking import CellRanking
from scheduler.decide.layers import layers_of
from scheduler.decide.ranking import Ranking, TieBreak
from scheduler.decide.row_layer import MakeRowLayer, RowLayer
from scheduler.decide.scaling import ScaledScore
from scheduler.decide.verdicts import PASSED, Verdicts
from scheduler.framework.checked import checked_rows, whole
from scheduler.framework.interface import (
    Affected,
    DomainFilter,
    Reach,
    Refusals,
)
from scheduler.framework.runtime import Framework
from scheduler.framework.status import NO_NODES, Decision, Scheduled, Unschedulable, fit_message
from scheduler.preemption.dry_run import DryRun, Residents

#: whoever is decided for
P = TypeVar("P")


class Run(NamedTuple, Generic[P]):
    """Pods that were decided together, and are to be placed."""

    placed: list[tuple[P, Scheduled]]
    #: they count in the topology already, though in nothing else
    in_topology: bool


class ClassCycle:
    """The decisions for one class. Owned by the scheduling task; starts afresh whenever a node changes."""

    #: how many nodes there are, and how many of them would do
    _count: int
    _feasible: int
    #: why none would do, once somebody has asked
    _verdict: Unschedulable | None

    def __init__(
        self,
        pod: PodClass,
        table: NodeTable,
        framework: Framework,
        residents: Residents | None = None,
        *,
        ahead_from: int = LEAST_ROWS,
        make_rows: MakeRowLayer = RowLayer,
    ) -> None:
        self._pod, self._table, self._framework, self._residents = pod, table, framework, residents
        self._ahead_from, self._make_rows = ahead_from, make_rows
        self._start()

    def decide(self, tie_break: TieBreak, in_view: str = "") -> Decision:
        """Return where the next Pod of the class goes, on the table as it is now.

        Args:
            tie_break: chooses among equally good nodes.
            in_view: the node that this Pod was nominated for: when that will do, no other is looked at.
        """
        self._catch_up()
        if in_view:
            row = self._table.rows.get(in_view, -1)
            if row >= 0 and self._ok.item(row):
                return Scheduled(row, in_view, 1, 1)
            if self._feasible == 0:
                # What can be done depends on what was begun for this very Pod.
                return self._explain(row)
        if self._feasible == 0:
            if self._verdict is None:
                self._verdict = self._explain(-1)
            return self._verdict
        ranking = self._ranking
        ties = ranking.ties
        row = ranking.pick(tie_break(ties) if ties > 1 else 0)
        name = self._nodes.names[row]
        assert name is not None
        return Scheduled(row, name, self._count, self._feasible)

    def adopt(self, pod: PodClass) -> None:
        """Decide for a class that is decided alike from now on.

        Its labels differ, and nobody looks at the difference.
        """
        self._pod = self._rows.pod = pod

    def _start(self) -> None:
        table, pod = self._table, self._pod
        self._nodes = nodes = table.snapshot()
        self._position = table.journal.position
        #: the terms of placed Pods that mean this one
        self._terms = table.topology.terms_matching(self._pod.group)
        self._verdict = None
        self._framework.observer.begin()
        self._prepared = prepared = self._framework.prepare(self._pod, nodes)
        self._filters = prepared.filters
        self._count = int(np.count_nonzero(nodes.valid))
        size = nodes.size
        #: what the filters of both layers said
        self._verdicts = Verdicts(size)
        #: bool[N]: all filters passed
        self._ok = np.zeros(size, np.bool_)
        self._ranking: Ranking | CellRanking = Ranking(size)
        #: which plugins are asked for what
        self._layers = layers = layers_of(prepared)
        self._rows = self._row_layer()
        #: int64[N]: what each row is worth by itself
        self._base = self._rows.base
        self._scaled = [ScaledScore(item, prepared.state, pod, nodes) for item in layers.scaled]
        #: what would be if Pods were not there, or others were; made when somebody asks
        self._what_if: DryRun | None = None
        #: the only score that is scaled, where it gives each cell of rows the same
        self._by_cell: ScaledScore | None = None
        self._feasible = 0
        if self._count and not prepared.rejected:
            self._compute_all()
        #: where nothing matters but the rows themselves, and their cells
        self._ahead: Ahead | None = None
        if not (
            (self._scaled and self._by_cell is None) or layers.is_global or layers.reach > Reach.ROW
            or pod.host_ports or pod.has_storage
        ):  # fmt: skip
            self._ahead = Ahead(size, self._ahead_from)

    def _row_layer(self) -> RowLayer:
        prepared = self._prepared
        make = self._make_rows if self._count and not prepared.rejected else RowLayer
        return make(
            self._pod, self._nodes, prepared.state, self._layers, self._verdicts, self._framework.observer
        )

    def run(self, pods: Iterable[P], tie_break: TieBreak) -> Run[P]:
        """Decide for Pods of the class one after the other, as long as what follows from each was computed in
        advance: no column is read.

        Whoever calls places them at once, in this order: they count as placed here. The next Pod is taken
        from `pods` only when it will get a node.
        """
        ahead, ranking, table = self._ahead, self._ranking, self._table
        found: list[tuple[P, Scheduled]] = []
        run = Run(found, self._by_cell is not None)
        # A Pod that asks something of others changes what is asked of the next.
        if ahead is None or self._pod.asked.terms or not self._feasible or not self._is_as_computed(ahead):
            return run
        names, count, feasible, base = self._nodes.names, self._count, self._feasible, self._base
        followed = 0
        for pod in pods:
            ties = ranking.ties
            row = ranking.take(tie_break(ties) if ties > 1 else 0)
            name = names[row]
            assert name is not None
            found.append((pod, Scheduled(row, name, count, feasible)))
            if run.in_topology:
                # What cells get now depends on it.
                table.topology.count(row, self._pod, 1)
            total = ahead.try_take(row)
            if total == UNKNOWN:
                # The next decision begins by asking about this row.
                ranking.put(row, base.item(row))
                break
            followed += 1
            base[row] = total
            ranking.put(row, total)
            if self._by_cell is not None and not self._follow_cells(self._by_cell, (row,), flipped=False):
                self._rank_all()
                break
        self._position, self._verdict = table.journal.position + followed, None
        return run

    def _is_as_computed(self, ahead: Ahead) -> bool:
        """Say whether nothing has happened since the last decision but what was computed in advance, and
        follow that.
        """
        table = self._table
        if (
            table.snapshot() is not self._nodes or table.nominated or not self._verdicts.is_plain
            or table.topology.terms_matching(self._pod.group) != self._terms
        ):  # fmt: skip
            return False
        position = table.journal.position
        if position == self._position:
            return True
        return ahead.knows(table.last_added[0]) and self._follow_placement(position)

    def _compute_all(self) -> None:
        """Filter and score everything as columns."""
        nodes, observer = self._nodes, self._framework.observer
        began = observer.now()
        self._rows.filter(nodes.all)
        for number, plugin in enumerate(self._filters):
            if plugin.reach is Reach.DOMAIN:
                started = observer.now()
                # Asked once: to ask a Protocol takes longer than to filter.
                assert isinstance(plugin, DomainFilter)
                self._verdicts.domains[number] = plugin, plugin, self._rows.ask_all(plugin)
                observer.plugin(plugin.name, "Filter", observer.now() - started)
        self._see_all()
        observer.extension_point("Filter", success=self._feasible > 0, seconds=observer.now() - began)
        began = observer.now()
        self._rows.score_still()
        self._rows.score(nodes.all)
        for scaled in self._scaled:
            started = observer.now()
            scaled.start(self._ok, whole=self._feasible == nodes.size)
            observer.plugin(scaled.name, "Score", observer.now() - started)
        observer.extension_point("Score", success=True, seconds=observer.now() - began)
        cells = self._scaled[0].by_cells() if len(self._scaled) == 1 else None
        if cells is not None:
            self._by_cell, self._ranking = self._scaled[0], CellRanking(*cells)
        self._rank_all()

    def _catch_up(self) -> None:
        """Compute what changed since the last decision."""
        table = self._table
        if (
            table.snapshot() is not self._nodes
            or table.topology.terms_matching(self._pod.group) != self._terms
        ):
            self._start()
            return
        journal = table.journal
        if journal.position == self._position or self._follow_placement(journal.position):
            return
        entries = journal.since(self._position)
        if entries is None or self._layers.is_global or min(entries) < 0:
            # A negative entry is a node that changed: pre-filters may have to say something else now.
            self._start()
            return
        self._position = journal.position
        self._verdict = None
        if not self._prepared.rejected:
            rows, ahead = entries if len(entries) == 1 else [*dict.fromkeys(entries)], self._ahead
            self._advance(rows)
            if ahead is not None:
                ahead.forget(rows)
                if ahead.is_due:
                    self._look_ahead(ahead)

    def _follow_placement(self, position: int) -> bool:
        """Follow what was computed in advance: that one Pod like these came to one of the best rows, and
        nothing else.

        Says whether it was so.
        """
        row, shape, at = self._table.last_added
        ahead = self._ahead
        if (
            ahead is None or at != position or position != self._position + 1 or shape is not self._pod.shape
            or self._table.nominated or not self._verdicts.is_plain
        ):  # fmt: skip
            return False
        total = ahead.take(row)
        if total == UNKNOWN:
            return False
        self._position, self._verdict = position, None
        self._base[row] = total
        if self._by_cell is None or self._follow_cells(self._by_cell, (row,), flipped=False):
            self._ranking.set(row, total)
        else:
            self._rank_all()
        return True

    def _follow_cells(self, score: ScaledScore, rows: Sequence[int], *, flipped: bool) -> bool:
        """Follow what cells of rows get; say whether rows are still in the cells that they were in."""
        gets = score.follow(rows, self._ok, whole=self._feasible == self._nodes.size, flipped=flipped)
        ranking = self._ranking
        if gets is not None and isinstance(ranking, CellRanking):
            ranking.shift(gets)
            return True
        # They move: from now on each row has a total of its own.
        self._by_cell = self._ahead = None
        self._ranking = Ranking(self._nodes.size)
        return False

    def _look_ahead(self, ahead: Ahead) -> None:
        """Compute what the best rows will be worth with some Pods more."""
        rows = ahead.unknown(self._ranking.nearly_best())
        if len(rows):
            layers = self._layers
            found = compute_ahead(
                self._table, self._pod, self._prepared.state, rows,
                filters=layers.moving_filters, scores=layers.moving_scores, base=self._rows.still(rows),
            )  # fmt: skip
            ahead.put(rows, found)

    def _advance(self, rows: Sequence[int]) -> None:
        """Follow Pods that came to or left `rows`, each named once."""
        many = len(rows) > ONE_BY_ONE
        if many:
            some = np.fromiter(rows, np.intp, len(rows))
            self._rows.filter_again(some)
            self._rows.score(some)
        else:
            for row in rows:
                self._rows.look_again(row)
        touched: Sequence[int] | None = None if many else rows
        if self._verdicts.domains:
            touched = self._advance_domains(rows, touched)
            if touched is not None and self._table.nominated:
                # With the Pods that are to come there a row may be refused, or not, for what happened
                # elsewhere.
                touched = _merge(touched, [*self._table.nominated], rows)
        flipped = self._see_all() if touched is None else self._see(touched)
        self._verdicts.touch(touched)
        if self._by_cell is not None:
            if not self._follow_cells(self._by_cell, rows, flipped=flipped):
                touched = None
        else:
            whole = self._feasible == self._nodes.size
            for scaled in self._scaled:
                affected = scaled.advance(rows, self._ok, whole=whole, flipped=flipped)
                touched = _merge(touched, affected, rows)
        if touched is None:
            self._rank_all()
        else:
            self._rank(touched)

    def _advance_domains(self, rows: Sequence[int], touched: Sequence[int] | None) -> Sequence[int] | None:
        """Ask the filters of the second layer again where a change on `rows` reached.

        Return the rows touched (None: all).
        """
        state, pod, nodes = self._prepared.state, self._pod, self._nodes
        for number, (plugin, domains, codes) in self._verdicts.domains.items():
            answer = domains.filter_affected(state, pod, nodes, rows)
            affected = checked_rows(plugin.name, "filter_affected", answer, rows, nodes.size)
            if isinstance(affected, slice):
                self._verdicts.domains[number] = plugin, domains, self._rows.ask_all(plugin)
            else:
                for row in affected:
                    codes[row] = whole(plugin.name, "filter_row", plugin.filter_row(state, pod, nodes, row))
            touched = _merge(touched, affected, rows)
        return touched

    def _see(self, rows: Iterable[int]) -> bool:
        """Find out which of some rows are feasible now; say whether any has changed."""
        flipped = False
        ok, nominated, verdicts = self._ok, self._table.nominated, self._verdicts
        for row in rows:
            now = verdicts.failed.item(row) == PASSED
            for _, _, codes in verdicts.domains.values():
                now = now and not codes.item(row)
            if nominated or verdicts.kept:
                now = self._see_kept(row) if now else now
            if now != ok.item(row):
                ok[row] = now
                self._feasible += 1 if now else -1
                flipped = True
        return flipped

    def _see_all(self) -> bool:
        """Find out which rows are feasible now; say whether any has changed."""
        ok = self._verdicts.passing()
        self._verdicts.kept.clear()
        for row in [*self._table.nominated]:
            if ok[row]:
                ok[row] = self._see_kept(row)
        # Nobody else asks.
        flipped = bool(self._scaled) and not np.array_equal(ok, self._ok)
        self._ok = ok
        self._feasible = int(np.count_nonzero(ok))
        return flipped

    def _see_kept(self, row: int) -> bool:
        """Say whether a row would do although other Pods, of at least this priority, have it in view."""
        self._verdicts.kept.pop(row, None)
        number, code = self._dry_run().with_nominated(row)
        if number < 0:
            return True
        self._verdicts.kept[row] = number + self._layers.first_moving, code
        return False

    def _rank(self, rows: Iterable[int]) -> None:
        ranking, ok, base = self._ranking, self._ok, self._base
        scores = self._scaled if self._by_cell is None else ()
        for row in rows:
            total = -1
            if ok.item(row):
                total = base.item(row)
                for scaled in scores:
                    total += scaled.scaled.item(row)
            ranking.set(row, total)

    def _rank_all(self) -> None:
        total = self._base
        for scaled in self._scaled if self._by_cell is None else ():
            total = total + scaled.scaled
        if self._feasible < len(total):
            total = np.where(self._ok, total, np.int64(-1))
        elif total is self._base:
            total = total.copy()
        self._ranking.replace(total)

    def _dry_run(self) -> DryRun:
        if self._what_if is None:
            self._what_if = DryRun(
                self._pod, self._table, self._nodes, self._prepared.state, self._filters[self._layers.first_moving :],
                residents=self._residents or (lambda _node_name: ()), far=self._layers.reach > Reach.ROW,
            )  # fmt: skip
        return self._what_if

    def _explain(self, in_view: int) -> Unschedulable:
        """Say why no node will do, and what can be done for the Pod that has the row `in_view` (-1: none)."""
        prepared, pod, count = self._prepared, self._pod, self._count
        if not count:
            return Unschedulable(0, {}, frozenset(), NO_NODES)
        if prepared.rejected:
            rejections, rejected_by = {prepared.rejected: count}, frozenset({prepared.rejected_by})
            resolvable = np.zeros(self._nodes.size, np.bool_)
        else:
            tally = self._verdicts.tally()
            rejections, rejected_by = tally.rejections(self._filters, pod)
            resolvable = tally.resolvable
        refusals = Refusals(resolvable, count, in_view, self._dry_run() if self._residents else None)
        found = self._framework.post_filter(prepared, pod, self._nodes, refusals)
        message = fit_message(count, rejections, pre_filter=prepared.rejected, post_filter=found.message)
        return Unschedulable(
            count, rejections, rejected_by, message, found.nominated, found.victims, found.waits
        )


def _merge(touched: Sequence[int] | None, affected: Affected, rows: Sequence[int]) -> Sequence[int] | None:
    """Return touched rows with those that were affected; `rows` are among them already."""
    if touched is None or isinstance(affected, slice):
        return None
    return touched if not affected or affected is rows else [*dict.fromkeys((*touched, *affected))]
