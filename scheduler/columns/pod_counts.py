"""PURE: counters of Pods by row, and the journal of rows that changed. Owned by the node table.

PodCounts    Pods of each priority and with each host port: columns that are made with the first such Pod and
             go with the last
ClaimUse     Pods by claim or disk: no columns, because few Pods have any, and each its own
PodColumn    Pods that some selectors mean (all of them), or Pods that carry a term, by row
DomainSum    columns, weighted, summed by the domains of one topology key
Journal      rows in the order of their changes: a cycle computes again no more than it must. A reader keeps a
             position; `since` gives the rows touched after it, or says that the reader is too far behind
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_asks import HostPort
from scheduler.columns.pod_terms import Peers

N = TypeVar("N", bound=np.generic)

#: entries kept; at four thousand placements a second some sixteen seconds
JOURNAL_LIMIT: Final = 65_536


class Journal:
    """Rows in the order of their changes. Owned by the scheduling task.

    A change of the Pods on a row is written as the row itself, a change of the node (new, gone, labels,
    taints, allocatable) as ~row.
    """

    __slots__ = ("_base", "_entries", "_limit", "node_changes")

    def __init__(self, limit: int = JOURNAL_LIMIT) -> None:
        self._entries: list[int] = []
        #: the position of the first entry kept
        self._base = 0
        self._limit = limit
        #: how often a node came, changed or went
        self.node_changes = 0

    @property
    def position(self) -> int:
        """How many changes there have been: the generation of the table."""
        return self._base + len(self._entries)

    def pods_changed(self, row: int) -> None:
        self._entries.append(row)
        if len(self._entries) > self._limit:
            self._trim()

    def pods_came(self, rows: Sequence[int]) -> None:
        self._entries.extend(rows)
        if len(self._entries) > self._limit:
            self._trim()

    def node_changed(self, row: int) -> None:
        self.node_changes += 1
        self._entries.append(~row)
        if len(self._entries) > self._limit:
            self._trim()

    def since(self, position: int) -> list[int] | None:
        """Return the entries after a position; None when they are no longer all there."""
        start = position - self._base
        return self._entries[start:] if start >= 0 else None

    def _trim(self) -> None:
        half = len(self._entries) // 2
        del self._entries[:half]
        self._base += half


class ClaimUse:
    """Counts of Pods by row and by claim (namespace/name) or disk (`Disk.key`). Owned by the node table."""

    def __init__(self) -> None:
        self._by_row: dict[int, dict[str, int]] = {}
        #: claim -> how many Pods use it, on any row
        self._total: dict[str, int] = {}

    def count(self, row: int, claims: Iterable[str], sign: int) -> None:
        here = self._by_row.setdefault(row, {})
        for claim in claims:
            _add(here, claim, sign)
            _add(self._total, claim, sign)
        if not here:
            del self._by_row[row]

    def clear(self, row: int) -> None:
        for claim, count in self._by_row.pop(row, {}).items():
            _add(self._total, claim, -count)

    def users(self, claim: str) -> int:
        return self._total.get(claim, 0)

    def on(self, row: int) -> Mapping[str, int]:
        return self._by_row.get(row, {})

    def rows_with_more(self, than: int) -> list[int]:
        """Return the rows whose Pods use more than so many claims and disks."""
        return [row for row, there in self._by_row.items() if len(there) > than]


def _add(counts: dict[str, int], key: str, number: int) -> None:
    total = counts.get(key, 0) + number
    if total:
        counts[key] = total
    else:
        counts.pop(key, None)


@dataclass(slots=True)
class PortColumn:
    """How many Pods of each node use one port of one protocol, by address."""

    #: int32[N]
    total: NDArray[np.int32]
    by_address: dict[str, NDArray[np.int32]]


class PodCounts:
    """Counts of Pods by row."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        #: priority -> int32[N]
        self.priorities: dict[int, NDArray[np.int32]] = {}
        #: (protocol, port) -> its column
        self.ports: dict[tuple[str, int], PortColumn] = {}

    def of_priority(self, priority: int) -> NDArray[np.int32]:
        """Return the column of a priority (int32[N]), to be counted in."""
        level = self.priorities.get(priority)
        if level is None:
            level = self.priorities[priority] = np.zeros(self._capacity, np.int32)
        return level

    def count_priority(self, row: int, priority: int, sign: int) -> None:
        level = self.of_priority(priority)
        level[row] += sign
        if sign < 0 and not level.any():
            del self.priorities[priority]

    def count_ports(self, row: int, ports: Iterable[HostPort], sign: int) -> None:
        for port in ports:
            key = (port.protocol, port.port)
            column = self.ports.get(key)
            if column is None:
                column = self.ports[key] = PortColumn(np.zeros(self._capacity, np.int32), {})
            counts = column.by_address.get(port.address)
            if counts is None:
                counts = column.by_address[port.address] = np.zeros(self._capacity, np.int32)
            column.total[row] += sign
            counts[row] += sign
            if sign < 0:
                self._drop_empty(key, column)

    def clear(self, row: int) -> None:
        for priority in [*self.priorities]:
            self.priorities[priority][row] = 0
            if not self.priorities[priority].any():
                del self.priorities[priority]
        for key, column in [*self.ports.items()]:
            column.total[row] = 0
            for counts in column.by_address.values():
                counts[row] = 0
            self._drop_empty(key, column)

    def grow(self, extra: int) -> None:
        self._capacity += extra
        self.priorities = {key: longer(counts, extra) for key, counts in self.priorities.items()}
        for column in self.ports.values():
            column.total = longer(column.total, extra)
            column.by_address = {key: longer(counts, extra) for key, counts in column.by_address.items()}

    def _drop_empty(self, key: tuple[str, int], column: PortColumn) -> None:
        for address, counts in [*column.by_address.items()]:
            if not counts.any():
                del column.by_address[address]
        if not column.by_address:
            del self.ports[key]


def longer(column: NDArray[N], extra: int) -> NDArray[N]:
    """Return a column with so many rows more."""
    return np.concatenate([column, np.zeros(extra, column.dtype)])


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
