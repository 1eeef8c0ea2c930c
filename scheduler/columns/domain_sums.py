"""PURE: two counters of Pods. `scheduler.columns.topology` keeps them true.

PodColumn    Pods that some selectors mean (all of them), or Pods that carry a term, by row
DomainSum    columns, weighted, summed by the domains of one topology key
"""

from typing import Final
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.journal import Journal
from scheduler.columns.pod_terms import Peers

#: changes of a column that are kept for those who follow it; who is further behind looks at all rows that
#: anything happened on
CHANGES: Final = 512

#: columns with their weights
Sources = tuple[tuple["PodColumn", int], ...]


class PodColumn:
    """Some Pods by row."""

    __slots__ = ("__weakref__", "carried", "journal", "peers", "rows", "sums")

    def __init__(self, peers: tuple[Peers, ...], *, carried: bool = False) -> None:
        #: all of which mean each Pod that is counted; or (carried) whom the term means that each counted Pod
        #: carries
        self.peers, self.carried = peers, carried
        #: row -> how many
        self.rows: dict[int, int] = {}
        #: the rows that have more or fewer now
        self.journal = Journal(CHANGES)
        #: the sums that count it, and with what weight
        self.sums: list[tuple[ref[DomainSum], int]] = []


class DomainSum:
    """Columns summed by the domains of a topology key."""

    __slots__ = ("__weakref__", "eligible", "key", "sources", "values", "version")

    def __init__(self, key: str, sources: Sources, eligible: NDArray[np.bool_] | None) -> None:
        self.key, self.sources = key, sources
        #: bool[N]: rows that count; None: all
        self.eligible = eligible
        #: int64[domains], by the code of the label's value; code 0 (no such label) stays 0
        self.values = np.zeros(1, np.int64)
        #: moves with every change
        self.version = 0

    def add(self, row: int, code: int, amount: int) -> None:
        if code == 0 or not self._counts(row):
            return
        self.version += 1
        if code >= len(self.values):
            self._grow(code)
        self.values[code] += amount

    def fill(self, codes: NDArray[np.int32] | None, size: int) -> None:
        """Sum from scratch. `codes` by row; None: no node has the label."""
        self.version += 1
        self.values = np.zeros(max(size, 1), np.int64)
        if codes is None:
            return
        for column, weight in self.sources:
            count = len(column.rows)
            if not count:
                continue
            rows = np.fromiter(column.rows.keys(), np.intp, count)
            amounts = np.fromiter(column.rows.values(), np.int64, count)
            if self.eligible is not None:
                known = rows < len(self.eligible)
                rows, amounts = rows[known], amounts[known]
                amounts = amounts * self.eligible[rows]
            np.add.at(self.values, codes[rows], amounts * weight)
        self.values[0] = 0

    def reserve(self, size: int) -> None:
        if size > len(self.values):
            self._grow(size - 1)

    def move(self, row: int, before: int, after: int) -> None:
        amount = sum(weight * column.rows.get(row, 0) for column, weight in self.sources)
        if amount:
            self.add(row, before, -amount)
            self.add(row, after, amount)

    def _counts(self, row: int) -> bool:
        return self.eligible is None or (row < len(self.eligible) and bool(self.eligible[row]))

    def _grow(self, code: int) -> None:
        longer = np.zeros(max(code + 1, 2 * len(self.values)), np.int64)
        longer[: len(self.values)] = self.values
        self.values = longer
