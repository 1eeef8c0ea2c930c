"""PURE: which rows have the best totals, where rows are divided into cells (zones, say).

Changing one row costs about a microsecond, however many rows there are. The rows of a cell are kept by total,
for the best total and those above a floor: a row that becomes better than all others for the length of one
placement, or worse, does not cost a look at all rows. When nothing is left above the floor they are all
looked at again. Owned by `scheduler.decide.node_rows`; read by the classes that share these rows, each of
which adds what the rows of a cell get from it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
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
#: so many rows to each side are looked at first where rows of several sets are counted through
NEAR: Final = 128
#: so many cells at most are looked at one by one
MOST_CELLS: Final = 64
#: values this far apart at most are numbered by a table
_TABLE: Final = 65_536


class RowSet:
    """Rows in their order, in pieces. Owned by a ranking."""

    __slots__ = ("_pieces", "_starts", "count")

    def __init__(self, rows: NDArray[np.intp]) -> None:
        self.count = len(rows)
        #: as they were found, or (once one has changed) as a list
        self._pieces: list[list[int] | NDArray[np.intp]] = [
            rows[start : start + PIECE] for start in range(0, max(self.count, 1), PIECE)
        ]
        #: a row belongs to the last piece that starts not above it, or to the first
        self._starts: list[int] = rows[::PIECE].tolist() if self.count else [0]

    def pick(self, number: int) -> int:
        """Return the row of a number (0..count-1)."""
        for piece in self._pieces:
            if number < len(piece):
                return int(piece[number])
            number -= len(piece)
        raise IndexError(number)

    def below(self, row: int) -> int:
        """Return how many of them are below a row."""
        index = max(bisect_right(self._starts, row) - 1, 0)
        return sum(map(len, self._pieces[:index])) + bisect_left(self._pieces[index], row)

    def pieces(self) -> list[list[int]]:
        """Return all of them, in pieces: read only, until the next change."""
        found = [piece if isinstance(piece, list) else piece.tolist() for piece in self._pieces]
        self._pieces = [*found]
        return found

    def __iter__(self) -> Iterator[int]:
        for piece in self._pieces:
            yield from map(int, piece)

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


class CellRanking:
    """The rows of one cell by their totals."""

    __slots__ = ("_best", "_floor", "_levels", "_rows", "_stale", "_total", "count")

    def __init__(self, total: NDArray[np.int64], rows: NDArray[np.intp] | None) -> None:
        """Look at nothing yet; `total` (int64[N], -1 where a row will not do) is the owner's, which changes."""
        self._total, self._rows = total, rows
        #: total -> rows, complete for all totals from the floor up; none of them empty
        self._levels: dict[int, RowSet] = {}
        self._floor = self._best = -1
        #: how many rows of the cell will do
        self.count = 0
        self._stale = True

    def forget(self) -> None:
        """Many rows have other totals: look at all of them before the next answer."""
        self._stale = True

    def look(self) -> None:
        """Be true before the next answer."""
        if self._stale:
            total = self._totals()
            self.count = int(np.count_nonzero(total >= 0))
            self._levels, self._stale = {}, False
            self._best = self._floor = int(total.max()) if len(total) else -1
            if self._best >= 0:
                self._levels[self._best] = self._find(total, self._best)

    def changed(self, row: int, before: int, now: int) -> None:
        """Follow one row whose total is another now."""
        if self._stale:
            return
        self.count += (now >= 0) - (before >= 0)
        if self._best < 0:
            self._stale = now >= 0
            return
        if now >= self._floor:
            level = self._levels.get(now)
            if level is None:
                self._levels[now] = RowSet(np.array([row], np.intp))
                if now > self._best:
                    self._best = now
            else:
                level.add(row)
        if before >= self._floor:
            level = self._levels[before]
            level.discard(row)
            if not level.count:
                del self._levels[before]
                if before == self._best:
                    self._best = max(self._levels, default=-1)
                    self._stale = self._best < 0

    def best(self, taken: Mapping[int, int] | None = None) -> tuple[int, RowSet] | None:
        """Return the best total and the rows that have it; None: no row will do.

        `taken` is total -> how many rows of it do not count; one of which no other row is left is not the
        best.
        """
        if self._stale:
            self.look()
        level = self._best
        while level >= 0:
            rows = self._levels[level]
            if not taken or rows.count > taken.get(level, 0):
                return level, rows
            level = self._below(level)
        return None

    def _below(self, level: int) -> int:
        """Return the next lower total that a row has; -1: none."""
        known = [total for total in self._levels if total < level]
        if known:
            return max(known)
        total = self._totals()
        # As many more totals as it takes to know enough rows: this may be asked for again.
        found = 0
        for _ in range(LEVELS):
            lower = total[total < self._floor]
            self._floor = int(lower.max()) if len(lower) else -1
            if self._floor < 0:
                self._floor = 0
                break
            rows = self._levels[self._floor] = self._find(total, self._floor)
            found += rows.count
            if found >= ENOUGH:
                break
        return max((total for total in self._levels if total < level), default=-1)

    def _totals(self) -> NDArray[np.int64]:
        return self._total if self._rows is None else self._total[self._rows]

    def _find(self, total: NDArray[np.int64], level: int) -> RowSet:
        found = np.flatnonzero(total == level)
        return RowSet(found if self._rows is None else self._rows[found])


