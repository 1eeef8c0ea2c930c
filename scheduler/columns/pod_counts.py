"""How many Pods of each priority, with each host port, and with which storage are on each row.

Columns of a priority or port are made with its first Pod, and go with its last. Storage has none: few Pods have
any, and each its own. Owned by the node table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_asks import HostPort


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


def longer(column: NDArray[np.int32], extra: int) -> NDArray[np.int32]:
    """Return a column with so many rows more."""
    return np.concatenate([column, np.zeros(extra, np.int32)])
