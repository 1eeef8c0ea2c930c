"""PURE: how many nodes each filter refused, and with which of its reasons.

What FailedScheduling and preemption are told.

Kept between the Pods of a class, so that saying it again costs the rows that changed. Used by
`scheduler.decide.cycle`.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.framework.interface import UNRESOLVABLE, Codes, FilterPlugin, decode


class Tally:
    """Refusals by row, and how many there are of each kind."""

    def __init__(self, failed: NDArray[np.int16], codes: Codes) -> None:
        """Count all rows.

        Args:
            failed: int16[N], index of the filter that refused a row first; negative: none did.
            codes: int64[N], what it said.
        """
        self._failed, self._codes = failed, codes
        #: bool[N]: refused, and evicting Pods might help
        self.resolvable = (failed >= 0) & (codes & UNRESOLVABLE == 0)
        self._counts: Counter[tuple[int, int]] = Counter()
        for number in np.unique(failed[failed >= 0]).tolist():
            said, counts = np.unique(codes[failed == number], return_counts=True)
            for code, count in zip(said.tolist(), counts.tolist(), strict=True):
                self._counts[number, code] = count

    def put(self, row: int, number: int, code: int) -> None:
        """Take in what is said of a row now: which filter refuses it (negative: none), and its code."""
        before = self._failed.item(row), self._codes.item(row)
        if before == (number, code):
            return
        if before[0] >= 0:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if number >= 0:
            self._counts[number, code] += 1
        self._failed[row], self._codes[row] = number, code
        self.resolvable[row] = number >= 0 and not code & UNRESOLVABLE

    def rejections(
        self, filters: Sequence[FilterPlugin], pod: PodClass
    ) -> tuple[dict[str, int], frozenset[str]]:
        """Return how many rows each reason refused, and the names of the filters that did."""
        rejections: dict[str, int] = {}
        for (number, code), count in self._counts.items():
            for reason in decode(code, filters[number].reasons(pod)):
                rejections[reason] = rejections.get(reason, 0) + count
        return rejections, frozenset(filters[number].name for number, _ in self._counts)
