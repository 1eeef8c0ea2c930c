"""PURE: the total of each row, and which rows are best. Changing one row costs about a microsecond, all rows some passes over them."""

from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray


class Ranking:
    """Totals by row; -1 where a row will not do. Owned by one class's cycle."""

    __slots__ = ("_array", "_best", "_ties", "_total")

    def __init__(self, size: int) -> None:
        #: int64[N]
        self._total = np.full(size, -1, np.int64)
        self._best = -1
        #: the best rows in order; as they were found, or (None there) as a list that is kept up to date
        self._array: NDArray[np.intp] | None = None
        self._ties: list[int] = []

    @property
    def ties(self) -> int:
        """How many rows are best."""
        return len(self._ties) if self._array is None else len(self._array)

    def pick(self, number: int) -> int:
        """Return the best row of a number (0..ties-1), in the order of rows."""
        return self._ties[number] if self._array is None else self._array.item(number)

    def best(self) -> NDArray[np.intp]:
        """Return the best rows, in their order."""
        return np.array(self._ties, np.intp) if self._array is None else self._array

    def total(self, row: int) -> int:
        """Return a row's total."""
        return self._total.item(row)

    def replace(self, total: NDArray[np.int64]) -> None:
        """Take other totals for all rows."""
        self._total = total
        self._scan()

    def set(self, row: int, total: int) -> None:
        """Change one row."""
        before = self._total.item(row)
        if before == total:
            return
        self._total[row] = total
        if total > self._best:
            self._best, self._array, self._ties = total, None, [row]
        elif total == self._best:
            if total >= 0:
                insort(self._list(), row)
        elif before == self._best:
            ties = self._list()
            del ties[bisect_left(ties, row)]
            if not ties:
                self._scan()

    def _list(self) -> list[int]:
        if self._array is not None:
            self._ties, self._array = self._array.tolist(), None
        return self._ties

    def _scan(self) -> None:
        total = self._total
        self._best = best = int(total.max()) if len(total) else -1
        self._ties = []
        self._array = np.flatnonzero(total == best) if best >= 0 else None
