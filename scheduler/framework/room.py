"""What the default scores of CPU and memory are made of, kept as floats beside the columns.

For a Pod whose class nobody has met, these two scores of all nodes are most of its decision. From here they
are some twenty calls of numpy in place, instead of twice as many on int64 (whose division costs four times a
float's). The answers are the same to the last one: an integer below 2^53 is exact as a float, and so is the
floor of a quotient of two of them. Where an amount is larger, or a node has no CPU or memory at all, `exact`
is False, and plugins are asked by their columns.

    least_allocated   NodeResourcesFit, `least_allocated.go`
    balance           NodeResourcesBalancedAllocation, `balanced_allocation.go`
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.snapshot import CPU, MEMORY, Snapshot

#: a hundred times this is still an exact float
LIMIT: Final = (1 << 53) // 100
#: so many rows are followed one by one; more, as all
_ONE_BY_ONE: Final = 64

Floats = NDArray[np.float64]


class Room:
    """CPU and memory of all rows. Owned by the scheduling task; `follow` before anything is read."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._nodes: Snapshot | None = None
        self._position = -1
        #: whether all amounts are such that floats are exact
        self.exact = False

    def follow(self) -> None:
        """Take in what has changed on the nodes."""
        table, nodes = self._table, self._table.snapshot()
        position = table.journal.position
        if nodes is self._nodes and position == self._position:
            return
        entries = table.journal.since(self._position) if nodes is self._nodes else None
        if entries is None or len(entries) > _ONE_BY_ONE or min(entries) < 0:
            self._begin(nodes)
        elif self.exact:
            self._follow_rows(entries)
        self._position = position

    def least_allocated(self, cpu: int, memory: int) -> Floats:
        """Return what each row scores by what is left of both (0..100; the same array each time)."""
        score, other = self._first, self._second
        _least(self._free_cpu, self._cpu, cpu, score)
        _least(self._free_memory, self._memory, memory, other)
        score += other
        score *= 0.5
        return np.floor(score, out=score)

    def balance(self, cpu: int, memory: int) -> Floats:
        """Return what each row scores by what a Pod that requests this does to its balance (0..100; the same
        array each time).
        """
        score, other = self._first, self._second
        _share(self._used_cpu, self._cpu, cpu, score)
        _share(self._used_memory, self._memory, memory, other)
        score -= other
        np.abs(score, out=score)
        score *= 0.5
        np.subtract(1.0, score, out=score)
        score *= 100.0
        np.floor(score, out=score)
        # 50 + (50 + after - before) / 2. The balance of two is 50 at least, so that what is halved is never
        # below nothing: however it is cut.
        score += self._unbalance
        score *= 0.5
        return np.floor(score, out=score)

    def takes(self, *amounts: int) -> bool:
        """Say whether a Pod's amounts, on top of what is there, are exact as well."""
        return self.exact and max(amounts) <= LIMIT

    def _begin(self, nodes: Snapshot) -> None:
        size = nodes.size
        self._nodes = nodes
        valid = nodes.valid
        sizes = [nodes.allocatable[index] for index in (CPU, MEMORY)]
        used = [nodes.requested[CPU], nodes.requested[MEMORY], nodes.nonzero_cpu, nodes.nonzero_memory]
        self.exact = (
            size > 0
            and all(int(has[valid].min(initial=1)) > 0 and int(has.max()) <= LIMIT for has in sizes)
            and all(int(taken.max()) <= LIMIT for taken in used)
        )
        if not self.exact:
            return
        #: float64[N]: what there is; a row without a node has 1 of each
        self._cpu, self._memory = (np.maximum(has, 1).astype(np.float64) for has in sizes)
        #: float64[N], a hundredfold: what is left by the requests for scoring; less than nothing where that
        #: is too much
        self._free_cpu = 100.0 * (self._cpu - nodes.nonzero_cpu)
        self._free_memory = 100.0 * (self._memory - nodes.nonzero_memory)
        #: float64[N]: what is requested
        self._used_cpu, self._used_memory = (taken.astype(np.float64) for taken in used[:2])
        #: where answers are made
        self._first, self._second = np.empty(size), np.empty(size)
        _share(self._used_cpu, self._cpu, 0, self._first)
        _share(self._used_memory, self._memory, 0, self._second)
        balance = (1.0 - np.abs(self._first - self._second) * 0.5) * 100.0
        #: float64[N]: 150 less the balance without the Pod
        self._unbalance = 150.0 - np.floor(balance)

    def _follow_rows(self, rows: Sequence[int]) -> None:
        nodes = self._nodes
        assert nodes is not None
        for row in {*rows}:
            used_cpu, used_memory = nodes.requested[CPU].item(row), nodes.requested[MEMORY].item(row)
            nonzero_cpu, nonzero_memory = nodes.nonzero_cpu.item(row), nodes.nonzero_memory.item(row)
            if max(used_cpu, used_memory, nonzero_cpu, nonzero_memory) > LIMIT:
                self.exact = False
                return
            cpu, memory = self._cpu.item(row), self._memory.item(row)
            self._free_cpu[row] = 100.0 * (cpu - nonzero_cpu)
            self._free_memory[row] = 100.0 * (memory - nonzero_memory)
            self._used_cpu[row], self._used_memory[row] = used_cpu, used_memory
            balance = (1.0 - abs(min(used_cpu / cpu, 1.0) - min(used_memory / memory, 1.0)) / 2) * 100.0
            self._unbalance[row] = 150 - int(balance)


def _least(free: Floats, size: Floats, amount: int, out: Floats) -> None:
    np.subtract(free, 100.0 * amount, out=out)
    out /= size
    np.floor(out, out=out)
    np.maximum(out, 0.0, out=out)


def _share(used: Floats, size: Floats, amount: int, out: Floats) -> None:
    np.add(used, amount, out=out)
    out /= size
    np.minimum(out, 1.0, out=out)
