"""PURE: what the filters said of each row for one class: which refused it first, and why.

How many rows each reason refuses.

Kept by `scheduler.decide.cycle`, which asks the filters; read when a row is ranked, and when somebody has to
be told that nothing fits.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.decide.tally import Tally
from scheduler.framework.interface import Codes, DomainFilter, FilterPlugin

#: in the column of refusals: passed all filters; no node on this row
PASSED, NO_NODE = -1, -2
#: nobody refuses it
_NOBODY: Final = (PASSED, 0)


class Verdicts:
    """Answers by row. Owned by one class's cycle."""

    __slots__ = ("_tally", "_untold", "codes", "domains", "failed", "kept")

    def __init__(self, size: int) -> None:
        #: int16[N]: index of the filter that looks at a row alone and refused it, or PASSED, or NO_NODE
        self.failed = np.full(size, PASSED, np.int16)
        #: int64[N]: what it said
        self.codes: Codes = np.zeros(size, np.int64)
        #: filters that look at domains by index, and what they say: int64[N]
        self.domains: dict[int, tuple[FilterPlugin, DomainFilter, Codes]] = {}
        #: rows that would do if others had not got them in view: which filter says so, and what
        self.kept: dict[int, tuple[int, int]] = {}
        #: refusals counted when they were last told, and the rows that were touched since
        self._tally: Tally | None = None
        self._untold: list[int] = []

    @property
    def is_plain(self) -> bool:
        """Whether nobody keeps a row, and nothing has been told that would have to stay true."""
        return not self.kept and self._tally is None

    def passing(self) -> NDArray[np.bool_]:
        """Return the rows that no filter refuses (bool[N]), whoever has them in view."""
        ok: NDArray[np.bool_] = self.failed == PASSED
        for _, _, codes in self.domains.values():
            ok &= codes == 0
        return ok

    def touch(self, rows: Sequence[int] | None) -> None:
        """Verdicts about some rows may be others now (None: about any)."""
        if rows is None or len(self._untold) > len(self.failed):
            self._tally = None
        elif self._tally is not None:
            self._untold.extend(rows)

    def tally(self) -> Tally:
        """Count the refusals."""
        tally = self._tally
        if tally is None:
            tally = self._tally = Tally(*self._all())
        else:
            for row in self._untold:
                tally.put(row, *self._of(row))
        self._untold.clear()
        return tally

    def _all(self) -> tuple[NDArray[np.int16], Codes]:
        """Return which filter refused each row first (or PASSED, NO_NODE), and what it said."""
        failed, codes = self.failed.copy(), self.codes.copy()
        for number, (_, _, said) in self.domains.items():
            first = (said != 0) & ((failed == PASSED) | (failed > number))
            failed[first], codes[first] = number, said[first]
        for row, (number, code) in self.kept.items():
            if failed[row] == PASSED:
                failed[row], codes[row] = number, code
        return failed, codes

    def _of(self, row: int) -> tuple[int, int]:
        """Return what `_all` says of one row."""
        number, code = self.failed.item(row), self.codes.item(row)
        for other, (_, _, said) in self.domains.items():
            if said.item(row) and (number == PASSED or number > other):
                number, code = other, said.item(row)
        return self.kept.get(row, _NOBODY) if number == PASSED else (number, code)