class Ranking:
    """All rows, cell by cell."""

    __slots__ = ("cells", "rankings")

    def __init__(self, total: NDArray[np.int64], cells: NDArray[np.intp] | None, count: int) -> None:
        """Look at nothing yet; `cells` says of each row in which of `count` cells it is (None: one for all)."""
        #: of each row; None: all are in cell 0
        self.cells: list[int] | None = None if cells is None else cells.tolist()
        if cells is None:
            self.rankings = [CellRanking(total, None)]
        else:
            self.rankings = [CellRanking(total, np.flatnonzero(cells == cell)) for cell in range(count)]

    def changed(self, row: int, before: int, now: int) -> None:
        """Follow one row whose total is another now."""
        self.rankings[0 if self.cells is None else self.cells[row]].changed(row, before, now)

    def forget(self) -> None:
        """Many rows have other totals."""
        for ranking in self.rankings:
            ranking.forget()


def pick(number: int, sets: Sequence[RowSet], without: Sequence[int], also: Sequence[int], size: int) -> int:
    """Return the row of a number in the order of rows, of disjoint sets without some, and `also` others.

    `size` is one more than the highest row there may be.
    """
    if not without and not also:
        return _pick(number, sets, size)
    gone, more = sorted(without), sorted(also)
    for index, row in enumerate(more):
        # Where this row is among all.
        place = sum(rows.below(row) for rows in sets) - bisect_left(gone, row) + index
        if place == number:
            return row
        if place > number:
            more = more[:index]
            break
    number -= len(more)
    for index, row in enumerate(gone):
        if sum(rows.below(row) for rows in sets) - index > number:
            number += index
            break
    else:
        number += len(gone)
    return _pick(number, sets, size)


def _pick(number: int, sets: Sequence[RowSet], size: int) -> int:
    if len(sets) == 1:
        return sets[0].pick(number)
    pieces = [piece for rows in sets for piece in rows.pieces()]
    # They are spread over all rows, more or less: look around where it should be, then further.
    middle, width = number * size // sum(map(len, pieces)), NEAR
    while True:
        first, last = middle - width, middle + width
        below = sum(map(bisect_left, pieces, repeat(first)))
        if below <= number < sum(map(bisect_right, pieces, repeat(last))):
            break
        width *= 4
    near = [row for piece in pieces for row in piece[bisect_left(piece, first) : bisect_right(piece, last)]]
    near.sort()
    return near[number - below]


def cells_of(axes: Sequence[NDArray[np.integer]]) -> tuple[NDArray[np.intp] | None, int] | None:
    """Divide rows into cells of the same values: the cell of each row (None: all are in one), and their number.

    None: there are more than `MOST_CELLS`.
    """
    cells: NDArray[np.intp] | None = None
    count = 1
    for axis in axes:
        combined = axis.astype(np.intp) if cells is None else cells * (int(axis.max(initial=0)) + 1) + axis
        numbered = _number(combined)
        if numbered is None:
            return None
        cells, count = numbered
        if count == 1:
            cells = None
    return cells, count


def _number(values: NDArray[np.intp]) -> tuple[NDArray[np.intp], int] | None:
    """Return values as 0, 1, ..., and how many different ones there are; None: too many."""
    if not len(values):
        return values, 1
    low, high = int(values.min()), int(values.max())
    if high - low >= _TABLE:
        present, numbers = np.unique(values, return_inverse=True)
        return (numbers.astype(np.intp), len(present)) if len(present) <= MOST_CELLS else None
    present = np.flatnonzero(np.bincount(values - low))
    if len(present) > MOST_CELLS:
        return None
    table = np.zeros(high - low + 1, np.intp)
    table[present] = np.arange(len(present))
    return table[values - low], len(present)
