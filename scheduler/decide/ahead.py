"""PURE: what rows will be worth once one, two, three more Pods of a class are there, computed for all best
rows at once.

Equal Pods go to equally good nodes one after the other, often two or three to the same. To ask filters and
scores about a row after each placement costs ten microseconds; to ask them beforehand about thousands of
rows, as columns, as much as a hundred of those. Nothing is decided here: a total is used when the very
placement it was computed for is the only thing that has happened, and is forgotten as soon as anything else
happens on its row. Used by `scheduler.decide.cycle`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.framework.checked import ask_filter, ask_score, out_of_range
from scheduler.framework.interface import FilterPlugin, Scores
from scheduler.framework.runtime import Weighted
from scheduler.framework.state import CycleState

#: with fewer rows that are not known it costs as much as it saves; of more, so many are looked at
LEAST_ROWS: Final = 32
MOST_ROWS: Final = 8192
#: placements that could have been computed in advance and were not, before rows are looked at (again)
PATIENCE: Final = 16
#: Pods more on a row
DEPTH: Final = 4

#: nothing is known, or the row would be full
UNKNOWN: Final = -1


class Ahead:
    """Totals by row. Owned by one class's cycle."""

    __slots__ = ("_least_rows", "_level", "_misses", "_patience", "_totals")

    def __init__(self, size: int, least_rows: int = LEAST_ROWS) -> None:
        #: int64[DEPTH, N]: with one Pod more, two, ...; takes no memory before it is written
        self._totals = np.empty((DEPTH, size), np.int64)
        #: int8[N]: how many of them came already; DEPTH: nothing is known
        self._level = np.full(size, DEPTH, np.int8)
        self._misses = 0
        self._least_rows, self._patience = least_rows, min(PATIENCE, least_rows)

    def take(self, row: int) -> int:
        """One Pod came: return what the row is worth now, UNKNOWN when that has to be computed."""
        total = self.try_take(row)
        if total == UNKNOWN:
            self._misses += 1
        return total

    def try_take(self, row: int) -> int:
        """Do the same, but UNKNOWN is no miss yet: the row is asked about once more."""
        level = self._level.item(row)
        if level == DEPTH:
            return UNKNOWN
        total = self._totals.item(level, row)
        if total != UNKNOWN:
            self._level[row] = level + 1
        return total

    def knows(self, row: int) -> bool:
        """Say whether `take` would return something."""
        level = self._level.item(row)
        return level < DEPTH and self._totals.item(level, row) != UNKNOWN

    def forget(self, rows: Sequence[int]) -> None:
        """Something else happened on some rows."""
        for row in rows:
            self._level[row] = DEPTH

    @property
    def is_due(self) -> bool:
        """Say whether to look ahead: not where Pods of other classes come in between, for then nothing is as
        computed in advance.
        """
        return self._misses >= self._patience

    def unknown(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those of some rows to look at now; none when they are too few to be worth it."""
        self._misses = 0
        left: NDArray[np.intp] = rows[self._level[rows] == DEPTH]
        return left[: MOST_ROWS if len(left) >= self._least_rows else 0]

    def put(self, rows: NDArray[np.intp], totals: NDArray[np.int64]) -> None:
        """Take in what rows will be worth: int64[DEPTH, len(rows)]; UNKNOWN: full."""
        self._totals[:, rows] = totals
        self._level[rows] = 0


def compute_ahead(
    table: NodeTable,
    pod: PodClass,
    state: CycleState,
    rows: NDArray[np.intp],
    *,
    filters: Sequence[FilterPlugin],
    scores: Sequence[Weighted],
    base: Scores,
) -> Scores:
    """Return what each row will be worth with one Pod more, two, ...: int64[DEPTH, len(rows)]; UNKNOWN: full.

    Args:
        table: of the nodes; Pods are supposed there meanwhile.
        pod: the class.
        state: what the plugins have prepared.
        rows: that are asked about.
        filters: whose answers depend on the Pods of a row.
        scores: the same, without those that are scaled.
        base: int64[len(rows)]: what the other scores come to.
    """
    nodes = table.snapshot()
    found = np.empty((DEPTH, len(rows)), np.int64)
    fits = np.ones(len(rows), np.bool_)
    supposed = 0
    try:
        for level in range(DEPTH):
            table.suppose_on_each(rows, pod, 1)
            supposed += 1
            for plugin in filters:
                answers = ask_filter(plugin, state, pod, nodes, rows)
                if answers is not None:
                    fits &= answers == 0
            totals = base
            for weighted in scores:
                scored = ask_score(weighted.plugin, state, pod, nodes, rows)
                wrong = out_of_range(scored)
                if wrong is not None:
                    # Whoever comes to such a row asks again, and finds it.
                    fits &= ~wrong
                totals = totals + scored * weighted.weight
            found[level] = np.where(fits, totals, np.int64(UNKNOWN))
    finally:
        table.suppose_on_each(rows, pod, -supposed)
    return found
