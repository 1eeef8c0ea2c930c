"""The ScheduleAnyway constraints of one class: how many Pods each domain holds, and what that counts against its nodes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domains import Domains, domains_of, sum_over
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import SpreadConstraint
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.columns.topology import DomainSum, PodColumn
from scheduler.framework.interface import Affected, Scores
from scheduler.plugins.spread_rules import HOSTNAME, eligible, soft_score, soft_scores, weight


@dataclass(slots=True)
class _ByDomain:
    """A constraint over domains."""

    constraint: SpreadConstraint
    domains: Domains
    sum: DomainSum
    #: int64[domains], as of the last look
    seen: NDArray[np.int64]
    #: how many domains there are for feasible rows, and what a Pod counts
    size: int = 0
    weight: float = 0.0

    def scores(self) -> NDArray[np.float64]:
        """Return what each row gets (float64[N])."""
        by_domain = soft_scores(self.sum.values, self.constraint.max_skew, self.weight)
        by_domain[0] = 0.0
        scores: NDArray[np.float64] = by_domain[self.domains.codes]
        return scores

    def score_row(self, row: int) -> float:
        code = self.domains.codes.item(row)
        if not code:
            return 0.0
        return soft_score(self.sum.values.item(code), self.constraint.max_skew, self.weight)


@dataclass(slots=True)
class _ByNode:
    """A constraint over hosts: each node's own Pods count, whether it is eligible or not."""

    constraint: SpreadConstraint
    column: PodColumn
    #: bool[N]: has the label
    labelled: NDArray[np.bool_]
    #: int64[N], as of the last look
    counts: NDArray[np.int64]
    size: int = 0
    weight: float = 0.0

    def scores(self) -> NDArray[np.float64]:
        scores = soft_scores(self.counts, self.constraint.max_skew, self.weight)
        return np.where(self.labelled, scores, 0.0)

    def score_row(self, row: int) -> float:
        if not self.labelled[row]:
            return 0.0
        return soft_score(self.column.rows.get(row, 0), self.constraint.max_skew, self.weight)


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
            require_all: nodes without one of the keys are ignored (the system's default constraints do not ask for that).
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
                counts = np.zeros(nodes.size, np.int64)
                counts[[*column.rows]] = [*column.rows.values()]
                self._parts.append(_ByNode(item, column, domains.codes != 0, counts))
                continue
            counting = eligible(item, pod, nodes, labelled if self.ignored is not None else None)
            summed = sum_over(nodes, domains, ((column, 1),), counting)
            self._parts.append(_ByDomain(item, domains, summed, summed.values.copy()))
        self.see(nodes.valid)

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
                counts = np.bincount(part.domains.codes[feasible], minlength=1)
                # Without the label: one more domain, where such nodes are not ignored.
                size = int(np.count_nonzero(counts if not self._require_all else counts[1:]))
            if size != part.size:
                part.size, part.weight = size, weight(size)
                changed = True
        return changed

    def score(self, rows: Rows) -> Scores:
        """Return raw scores of rows."""
        total = self._parts[0].scores()
        for part in self._parts[1:]:
            total = total + part.scores()
        # As Go rounds: a half goes up.
        scores: Scores = np.floor(total[rows] + 0.5).astype(np.int64)
        return scores

    def score_row(self, row: int) -> int:
        """Return the raw score of one row."""
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
                for row in rows:
                    now = part.column.rows.get(row, 0)
                    if part.counts.item(row) != now:
                        part.counts[row] = now
                        found.append(row)
                continue
            codes, values, seen = part.domains.codes, part.sum.values, part.seen
            for row in rows:
                code = codes.item(row)
                now = values.item(code)
                if seen.item(code) != now:
                    seen[code] = now
                    found.append(row)
                    widely |= not part.domains.alone
        return self._nodes.all if widely else found
