"""PURE: one score that is scaled by the lowest and highest of all feasible rows, or that reaches beyond a
row; kept up to date.

Raw scores of rows change with their Pods or their domains; the scaled ones of all rows when the lowest or
highest does. What did not change is not computed again, and what few different scores there are (by cell, or
by raw score) is scaled once each and then looked up for all rows.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.checked import (
    ask_feasible_changed,
    ask_ignored,
    ask_scale,
    ask_score,
    ask_score_cells,
    check_cells,
    check_range,
    checked_rows,
    invalid_score,
    out_of_range,
    whole,
)
from scheduler.framework.interface import (
    MAX_SCORE,
    Affected,
    CellScore,
    DomainScore,
    FeasibleScore,
    Reach,
    Scores,
)
from scheduler.framework.runtime import Weighted
from scheduler.framework.state import CycleState

_MAX: Final = np.iinfo(np.int64).max
#: raw scores this far apart at most are scaled by a table
_TABLE: Final = 4096

#: rows that are in another cell than before: so many at most are followed, otherwise all are looked at
MOST_MOVED: Final = 64
_NO_ROWS: Final = np.zeros(0, np.intp)

#: so many cells at most are followed one by one
MOST_CELLS: Final = 16

#: lowest and highest raw score of the feasible rows
Bounds = tuple[int, int]


class ScaledScore:
    """One plugin's scores for one class. Owned by its cycle."""

    __slots__ = (
        "_bounds",
        "_by_cell",
        "_by_cells",
        "_by_feasible",
        "_cells",
        "_counted",
        "_counting",
        "_examples",
        "_followed",
        "_ignored",
        "_in_domains",
        "_members",
        "_nodes",
        "_own_cells",
        "_plugin",
        "_pod",
        "_raw",
        "_seen",
        "_state",
        "_weight",
        "scaled",
    )

    def __init__(self, weighted: Weighted, state: CycleState, pod: PodClass, nodes: Snapshot) -> None:
        self._plugin, self._weight = weighted.plugin, weighted.weight
        self._state, self._pod, self._nodes = state, pod, nodes
        #: int64[N], weighted
        self.scaled: Scores = np.zeros(nodes.size, np.int64)
        #: int64[N]; not kept where cells are
        self._raw = self.scaled
        #: None: no row is feasible
        self._bounds: Bounds | None = None
        self._ignored: NDArray[np.bool_] | None = None
        #: bool[N]: rows that count for the bounds; None: all
        self._counted: NDArray[np.bool_] | None = None
        #: the cells as of the last look (never changed in place), and how many rows of each count
        self._cells: NDArray[np.intp] | None = None
        self._members = _NO_ROWS
        #: where cells are followed: as the plugin says them, as 0, 1, ..., a row of each, and those with a
        #: row that counts
        self._followed = self._own_cells = _NO_ROWS
        self._examples: list[int] = []
        self._counting: list[int] = []
        #: what the cells scored, which of them counted, and what they got for it
        self._seen: tuple[list[int], list[int], list[int]] = ([], [], [])
        #: int64[cells]: what each cell got last; None: not known
        self._by_cells: Scores | None = None
        plugin = weighted.plugin
        # Asked once: to ask a Protocol takes longer than to score.
        self._in_domains = plugin if isinstance(plugin, DomainScore) else None
        self._by_feasible = plugin if isinstance(plugin, FeasibleScore) else None
        #: the plugin, where it scores by cell
        self._by_cell = plugin if isinstance(plugin, CellScore) and plugin.cells(state) is not None else None

    @property
    def name(self) -> str:
        """The plugin's."""
        return self._plugin.name

    def start(self, feasible: NDArray[np.bool_], *, whole: bool) -> None:
        """Score all rows; `whole`: all of them are feasible."""
        if self._by_feasible is not None:
            ask_feasible_changed(self.name, self._by_feasible, self._state, self._pod, self._nodes, feasible)
            self._ignored = ask_ignored(self.name, self._by_feasible, self._state, self._nodes.size)
        self._see(feasible, whole=whole)
        self._score_all()

    def advance(
        self, rows: Sequence[int], feasible: NDArray[np.bool_], *, whole: bool, flipped: bool
    ) -> Affected:
        """Follow what happened; return the rows whose scaled score may be another.

        Args:
            rows: where Pods came or went.
            feasible: bool[N]; the same array as before, or another.
            whole: all rows are feasible.
            flipped: whether any row's feasibility has changed.
        """
        affected = self._affected(rows, feasible, flipped=flipped)
        if flipped:
            self._see(feasible, whole=whole)
        if isinstance(affected, slice) or (self._by_cell is not None and (affected or flipped)):
            return self._score_all()
        if not affected and not flipped:
            return ()
        changed, bounds = self._score_rows(affected)
        if flipped or bounds is None:
            bounds = self._find_bounds()
        if bounds != self._bounds:
            self._rescale(bounds)
            return self._nodes.all
        for row in changed:
            self.scaled[row] = self._scale_row(row)
        return changed

    def by_cells(self) -> tuple[NDArray[np.intp], list[int]] | None:
        """Return the cell of each row (intp[N]: 0, 1, ...), and what the rows of each get.

        `follow` keeps it up to date.

        None: this score is not by cell, by too many, or some rows are left out of it.
        """
        cells = None if self._by_cell is None else self._by_cell.cells(self._state)
        if cells is None or self._ignored is not None:
            return None
        if cells is not self._cells:
            check_cells(self.name, cells, self._nodes.size)
        found = np.flatnonzero(np.bincount(cells))
        if len(found) > MOST_CELLS:
            return None
        numbers = np.zeros(found[-1] + 1 if len(found) else 1, np.intp)
        numbers[found] = np.arange(len(found))
        own: NDArray[np.intp] = numbers[cells]
        self._followed, self._own_cells = cells, own
        self._examples = [int((cells == cell).argmax()) for cell in found]
        self._find_counted()
        return own, self._gets()

    def follow(
        self, rows: Sequence[int], feasible: NDArray[np.bool_], *, whole: bool, flipped: bool
    ) -> list[int] | None:
        """Follow what happened, as `advance`; return what the rows of each cell get now.

        None: the cells are others now.
        """
        self._affected(rows, feasible, flipped=flipped)
        if flipped:
            self._see(feasible, whole=whole)
            self._find_counted()
        if self._by_cell is None or self._by_cell.cells(self._state) is not self._followed:
            self._score_all()
            return None
        return self._gets()

    def _find_counted(self) -> None:
        """Find the cells with a row that counts for the bounds."""
        counted = self._own_cells if self._counted is None else self._own_cells[self._counted]
        self._counting = np.flatnonzero(np.bincount(counted)).tolist()

    def _gets(self) -> list[int]:
        score_row, state, pod, nodes = self._plugin.score_row, self._state, self._pod, self._nodes
        # A row stands for all of its cell.
        raw = [whole(self.name, "score_row", score_row(state, pod, nodes, row)) for row in self._examples]
        if raw == self._seen[0] and self._counting == self._seen[1]:
            return self._seen[2]
        seen = [raw[cell] for cell in self._counting]
        gets = [0] * len(raw)
        if seen:
            scaled = ask_scale(self._plugin, np.array(raw, np.int64), min(seen), max(seen))
            check_range(self._plugin.name, scaled[self._counting], lambda: np.ones(len(seen), np.bool_))
            gets = (scaled * self._weight).tolist()
        self._seen = raw, self._counting, gets
        return gets

    def _affected(self, rows: Sequence[int], feasible: NDArray[np.bool_], *, flipped: bool) -> Affected:
        """Return the rows whose raw score may be another."""
        state, pod, nodes = self._state, self._pod, self._nodes
        affected: Affected = ()
        if self._plugin.reach is Reach.ROW:
            affected = rows
        elif self._in_domains is not None:
            answer = self._in_domains.score_affected(state, pod, nodes, rows)
            affected = checked_rows(self.name, "score_affected", answer, rows, nodes.size)
        if flipped and self._by_feasible is not None:
            shifted = ask_feasible_changed(self.name, self._by_feasible, state, pod, nodes, feasible)
            return nodes.all if shifted else affected
        return affected

    def _see(self, feasible: NDArray[np.bool_], *, whole: bool) -> None:
        """Take in which rows count for the bounds."""
        if self._ignored is not None:
            self._counted = feasible & ~self._ignored
        else:
            self._counted = None if whole else feasible.copy()
        self._cells = None

    def _score_all(self) -> Affected:
        """Score all rows again; return those whose scaled score may be another."""
        cells = None if self._by_cell is None else self._by_cell.cells(self._state)
        if self._by_cell is not None and cells is not None:
            return self._score_cells(cells, self._by_cell)
        self._by_cell = None
        self._raw = ask_score(self._plugin, self._state, self._pod, self._nodes, self._nodes.all).copy()
        self._rescale(self._find_bounds())
        return self._nodes.all

    def _score_cells(self, cells: NDArray[np.intp], by_cell: CellScore) -> Affected:
        """Give the rows of each cell what it gets; return those that get something else."""
        moved = self._move(cells)
        # What is there is in order: the cells go up to its last at least.
        present = np.flatnonzero(self._members)
        least = int(present[-1]) + 1 if len(present) else 0
        raw = ask_score_cells(self.name, by_cell, self._state, least)
        seen = raw[present]
        self._bounds = (int(seen.min()), int(seen.max())) if len(seen) else None
        if self._bounds is None:
            self.scaled, self._by_cells = np.zeros(len(cells), np.int64), None
            return self._nodes.all
        gets = ask_scale(self._plugin, raw, *self._bounds)
        check_range(self._plugin.name, gets[present], lambda: np.ones(len(present), np.bool_))
        before, self._by_cells = self._by_cells, gets * self._weight
        if before is not None and moved is not None:
            known = min(len(before), len(gets))
            if np.array_equal(before[:known], self._by_cells[:known]):
                # One domain has one Pod more, and is as far ahead of the others as before.
                self.scaled[moved] = self._by_cells[cells[moved]]
                found: list[int] = moved.tolist()
                return found
        scaled = self._by_cells[cells]
        self.scaled = scaled if self._ignored is None else np.where(self._ignored, np.int64(0), scaled)
        return self._nodes.all

    def _move(self, cells: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """Count the rows of each cell that count for the bounds.

        Return which rows are in another than at the last look.

        None: that is not known.
        """
        before, counted = self._cells, self._counted
        if cells is before:
            return _NO_ROWS
        check_cells(self.name, cells, self._nodes.size)
        self._cells = cells
        if before is not None and self._ignored is None:
            moved = np.flatnonzero(before != cells)
            if len(moved) <= MOST_MOVED:
                some = moved if counted is None else moved[counted[moved]]
                after = cells[some]
                self._reserve(int(after.max(initial=0)) + 1)
                np.subtract.at(self._members, before[some], 1)
                np.add.at(self._members, after, 1)
                return moved
        self._members = np.bincount(cells if counted is None else cells[counted], minlength=1)
        return None

    def _reserve(self, size: int) -> None:
        if size > len(self._members):
            self._members = np.append(self._members, np.zeros(size - len(self._members), np.intp))

    def _score_rows(self, rows: Sequence[int]) -> tuple[list[int], Bounds | None]:
        """Score rows again; return those that changed, and the bounds if these can be told from that alone."""
        bounds, changed = self._bounds, []
        for row in rows:
            before = self._raw.item(row)
            now = self._plugin.score_row(self._state, self._pod, self._nodes, row)
            if type(now) is not int:
                now = whole(self._plugin.name, "score_row", now)
            if before == now:
                continue
            self._raw[row] = now
            changed.append(row)
            if bounds is not None and (self._counted is None or self._counted[row]):
                low, high = bounds
                # One that was lowest or highest itself: somebody else may be as low or high, or nobody.
                bounds = (min(low, now), max(high, now)) if low < before < high else None
        return changed, bounds

    def _find_bounds(self) -> Bounds | None:
        if not self._plugin.scales:
            return 0, 0
        raw, counted = self._raw, self._counted
        if counted is None:
            return (int(raw.min()), int(raw.max())) if len(raw) else None
        if not counted.any():
            return None
        return int(np.where(counted, raw, _MAX).min()), int(np.where(counted, raw, -_MAX).max())

    def _rescale(self, bounds: Bounds | None) -> None:
        self._bounds = bounds
        if bounds is None:
            self.scaled = np.zeros(len(self._raw), np.int64)
            return
        low, high = bounds
        if self._plugin.scales and high - low < min(_TABLE, len(self._raw)):
            # Rows beyond the bounds will not do anyway.
            table = ask_scale(self._plugin, np.arange(low, high + 1), low, high)
            if out_of_range(table) is not None:
                self._check(np.take(table, self._raw - low, mode="clip"))
            scaled = np.take(table * self._weight, self._raw - low, mode="clip")
        else:
            found = ask_scale(self._plugin, self._raw, low, high)
            self._check(found)
            scaled = found * self._weight
        self.scaled = scaled if self._ignored is None else np.where(self._ignored, np.int64(0), scaled)

    def _check(self, scaled: Scores) -> None:
        counted = self._counted
        everybody = self._nodes.valid
        check_range(self._plugin.name, scaled, lambda: everybody if counted is None else counted)

    def _scale_row(self, row: int) -> int:
        if self._bounds is None or (self._ignored is not None and self._ignored[row]):
            return 0
        scaled = int(ask_scale(self._plugin, self._raw[row : row + 1], *self._bounds)[0])
        if not 0 <= scaled <= MAX_SCORE and (self._counted is None or self._counted[row]):
            raise invalid_score(self._plugin.name, scaled)
        return scaled * self._weight
