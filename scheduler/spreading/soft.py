"""The ScheduleAnyway constraints of one class.

How many Pods each domain holds, and what that counts against its nodes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domain_sums import DomainSum, PodColumn
from scheduler.columns.domains import domains_of, sum_over
from scheduler.columns.labels import Domains
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import SpreadConstraint
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import Groups, Scores
from scheduler.spreading.rules import HOSTNAME, eligible, soft_score, soft_scores, weight


@dataclass(slots=True)
class _ByDomain:
    """A constraint over domains."""

    constraint: SpreadConstraint
    domains: Domains
    sum: DomainSum
    #: how many domains there are for feasible rows, and what a Pod counts
    size: int = 0
    weight: float = 0.0

    def scores(self) -> NDArray[np.float64]:
        by_domain = soft_scores(self.sum.values[: self.domains.size], self.constraint.max_skew, self.weight)
        by_domain[0] = 0.0
        return by_domain[self.domains.codes]

    def score_row(self, row: int) -> float:
        code = self.domains.codes.item(row)
        return soft_score(self.sum.values.item(code), self.constraint.max_skew, self.weight) if code else 0.0


@dataclass(slots=True)
class _ByNode:
    """A constraint over hosts: each node's own Pods count, whether it is eligible or not."""

    constraint: SpreadConstraint
    domains: Domains
    column: PodColumn
    #: int64[N]: how many Pods each row held at the last look, and the position of the column's journal then;
    #: made when all rows are asked about
    counts: NDArray[np.int64] | None = None
    position: int = 0
    size: int = 0
    weight: float = 0.0

    def scores(self) -> NDArray[np.float64]:
        scores = soft_scores(self._counts(), self.constraint.max_skew, self.weight)
        scores[self.domains.codes == 0] = 0.0
        return scores

    def score_row(self, row: int) -> float:
        if not self.domains.codes.item(row):
            return 0.0
        return soft_score(self.column.rows.get(row, 0), self.constraint.max_skew, self.weight)

    def _counts(self) -> NDArray[np.int64]:
        rows, journal, counts = self.column.rows, self.column.journal, self.counts
        changed = journal.since(self.position)
        if counts is None or changed is None:
            counts = self.counts = np.zeros(len(self.domains.codes), np.int64)
            changed = [*rows]
        for row in dict.fromkeys(changed):
            counts[row] = rows.get(row, 0)
        self.position = journal.position
        return counts


class SoftSpread:
    """What the score asks for one class."""

    def __init__(
        self, constraints: tuple[SpreadConstraint, ...], pod: PodClass, nodes: Snapshot, *, require_all: bool
    ) -> None:
        """Prepare.

        Args:
            constraints: in their order.
            pod: the class.
            nodes: the columns.
            require_all: nodes without one of the keys are ignored (the system's default constraints do not
            ask for that).
        """
        self._require_all = require_all
        found = [domains_of(nodes, item.topology_key) for item in constraints]
        #: bool[N]: rows that are not scored; None: there are none
        self.ignored: NDArray[np.bool_] | None = None
        labelled: NDArray[np.bool_] | None = None
        complete = all(domains.labelled == len(nodes.rows) for domains in found)
        if require_all and not complete:
            labelled = nodes.valid.copy()
            for domains in found:
                labelled &= domains.codes != 0
            self.ignored = ~labelled
        self._parts: list[_ByDomain | _ByNode] = []
        for item, domains in zip(constraints, found, strict=True):
            column = nodes.topology.column(item.peers)
            if item.topology_key == HOSTNAME:
                self._parts.append(_ByNode(item, domains, column))
            else:
                counting = eligible(item, pod, nodes, labelled)
                summed = sum_over(nodes, domains, ((column, 1),), counting)
                self._parts.append(_ByDomain(item, domains, summed))
        #: what rows differ in, where all have all labels
        self.groups: Groups | None = None
        if complete:
            self.groups = Groups(
                tuple(part.domains.key for part in self._parts if isinstance(part, _ByDomain)),
                tuple(part.column.rows for part in self._parts if isinstance(part, _ByNode)),
            )

    def see(self, feasible: NDArray[np.bool_]) -> bool:
        """Take in which rows are feasible; say whether that changed what a Pod counts."""
        if self.ignored is not None:
            feasible = feasible & ~self.ignored
        rows = int(np.count_nonzero(feasible))
        changed = False
        for part in self._parts:
            size = rows
            if isinstance(part, _ByDomain):
                counts = np.bincount(part.domains.codes[feasible], minlength=1)
                # Without the label: one more domain, where such nodes are not ignored.
                size = int(np.count_nonzero(counts if not self._require_all else counts[1:]))
            changed |= _resize(part, size)
        return changed

    def see_groups(self, rows: Sequence[int], feasible: int) -> None:
        """Take in how many rows are feasible, of which these have all domains that there are."""
        for part in self._parts:
            size = feasible
            if isinstance(part, _ByDomain):
                size = len({*map(part.domains.codes.item, rows)})
            _resize(part, size)

    def score(self, rows: Rows) -> Scores:
        """Return raw scores of rows."""
        total = self._parts[0].scores()
        for part in self._parts[1:]:
            total = total + part.scores()
        # As Go rounds what is not negative: a half goes up.
        return np.floor(total[rows] + 0.5).astype(np.int64)

    def score_row(self, row: int) -> int:
        """Return the raw score of one row."""
        total = 0.0
        for part in self._parts:
            total += part.score_row(row)
        return math.floor(total + 0.5)


def _resize(part: _ByDomain | _ByNode, size: int) -> bool:
    """Take in how many domains there are; say whether there were others."""
    if size == part.size:
        return False
    part.size, part.weight = size, weight(size)
    return True
