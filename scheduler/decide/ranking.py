"""PURE: the total of each row, and which rows are best.

Changing one row costs about a microsecond, however many rows there are.

Rows are kept by total, for the best total and those above a floor: a row that becomes better than all others
for the length of one placement, or worse, does not cost a look at all rows. When nothing is left above the
floor they are all looked at again.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: of n equally good rows (in the order of rows), which: 0..n-1
TieBreak = Callable[[int], int]

#: rows in one piece of a list: to take one out moves those after it
PIECE: Final = 1024
#: after a look at all rows at least so many are known, if that takes no more than so many totals
ENOUGH: Final = 128
LEVELS: Final = 4


class RowSet:
    """Rows in their order, in pieces. Owned by a ranking."""

    __slots__ = ("_pieces", "_starts", "count")

    def __init__(self, rows: NDArray[np.intp]) -> None:
        self.count = len(rows)
        #: as they were found, or (once one has changed) as a list
        self._pieces: list[list[int] | NDArray[np.intp]] = [
            rows[start : start + PIECE] for start in range(0, max(self.count, 1), PIECE)
        ]
        #: a row belongs to the last piece whose start is not above it; whatever is below the second start to
        #: the first
        self._starts: list[int] = rows[::PIECE].tolist() if self.count else [0]

    def pick(self, number: int) -> int:
        """Return the row of a number (0..count-1)."""
        for piece in self._pieces:
            if number < len(piece):
                return int(piece[number])
            number -= len(piece)
        raise IndexError(number)

    def take(self, number: int) -> int:
        """Take out the row of a number and return it."""
        pieces = self._pieces
        index = 0
        while number >= len(pieces[index]):
            number -= len(pieces[index])
            index += 1
        piece = pieces[index]
        if not isinstance(piece, list):
            piece = pieces[index] = piece.tolist()
        self.count -= 1
        return piece.pop(number)

    def pieces(self) -> list[list[int]]:
        """Return all of them, in pieces: read only, until the next change."""
        found = [piece if isinstance(piece, list) else piece.tolist() for piece in self._pieces]
        self._pieces = [*found]
        return found

    def array(self) -> NDArray[np.intp]:
        """Return all of them."""
        return np.concatenate([np.asarray(piece, np.intp) for piece in self._pieces])

    def add(self, row: int) -> None:
        """Take in a row that is not there."""
        index, piece = self._piece(row)
        insort(piece, row)
        self.count += 1
        if len(piece) > 2 * PIECE:
            self._pieces[index : index + 1] = [piece[:PIECE], piece[PIECE:]]
            self._starts.insert(index + 1, piece[PIECE])

    def discard(self, row: int) -> None:
        """Take out a row that is there."""
        _, piece = self._piece(row)
        del piece[bisect_left(piece, row)]
        self.count -= 1

    def _piece(self, row: int) -> tuple[int, list[int]]:
        index = max(bisect_right(self._starts, row) - 1, 0)
        piece = self._pieces[index]
        if not isinstance(piece, list):
            piece = self._pieces[index] = piece.tolist()
        return index, piece


class Ranking:
    """Totals by row; -1 where a row will not do. Owned by one class's cycle."""

    __slots__ = ("_best", "_floor", "_levels", "_top", "_total")

    def __init__(self, size: int) -> None:
        #: int64[N]
        self._total = np.full(size, -1, np.int64)
        #: total -> rows, complete for all totals from the floor up; none of them empty
        self._levels: dict[int, RowSet] = {}
        self._floor = self._best = -1
        #: the rows of the best total; None: no row will do
        self._top: RowSet | None = None

    @property
    def ties(self) -> int:
        """How many rows are best."""
        return 0 if self._top is None else self._top.count

    def pick(self, number: int) -> int:
        """Return the best row of a number (0..ties-1), in the order of rows."""
        assert self._top is not None
        return self._top.pick(number)

    @property
    def highest(self) -> int:
        """The total of the best rows; -1: no row will do."""
        return self._best

    def pieces(self) -> list[list[int]]:
        """Return the best rows, in their order and in pieces: read only, until the next change."""
        return [] if self._top is None else self._top.pieces()

    def best(self) -> NDArray[np.intp]:
        """Return the best rows, in their order."""
        return np.zeros(0, np.intp) if self._top is None else self._top.array()

    def nearly_best(self) -> NDArray[np.intp]:
        """Return rows that are likely to be chosen next."""
        return self.best()

    def total(self, row: int) -> int:
        """Return a row's total."""
        return self._total.item(row)

    def replace(self, total: NDArray[np.int64]) -> None:
        """Take other totals for all rows."""
        self._total = total
        # Where that happens it happens each time: no more is found out than is asked.
        self._scan(1)

    def set(self, row: int, total: int) -> None:
        """Change one row."""
        before = self._total.item(row)
        if before == total:
            return
        self._total[row] = total
        if self._top is None:
            if total >= 0:
                self._scan(1)
            return
        if total >= self._floor:
            level = self._levels.get(total)
            if level is None:
                level = self._levels[total] = RowSet(np.array([row], np.intp))
                if total > self._best:
                    self._best, self._top = total, level
            else:
                level.add(row)
        if before >= self._floor:
            level = self._levels[before]
            level.discard(row)
            if not level.count:
                del self._levels[before]
                if before == self._best:
                    self._descend()

    def take(self, number: int) -> int:
        """Return the best row of a number and take it out.

        It is put back by `put`, before anything else is asked.
        """
        assert self._top is not None
        return self._top.take(number)

    def put(self, row: int, total: int) -> None:
        """Put back the row that was taken out, with another total or the same: as `set`, for half its price."""
        best = self._best
        self._total[row] = total
        if total >= self._floor:
            level = self._levels.get(total)
            if level is not None:
                level.add(row)
            else:
                level = self._levels[total] = RowSet(np.array([row], np.intp))
                if total > best:
                    self._best, self._top = total, level
        if not self._levels[best].count:
            del self._levels[best]
            if self._best == best:
                self._descend()

    def _descend(self) -> None:
        """The best total has no row any more."""
        if self._levels:
            self._best = max(self._levels)
            self._top = self._levels[self._best]
        else:
            self._scan(LEVELS)

    def _scan(self, levels: int) -> None:
        total = self._total
        best = int(total.max()) if len(total) else -1
        self._levels, self._top = {}, None
        self._best = self._floor = best
        if best < 0:
            return
        top = self._top = self._levels[best] = RowSet((total == best).nonzero()[0])
        known = top.count
        while known < ENOUGH and best - self._floor < levels - 1 and self._floor > 0:
            self._floor -= 1
            rows = (total == self._floor).nonzero()[0]
            if len(rows):
                self._levels[self._floor] = RowSet(rows)
                known += len(rows)
