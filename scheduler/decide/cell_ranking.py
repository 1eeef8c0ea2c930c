"""PURE: totals of rows that have two parts.

One part is what a row is worth by itself, the other what all rows of its cell (a zone, say) get.

A Pod that comes to a zone changes what the whole zone gets. That is one number here: rows are ranked within
their cell by their own part, and cells beside each other. Used by `scheduler.decide.cycle` where one score is
given by cell.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.decide.ranking import Ranking

#: so many rows to each side are looked at first
NEAR: Final = 128


class CellRanking:
    """The best rows of all cells. Owned by one class's cycle; asked like a `Ranking`."""

    __slots__ = ("_best", "_cells", "_gets", "_members", "_rankings", "_size")

    def __init__(self, cells: NDArray[np.intp], gets: Sequence[int]) -> None:
        """Rank nothing yet.

        Args:
            cells: intp[N]: of each row, 0, 1, ...
            gets: what the rows of each cell get.
        """
        self._size = len(cells)
        self._cells: list[int] = cells.tolist()
        self._gets = gets
        #: bool[N] by cell
        self._members = [cells == cell for cell in range(len(gets))]
        self._rankings = [Ranking(self._size) for _ in gets]
        #: the cells where the best rows are; None: not looked at since something changed
        self._best: list[Ranking] | None = None

    @property
    def ties(self) -> int:
        """How many rows are best."""
        return sum(ranking.ties for ranking in self._find())

    def pick(self, number: int) -> int:
        """Return the best row of a number (0..ties-1), in the order of rows."""
        best = self._find()
        if len(best) == 1:
            return best[0].pick(number)
        pieces = [piece for ranking in best for piece in ranking.pieces()]
        # They are spread over all rows, more or less: look around where it should be, and further if it is
        # not there.
        middle, width = number * self._size // sum(map(len, pieces)), NEAR
        while True:
            first, last = middle - width, middle + width
            below = sum(map(bisect_left, pieces, repeat(first)))
            if below <= number < sum(map(bisect_right, pieces, repeat(last))):
                break
            width *= 4
        near = [
            row for piece in pieces for row in piece[bisect_left(piece, first) : bisect_right(piece, last)]
        ]
        near.sort()
        return near[number - below]

    def take(self, number: int) -> int:
        """Return the best row of a number, which is put back by `put`."""
        return self.pick(number)

    def put(self, row: int, own: int) -> None:
        """Put it back with another part of its own, or the same."""
        self.set(row, own)

    def nearly_best(self) -> NDArray[np.intp]:
        """Return the best rows of each cell: which cell is best changes with each Pod."""
        return np.concatenate([ranking.best() for ranking in self._rankings])

    def replace(self, own: NDArray[np.int64]) -> None:
        """Take what all rows are worth by themselves; -1 where one will not do."""
        self._best = None
        for ranking, members in zip(self._rankings, self._members, strict=True):
            ranking.replace(np.where(members, own, np.int64(-1)))

    def set(self, row: int, own: int) -> None:
        """Change one row's own part."""
        self._best = None
        self._rankings[self._cells[row]].set(row, own)

    def shift(self, gets: Sequence[int]) -> None:
        """Change what the rows of each cell get."""
        self._best, self._gets = None, gets

    def _find(self) -> list[Ranking]:
        best = self._best
        if best is None:
            best, highest = [], -1
            for ranking, gets in zip(self._rankings, self._gets, strict=True):
                if not ranking.ties:
                    continue
                total = ranking.highest + gets
                if total > highest:
                    best, highest = [ranking], total
                elif total == highest:
                    best.append(ranking)
            self._best = best
        return best
