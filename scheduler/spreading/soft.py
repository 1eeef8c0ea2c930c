"""The ScheduleAnyway constraints of one class: how many Pods each domain holds, and what that counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domain_sums import PodColumn
from scheduler.columns.domains import SeenSum, combine, domains_of, sum_over
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import SpreadConstraint
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import Affected, Scores
from scheduler.spreading.rules import HOSTNAME, eligible, soft_score, soft_scores, weight


@dataclass(slots=True)
class _ByDomain:
    """A constraint over domains."""

    constraint: SpreadConstraint
    sum: SeenSum
    #: how many domains there are for feasible rows, and what a Pod counts
    size: int = 0
    weight: float = 0.0

    @property
    def axis(self) -> tuple[NDArray[np.intp], int]:
        """What rows differ in: their domain."""
        return self.sum.domains.codes, self.sum.domains.size

    def table(self) -> NDArray[np.float64]:
        """Return what each domain gets (float64)."""
        counts = self.sum.sum.values[: self.sum.domains.size]
        by_domain = soft_scores(counts, self.constraint.max_skew, self.weight)
        by_domain[0] = 0.0
        return by_domain

    def scores(self) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self.table()[self.sum.domains.codes]
        return scores

    def score_row(self, row: int) -> float:
        code = self.sum.domains.codes.item(row)
        if not code:
            return 0.0
        return soft_score(self.sum.sum.values.item(code), self.constraint.max_skew, self.weight)


@dataclass(slots=True)
class _ByNode:
    """A constraint over hosts: each node's own Pods count, whether it is eligible or not."""

    constraint: SpreadConstraint
    column: PodColumn
    #: intp[N], as of the last look: one more than the node's Pods; 0: no label
    codes: NDArray[np.intp]
    #: one more than the largest code there has been
    width: int
    #: of the column's journal, as of the last look
    position: int
    size: int = 0
    weight: float = 0.0

    @property
    def axis(self) -> tuple[NDArray[np.intp], int]:
        """What rows differ in: how many Pods they hold."""
        return self.codes, self.width

    def table(self) -> NDArray[np.float64]:
        """Return what each number of Pods gets (float64)."""
        scores = soft_scores(np.arange(-1, self.width - 1), self.constraint.max_skew, self.weight)
        scores[0] = 0.0
        return scores

    def scores(self) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self.table()[self.codes]
        return scores

    def score_row(self, row: int) -> float:
        if not self.codes.item(row):
            return 0.0
        return soft_score(self.column.rows.get(row, 0), self.constraint.max_skew, self.weight)

    def changed(self, rows: Sequence[int]) -> list[int]:
        """Count the Pods of rows again where some came or went; return the rows that have more or fewer."""
        journal = self.column.journal
        entries = journal.since(self.position)
        self.position = journal.position
        return [row for row in (rows if entries is None else dict.fromkeys(entries)) if self._look(row)]

    def _look(self, row: int) -> bool:
        before, now = self.codes.item(row), self.column.rows.get(row, 0) + 1
        if before in (0, now):
            return False
        self.codes[row] = now
        self.width = max(self.width, now + 1)
        return True


class SoftSpread:
    """What the score asks for one class."""

    def __init__(
        self, constraints: tuple[SpreadConstraint, ...], pod: PodClass, nodes: Snapshot, *, require_all: bool
    ) -> None:
        """Prepare.

        With `require_all` nodes without one of the keys are ignored; the system's default constraints do not
        ask for that.
        """
        self._nodes, self._require_all = nodes, require_all
        found = [domains_of(nodes, item.topology_key) for item in constraints]
        labelled: NDArray[np.bool_] = nodes.valid.copy()
        for domains in found:
            labelled &= domains.codes != 0
        #: bool[N]: rows that are not scored; None: there are none
        self.ignored: NDArray[np.bool_] | None = None
        if require_all and not labelled[nodes.valid].all():
            self.ignored = ~labelled
        self._parts: list[_ByDomain | _ByNode] = []
        topology = nodes.topology
        for item, domains in zip(constraints, found, strict=True):
            column = topology.column(item.peers)
            if item.topology_key == HOSTNAME:
                codes = np.ones(nodes.size, np.intp)
                for row, count in column.rows.items():
                    codes[row] += count
                codes[domains.codes == 0] = 0
                self._parts.append(
                    _ByNode(item, column, codes, int(codes.max(initial=0)) + 1, column.journal.position)
                )
                continue
            counting = eligible(item, pod, nodes, labelled if self.ignored is not None else None)
            summed = sum_over(nodes, domains, ((column, 1),), counting)
            self._parts.append(_ByDomain(item, SeenSum(domains, summed)))
        self._hosts = any(isinstance(part, _ByNode) for part in self._parts)
        #: rows of one cell have the same raw score (intp[N]); None: there are too many cells
        self.cells = self._combined()
        self.see(nodes.valid)

    def score_cells(self) -> Scores:
        total = self._parts[0].table()
        for part in self._parts[1:]:
            total = np.add.outer(total, part.table()).ravel()
        return _rounded(total)

    def see(self, feasible: NDArray[np.bool_]) -> bool:
        """Take in which rows are feasible; say whether that changed what a Pod counts."""
        if self.ignored is not None:
            feasible = feasible & ~self.ignored
        rows = -1
        changed = False
        for part in self._parts:
            if isinstance(part, _ByNode):
                rows = int(np.count_nonzero(feasible)) if rows < 0 else rows
                size = rows
            else:
                counts = np.bincount(part.sum.domains.codes[feasible], minlength=1)
                # Without the label: one more domain, where such nodes are not ignored.
                size = int(np.count_nonzero(counts if not self._require_all else counts[1:]))
            if size != part.size:
                part.size, part.weight = size, weight(size)
                changed = True
        return changed

    def score(self, rows: Rows) -> Scores:
        total = self._parts[0].scores()
        for part in self._parts[1:]:
            total = total + part.scores()
        return _rounded(total[rows])

    def score_row(self, row: int) -> int:
        total = 0.0
        for part in self._parts:
            total += part.score_row(row)
        return math.floor(total + 0.5)

    def advance(self, rows: Sequence[int]) -> Affected:
        """Follow Pods that came or went; return the rows whose raw scores may be others."""
        found: list[int] = []
        widely = False
        for part in self._parts:
            if isinstance(part, _ByNode):
                found += part.changed(rows)
            else:
                changed, shared = part.sum.changed(rows)
                found += changed
                widely |= shared
        if self._hosts and found and self.cells is not None:
            # Where there are too many combinations once, it stays at that until the class starts afresh.
            self.cells = self._combined()
        return self._nodes.all if widely else found

    def _combined(self) -> NDArray[np.intp] | None:
        """Combine what rows differ in, as an array that is not changed afterwards."""
        cells = combine([part.axis for part in self._parts])
        return cells.copy() if cells is not None and self._hosts and len(self._parts) == 1 else cells


def _rounded(scores: NDArray[np.float64]) -> Scores:
    """As Go rounds what is not negative: a half goes up."""
    return np.floor(scores + 0.5).astype(np.int64)
