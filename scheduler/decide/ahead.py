"""PURE: what rows will be worth once one, two, three more equal Pods are there, for all best rows at once.

An accelerator (`equal-pods`, docs/fast-paths.md). Equal Pods go to equally good nodes one after the other,
often two or three to the same. To ask filters and scores about a row after each placement costs ten
microseconds; to ask them beforehand about thousands of rows, as columns, as much as a hundred of those.
Nothing is decided here: a total is used when the very placement it was computed for is the only thing that
has happened, and is forgotten as soon as anything else happens on its row. Owned by
`scheduler.decide.node_rows.NodeRows`, which computes the totals.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    """Totals by row."""

    __slots__ = ("_least_rows", "_level", "_misses", "_patience", "_size", "_totals")

    def __init__(self, size: int, least_rows: int = LEAST_ROWS) -> None:
        self._size = size
        #: int64[DEPTH, N]: with one Pod more, two, ...; made with the first look
        self._totals = np.zeros((DEPTH, 0), np.int64)
        #: int8[N]: how many of them came already; DEPTH: nothing is known
        self._level = np.full(size, DEPTH, np.int8)
        self._misses = 0
        self._least_rows, self._patience = least_rows, min(PATIENCE, least_rows)

    @property
    def depth(self) -> int:
        return DEPTH

    @property
    def nbytes(self) -> int:
        return self._totals.nbytes + self._level.nbytes

    def take(self, row: int) -> int:
        """One Pod came: return what the row is worth now, UNKNOWN when that has to be computed."""
        level = self._level.item(row)
        total = UNKNOWN if level == DEPTH else self._totals.item(level, row)
        if total == UNKNOWN:
            self._misses += 1
        else:
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
        """Say whether to look ahead: not where other Pods come in between."""
        return self._misses >= self._patience

    def unknown(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those of some rows to look at now; none when they are too few to be worth it."""
        self._misses = 0
        left: NDArray[np.intp] = rows[self._level[rows] == DEPTH]
        return left[: MOST_ROWS if len(left) >= self._least_rows else 0]

    def put(self, level: int, rows: NDArray[np.intp], totals: NDArray[np.int64]) -> None:
        """Take in what rows will be worth with `level` + 1 Pods more (int64[rows]); UNKNOWN: full."""
        if not self._totals.shape[1]:
            self._totals = np.empty((DEPTH, self._size), np.int64)
        self._totals[level, rows] = totals

    def begin(self, rows: NDArray[np.intp]) -> None:
        """All of it is known for these rows."""
        self._level[rows] = 0
