"""PURE: what a class of Pods asks beyond the nodes themselves, and the two ways to find its best rows.

A class adds to its rows (`scheduler.decide.node_rows`) filters by topology domain, and scores that are scaled
over all feasible rows. `ByColumns` asks all of them about all rows. `ByGroups` asks about one row of each
group of rows that get the same answer: rows that agree in some labels (zones, say), and in how many Pods they
hold that the class asks about. For most classes these are a few groups, and one for each node with a Pod of
its own, so that a decision costs the same on a thousand nodes and on fifty thousand.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.decide.node_rows import NodeRows
from scheduler.decide.ranking import Ranking, RowSet, TieBreak, pick
from scheduler.framework import checked
from scheduler.framework.interface import (
    MAX_SCORE,
    CycleState,
    FeasibleScore,
    FilterPlugin,
    GroupedFilter,
    GroupedScore,
    Groups,
    Scores,
)
from scheduler.framework.runtime import Weighted

#: raw scores this far apart at most are scaled by a table
_TABLE: Final = 4096
#: so many rows of their own, or one in so many, are looked at by groups; more, as columns
OWN_ROWS: Final = 64
OWN_SHARE: Final = 96
#: stands for the count in the group of a row that somebody has in view
_NOMINATED: Final = -1


class Found(NamedTuple):
    """A row, and how many would do; row -1: none."""

    row: int
    feasible: int


NOTHING: Final = Found(-1, 0)


class _Group(NamedTuple):
    """Feasible rows that get the same answers."""

    #: one that stands for all, and how many there are
    row: int
    size: int
    #: the best of their totals, and where the rows that have it are: in a cell (among others), or these
    best: int
    rows: RowSet | None
    own: Sequence[int]


#: whether a row would do although Pods of at least this priority have it in view
Keeps = Callable[[int], bool]


@dataclass(slots=True)
class ScaledScore:
    """A score that depends on which rows are feasible."""

    plugin_name: str
    weighted: Weighted
    #: int64[N], where no placement changes it; None: the plugin is asked
    raw: Scores | None
    #: the plugin, where its raw scores depend on the feasible rows
    by_feasible: FeasibleScore | None
    #: the plugin, where rows can be grouped by what it looks at
    grouped: GroupedScore | None

    @classmethod
    def of(cls, weighted: Weighted, raw: Scores | None = None) -> "ScaledScore":
        """Make one."""
        plugin = weighted.plugin
        # To ask a Protocol takes longer than to score.
        feasible = cast("FeasibleScore", plugin) if hasattr(plugin, "feasible_changed") else None
        grouped = cast("GroupedScore", plugin) if hasattr(plugin, "score_groups") else None
        return cls(plugin.name, weighted, raw, feasible, grouped)

    def groups(self, state: CycleState) -> Groups | None:
        """Return what rows differ in that score differently; None: that is not known."""
        found = None if self.grouped is None else self.grouped.score_groups(state)
        return checked.checked_groups(self.plugin_name, "score_groups", found)


class Beyond:
    """The filters and scores that one class adds to its rows. Owned by the class's cycle."""

    def __init__(
        self,
        pod: PodClass,
        rows: NodeRows,
        state: CycleState,
        filters: Sequence[FilterPlugin],
        scores: Sequence[ScaledScore],
    ) -> None:
        self._pod, self._rows, self._state = pod, rows, state
        self._filters, self._scores = filters, scores
        self._ask_rows = [(plugin.name, plugin.filter_row) for plugin in filters]
        grouped = self._grouped()
        #: how many Pods of each row matter, column by column; and the cells of rows without such Pods
        self._counts: Sequence[Mapping[int, int]] = ()
        self._ranking: Ranking | None = None
        if grouped is not None:
            self._counts = grouped.counts
            self._ranking = rows.ranking(grouped.keys)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is added."""
        return not self._filters and not self._scores

    def passes(self, row: int) -> bool:
        """Say whether the filters let a row pass."""
        state, pod, nodes = self._state, self._pod, self._rows.nodes
        for name, ask in self._ask_rows:
            code = ask(state, pod, nodes, row)
            if type(code) is not int:
                code = checked.whole(name, "filter_row", code)
            if code:
                return False
        return True

    def find(self, nominated: Collection[int], keeps: Keeps, tie_break: TieBreak) -> Found:
        """Return where the next Pod goes; `keeps` says whether a row that others have in view would do."""
        ranking = self._ranking
        if self.is_empty and not nominated and ranking is not None:
            found = ranking.rankings[0].best()
            if found is None:
                return NOTHING
            ties = found[1].count
            return Found(found[1].pick(tie_break(ties) if ties > 1 else 0), ranking.rankings[0].count)
        if ranking is None or sum(map(len, self._counts), len(nominated)) > max(
            OWN_ROWS, self._rows.nodes.size // OWN_SHARE
        ):
            return self._find_by_columns(nominated, keeps, tie_break)
        return self._find_by_groups(ranking, nominated, keeps, tie_break)

    # --- by groups

    def _grouped(self) -> Groups | None:
        """Return what divides the rows into groups; None: somebody does not say."""
        keys: dict[str, None] = {}
        counts: list[Mapping[int, int]] = []
        state = self._state
        for groups in (
            *(_groups_of(plugin, state) for plugin in self._filters),
            *(item.groups(state) for item in self._scores if item.raw is None),
        ):
            if groups is None:
                return None
            keys |= dict.fromkeys(groups.keys)
            counts += [found for found in groups.counts if not any(found is other for other in counts)]
        return Groups(tuple(sorted(keys)), tuple(counts))

    def _find_by_groups(
        self, ranking: Ranking, nominated: Collection[int], keeps: Keeps, tie_break: TieBreak
    ) -> Found:
        own = self._own_groups(ranking.cells, nominated)
        listed = {row for rows in own.values() for row in rows}
        groups = [
            *self._cell_groups(ranking, own, listed),
            *(
                self._own_group(rows)
                for key, rows in own.items()
                if self.passes(rows[0]) and (key[1] != _NOMINATED or keeps(rows[0]))
            ),
        ]
        if not groups:
            return NOTHING
        feasible = sum(group.size for group in groups)
        gets = self._score_groups([group.row for group in groups], feasible)
        highest = max(group.best + add for group, add in zip(groups, gets, strict=True))
        sets: list[RowSet] = []
        also: list[int] = []
        without: list[int] = []
        for group, add in zip(groups, gets, strict=True):
            if group.best + add != highest:
                continue
            also += group.own
            if group.rows is not None:
                sets.append(group.rows)
                without += self._in_cell(ranking, listed, group)
        ties = sum(rows.count for rows in sets) - len(without) + len(also)
        number = tie_break(ties) if ties > 1 else 0
        return Found(pick(number, sets, without, also, self._rows.nodes.size), feasible)

    def _cell_groups(
        self, ranking: Ranking, own: Mapping[tuple[int, ...], Sequence[int]], listed: Collection[int]
    ) -> Iterator[_Group]:
        """Yield a group for the rows of each cell that hold no Pods that matter."""
        taken, counted = self._taken(ranking, own)
        for cell, rows in enumerate(ranking.rankings):
            found = rows.best(taken[cell])
            if found is None:
                continue
            best, those = found
            row = those.pick(0) if not taken[cell] else next(row for row in those if row not in listed)
            if self.passes(row):
                yield _Group(row, rows.count - counted[cell], best, those, ())

    def _own_group(self, rows: Sequence[int]) -> _Group:
        total = self._rows.total
        best = max(map(total.item, rows))
        return _Group(rows[0], len(rows), best, None, [row for row in rows if total.item(row) == best])

    def _own_groups(
        self, cells: list[int] | None, nominated: Collection[int]
    ) -> dict[tuple[int, ...], list[int]]:
        """Return the feasible rows that hold Pods that matter, by what they have in common."""
        own: dict[tuple[int, ...], list[int]] = {}
        total, counts = self._rows.total, self._counts
        if len(counts) == 1 and not nominated:
            for row, count in counts[0].items():
                if total.item(row) >= 0:
                    own.setdefault((0 if cells is None else cells[row], count), []).append(row)
            return own
        rows = dict.fromkeys(row for column in counts for row in column)
        for row in nominated:
            rows.pop(row, None)
            if total.item(row) >= 0:
                own[row, _NOMINATED] = [row]
        for row in rows:
            if total.item(row) >= 0:
                key = (0 if cells is None else cells[row], *(column.get(row, 0) for column in counts))
                own.setdefault(key, []).append(row)
        return own

    def _taken(
        self, ranking: Ranking, own: Mapping[tuple[int, ...], Sequence[int]]
    ) -> tuple[list[dict[int, int]], list[int]]:
        """Return of each cell how many rows of each total are in groups of their own, and how many in all."""
        taken: list[dict[int, int]] = [{} for _ in ranking.rankings]
        counted = [0] * len(taken)
        total, cells = self._rows.total, ranking.cells
        for members in own.values():
            for row in members:
                cell = 0 if cells is None else cells[row]
                level, there = total.item(row), taken[cell]
                there[level] = there.get(level, 0) + 1
                counted[cell] += 1
        return taken, counted

    def _in_cell(self, ranking: Ranking, listed: Collection[int], group: _Group) -> list[int]:
        """Return which rows with groups of their own are among the best of a cell's group."""
        total, cells = self._rows.total, ranking.cells
        return [
            row
            for row in listed
            if total.item(row) == group.best and (cells is None or cells[row] == cells[group.row])
        ]

    def _score_groups(self, rows: Sequence[int], feasible: int) -> list[int]:
        """Return what each group gets, of which a row is given."""
        found = [0] * len(rows)
        state, pod, nodes = self._state, self._pod, self._rows.nodes
        for scaled in self._scores:
            plugin, weight = scaled.weighted.plugin, scaled.weighted.weight
            if scaled.raw is not None:
                raw = [scaled.raw.item(row) for row in rows]
            else:
                if scaled.by_feasible is not None and scaled.grouped is not None:
                    scaled.grouped.feasible_groups(state, rows, feasible)
                score, name = plugin.score_row, scaled.plugin_name
                raw = [checked.whole(name, "score_row", score(state, pod, nodes, row)) for row in rows]
            low, high = (min(raw), max(raw)) if plugin.scales else (0, 0)
            # Few differ: each is scaled once.
            different = sorted({*raw})
            answers = checked.ask_scale(plugin, np.array(different, np.int64), low, high)
            if checked.out_of_range(answers) is not None:
                odd = next(score for score in answers.tolist() if not 0 <= score <= MAX_SCORE)
                raise checked.invalid_score(scaled.plugin_name, odd)
            gets = dict(zip(different, answers.tolist(), strict=True))
            for index, value in enumerate(raw):
                found[index] += gets[value] * weight
        return found

    # --- by columns

    def _find_by_columns(self, nominated: Collection[int], keeps: Keeps, tie_break: TieBreak) -> Found:
        rows, state, pod = self._rows, self._state, self._pod
        nodes = rows.nodes
        ok: NDArray[np.bool_] = rows.total >= 0
        for plugin in self._filters:
            answers = checked.ask_filter(plugin, state, pod, nodes, nodes.all)
            if answers is not None:
                ok &= answers == 0
        for row in nominated:
            if ok[row]:
                ok[row] = keeps(row)
        feasible = int(np.count_nonzero(ok))
        if not feasible:
            return NOTHING
        total = rows.total.copy()
        for scaled in self._scores:
            total += self._score_columns(scaled, ok)
        if feasible < len(total):
            np.putmask(total, ~ok, -1)
        best = (total == total.max()).nonzero()[0]
        return Found(best.item(tie_break(len(best)) if len(best) > 1 else 0), feasible)

    def _score_columns(self, scaled: ScaledScore, ok: NDArray[np.bool_]) -> Scores:
        """Return what each row gets (int64[N], weighted)."""
        state, pod, nodes, name = self._state, self._pod, self._rows.nodes, scaled.plugin_name
        plugin, counted = scaled.weighted.plugin, ok
        ignored: NDArray[np.bool_] | None = None
        if scaled.by_feasible is not None:
            checked.ask_feasible_changed(name, scaled.by_feasible, state, pod, nodes, ok)
            ignored = checked.ask_ignored(name, scaled.by_feasible, state, nodes.size)
            counted = ok if ignored is None else ok & ~ignored
        raw = scaled.raw
        if raw is None:
            raw = checked.ask_score(plugin, state, pod, nodes, nodes.all)
        if not counted.any():
            return np.zeros(nodes.size, np.int64)
        low = high = 0
        if plugin.scales:
            some = raw if counted.all() else raw[counted]
            low, high = int(some.min()), int(some.max())
        if plugin.scales and high - low < min(_TABLE, len(raw)):
            # Rows beyond the bounds will not do anyway.
            answers = checked.ask_scale(plugin, np.arange(low, high + 1), low, high).take(
                raw - low, mode="clip"
            )
        else:
            answers = checked.ask_scale(plugin, raw, low, high)
        wrong = checked.out_of_range(answers)
        if wrong is not None and (wrong & counted).any():
            raise checked.invalid_score(name, int(answers[wrong & counted][0]))
        found = answers * scaled.weighted.weight
        return found if ignored is None else np.where(ignored, np.int64(0), found)


def _groups_of(plugin: FilterPlugin, state: CycleState) -> Groups | None:
    found = cast("GroupedFilter", plugin).filter_groups(state) if hasattr(plugin, "filter_groups") else None
    return checked.checked_groups(plugin.name, "filter_groups", found)
