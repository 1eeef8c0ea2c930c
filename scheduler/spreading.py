"""PURE: topology spreading: who is counted, what is too many, and what few are worth.

Used by the plugin PodTopologySpread. Follows `plugins/podtopologyspread`: common.go, scoring.go.

A hard constraint refuses a domain where one Pod more would make it exceed the emptiest domain by more than
maxSkew. A soft one counts against a node how many Pods are in its domain, weighted by the logarithm of how
many domains there are, so that a few zones with many Pods each do not drown many hosts with few.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import Domains
from scheduler.columns.node_selection import selected
from scheduler.columns.pod_counts import DomainSum, PodColumn
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import SpreadConstraint
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import MAX_SCORE, Groups, Scores

#: by node rather than by domain, and without regard to who is eligible
HOSTNAME: Final = "kubernetes.io/hostname"


def weight(domains: int) -> float:
    """Return what a Pod in a domain counts, given how many domains there are (`topologyNormalizingWeight`)."""
    return math.log(domains + 2)


def soft_score(count: int, max_skew: int, domain_weight: float) -> float:
    """Return what a domain with so many Pods counts (`scoreForCount`): less skew than allowed counts less."""
    return count * domain_weight + float(max_skew - 1)


def soft_scores(counts: NDArray[np.int64], max_skew: int, domain_weight: float) -> NDArray[np.float64]:
    """Return the same for many domains."""
    return np.asarray(counts * domain_weight + float(max_skew - 1), np.float64)


def normalise(raw: Scores, low: int, high: int) -> Scores:
    """Return 100 for the fewest Pods, less for more (`NormalizeScore`)."""
    if high == 0:
        return np.full(len(raw), MAX_SCORE, np.int64)
    return MAX_SCORE * (high + low - raw) // high


def eligible(
    constraint: SpreadConstraint, pod: PodClass, nodes: Snapshot, labelled: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return which rows a constraint counts (bool[N]); None: all that have its key.

    `labelled` are the rows with the keys of all constraints (bool[N]); None: this one's key is enough.
    """
    found = labelled
    if constraint.honor_affinity and (pod.node_selector or pod.node_affinity is not None):
        here = nodes.valid & selected(pod, nodes)
        found = here if found is None else found & here
    if constraint.honor_taints and len(nodes.taint_sets):
        answers = np.array(
            [not pod.untolerated(taints or ()) for taints in nodes.taint_sets.values], np.bool_
        )
        tolerated: NDArray[np.bool_] = answers[nodes.taints]
        found = tolerated if found is None else found & tolerated
    return found


def has_keys(constraints: tuple[SpreadConstraint, ...], labels: Mapping[str, str]) -> bool:
    """Say whether a node has the keys of all constraints."""
    return all(constraint.topology_key in labels for constraint in constraints)


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
        return by_domain.take(self.domains.codes)

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
        """Prepare; with `require_all` nodes without one of the keys are ignored."""
        self._require_all = require_all
        found = [nodes.domains_of(item.topology_key) for item in constraints]
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
                summed = nodes.sum_over(domains, ((column, 1),), counting)
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
        total = self._parts[0].scores()
        for part in self._parts[1:]:
            total = total + part.scores()
        # As Go rounds what is not negative: a half goes up.
        return np.floor(total[rows] + 0.5).astype(np.int64)

    def score_row(self, row: int) -> int:
        total = 0.0
        for part in self._parts:
            total += part.score_row(row)
        return math.floor(total + 0.5)


def _resize(part: _ByDomain | _ByNode, size: int) -> bool:
    if size == part.size:
        return False
    part.size, part.weight = size, weight(size)
    return True
