"""InterPodAffinity: near Pods that it wants to be near, away from those it does not, and from those that do
not want it.

Required terms filter, in upstream's order: its own affinity (all terms, each by its topology key, by Pods
that **all** terms mean), its own anti-affinity, the anti-affinity of Pods that are there. Preferred terms
score: its own, and those of the Pods that are there and mean it; their required affinity counts with
hardPodAffinityWeight. What is counted by domain is kept by `scheduler.columns.topology`; here it is only
read. (`plugins/interpodaffinity`: filtering.go, scoring.go.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import Domains
from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_counts import DomainSum, PodColumn
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.pod_terms import PodTerm, TermKind
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import INTER_POD_AFFINITY
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.interface import (
    MAX_SCORE,
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    CycleState,
    Groups,
    PreFilterResult,
    Reach,
    Scores,
)
from scheduler.framework.plugin import Filter, Score

AFFINITY: Final = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY: Final = "node(s) didn't match pod anti-affinity rules"
EXISTING: Final = "node(s) didn't satisfy existing pods anti-affinity rules"

_NOT_NEAR, _NOT_AWAY, _NOT_WANTED = UNRESOLVABLE | 1, 2, 4
#: where the scores' state is kept: filter and score prepare apart
_SCORE: Final = "InterPodAffinity/Score"


@dataclass(frozen=True, slots=True)
class InterPodAffinityArgs:
    """Upstream's InterPodAffinityArgs."""

    #: 0..100: what a required affinity term of a Pod that is there counts for a Pod that it means
    hard_pod_affinity_weight: int = 1
    #: a Pod without preferred terms of its own is not scored by those of others
    ignore_preferred_terms_of_existing_pods: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """One sum over the domains of one key."""

    domains: Domains
    sum: DomainSum
    #: every node has the label, and each its own: its Pods are a node's own
    by_node: bool

    def at(self, row: int) -> int:
        return self.sum.values.item(self.domains.codes.item(row))

    def positive(self) -> NDArray[np.bool_]:
        """Return for each row whether the sum of its domain is more than 0."""
        return (self.sum.values > 0).take(self.domains.codes)


@dataclass(slots=True)
class _Required:
    """What the filter asks for one class."""

    affinity: list[_Part]
    anti: list[_Part]
    existing: list[_Part]
    #: the Pod fulfils its own affinity terms: the first of its group may go anywhere
    own: bool

    def nobody(self) -> bool:
        """Say whether no Pod on any node with a wanted key fulfils all affinity terms."""
        return not any(part.sum.values.any() for part in self.affinity)


@dataclass(slots=True)
class _Preferred:
    """What the score asks for one class."""

    parts: list[_Part]


# These two are asked for each Pod that is bound or goes, as long as one waits for others: plain loops.
def _came(pod: PodClass, _before: Changed, after: Changed) -> bool:
    return isinstance(after, PodInfo) and _wants_to_be_near(pod, after)


def _wants_to_be_near(pod: PodClass, other: PodInfo) -> bool:
    """Say whether all terms of required affinity mean another Pod; without any, nobody."""
    group, wants = other.pod_class.group, False
    for term in pod.asked.terms:
        if term.kind is TermKind.REQUIRED:
            if not term.peers.may_match(group):
                return False
            wants = True
    return wants


def _went(pod: PodClass, before: Changed, _after: Changed) -> bool:
    if not isinstance(before, PodInfo):
        return False
    group = before.pod_class.group
    for term in pod.asked.terms:
        if term.kind is TermKind.ANTI and term.peers.may_match(group):
            return True
    for term in before.pod_class.asked.terms:
        if term.kind is TermKind.ANTI and term.peers.may_match(pod.group):
            return True
    # The last of the Pods it wants to be near: now it may be the first of its own group.
    return _wants_to_be_near(pod, before)


def _relabelled(pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(before, PodInfo) or not isinstance(after, PodInfo):
        return False
    was, now = before.pod_class.group, after.pod_class.group
    return _wants_to_be_near(pod, before) != _wants_to_be_near(pod, after) or any(
        term.kind is TermKind.ANTI and term.peers.may_match(was) and not term.peers.may_match(now)
        for term in pod.asked.terms
    )


def _has_keys(pod: PodClass, before: Changed, after: Changed) -> bool:
    """A node in a domain of which the Pod's terms speak, when it was not in that one before."""
    if not isinstance(after, NodeInfo):
        return False
    keys = {term.topology_key for term in pod.asked.terms if term.kind is not TermKind.PREFERRED}
    wanted = {term.topology_key for term in pod.asked.terms if term.kind is TermKind.REQUIRED}
    if not wanted <= after.labels.keys():
        return False
    if not isinstance(before, NodeInfo):
        return True
    # Without terms of its own it was refused for those of others, whose keys it does not know.
    return not keys or any(before.labels.get(key) != after.labels.get(key) for key in keys)


class InterPodAffinity(Filter, Score):
    """Refuses nodes by required terms, and prefers them by preferred ones."""

    reach = Reach.DOMAIN
    describer = INTER_POD_AFFINITY
    hints_read_class_only = True
    reads_requests = False
    scales = True
    #: Pods that come near or go away as the terms want it; a node with a wanted key
    hints = MappingProxyType(
        {
            ClusterEvent.ASSIGNED_POD_ADD: _came,
            ClusterEvent.ASSIGNED_POD_UPDATE_LABEL: _relabelled,
            ClusterEvent.ASSIGNED_POD_DELETE: _went,
            ClusterEvent.NODE_ADD: _has_keys,
            ClusterEvent.NODE_UPDATE_LABEL: _has_keys,
        }
    )

    def __init__(self, args: InterPodAffinityArgs | None = None) -> None:
        self._args = args or InterPodAffinityArgs()

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        topology = nodes.topology
        affinity = [term for term in pod.asked.terms if term.kind is TermKind.REQUIRED]
        anti = [term for term in pod.asked.terms if term.kind is TermKind.ANTI]
        existing = [term for term in topology.terms_matching(pod.group) if term.kind is TermKind.ANTI]
        if not affinity and not anti and not existing:
            return SKIP
        near: list[tuple[str, PodColumn, int]] = []
        if affinity:
            column = topology.column(*dict.fromkeys(term.peers for term in affinity))
            near = [(key, column, 1) for key in dict.fromkeys(term.topology_key for term in affinity)]
        required = _Required(
            affinity=_parts(nodes, near),
            anti=_parts(nodes, [(term.topology_key, topology.column(term.peers), 1) for term in anti]),
            existing=_parts(nodes, [(term.topology_key, topology.carriers(term), 1) for term in existing]),
            own=all(term.peers.matches(pod.group, topology.namespaces) for term in affinity),
        )
        state.write(self.name, required)
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (AFFINITY, ANTI_AFFINITY, EXISTING)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        required = state.read(self.name, _Required)
        answers = np.zeros(nodes.size, np.int64)
        for part in required.existing:
            np.putmask(answers, part.positive(), _NOT_WANTED)
        for part in required.anti:
            np.putmask(answers, part.positive(), _NOT_AWAY)
        if required.affinity:
            near = np.ones(nodes.size, np.bool_)
            first = required.own and required.nobody()
            for part in required.affinity:
                near &= part.domains.codes != 0 if first else part.positive()
            np.putmask(answers, ~near, _NOT_NEAR)
        return answers[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        required = state.read(self.name, _Required)
        if required.affinity and not _near(required, row):
            return _NOT_NEAR
        if any(part.at(row) > 0 for part in required.anti):
            return _NOT_AWAY
        return _NOT_WANTED if any(part.at(row) > 0 for part in required.existing) else 0

    def filter_groups(self, state: CycleState) -> Groups | None:
        required = state.read(self.name, _Required)
        return _groups((*required.affinity, *required.anti, *required.existing))

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        topology = nodes.topology
        own = [term for term in pod.asked.terms if term.kind is TermKind.PREFERRED]
        if not own and self._args.ignore_preferred_terms_of_existing_pods:
            return False
        wanted = [(term.topology_key, topology.column(term.peers), term.weight) for term in own]
        for term in topology.terms_matching(pod.group):
            weight = self._weight(term)
            if weight:
                wanted.append((term.topology_key, topology.carriers(term), weight))
        if not wanted:
            return False
        state.write(_SCORE, _Preferred(_parts(nodes, wanted)))
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        scores = np.zeros(nodes.size, np.int64)
        for part in state.read(_SCORE, _Preferred).parts:
            scores += part.sum.values.take(part.domains.codes)
        return scores[rows]

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return sum(part.at(row) for part in state.read(_SCORE, _Preferred).parts)

    def score_groups(self, state: CycleState) -> Groups | None:
        return _groups(state.read(_SCORE, _Preferred).parts)

    def feasible_groups(self, state: CycleState, rows: Sequence[int], feasible: int) -> None:
        """Nothing depends on it."""

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        if high == low:
            return np.zeros(len(raw), np.int64)
        return ((raw - low) / (high - low) * float(MAX_SCORE)).astype(np.int64)

    def _weight(self, term: PodTerm) -> int:
        """Return what a term of a Pod that is there counts for a Pod that it means."""
        if term.kind is TermKind.REQUIRED:
            return self._args.hard_pod_affinity_weight
        return term.weight if term.kind is TermKind.PREFERRED else 0


def _parts(nodes: Snapshot, wanted: Sequence[tuple[str, PodColumn, int]]) -> list[_Part]:
    """One sum a topology key."""
    by_key: dict[str, list[tuple[PodColumn, int]]] = {}
    for key, column, weight in wanted:
        by_key.setdefault(key, []).append((column, weight))
    found: list[_Part] = []
    for key, sources in by_key.items():
        domains = nodes.domains_of(key)
        by_node = domains.alone and domains.labelled == len(nodes.rows)
        found.append(_Part(domains, nodes.sum_over(domains, tuple(sources)), by_node))
    return found


def _groups(parts: Sequence[_Part]) -> Groups:
    """Return what rows differ in that have different sums."""
    return Groups(
        tuple(part.domains.key for part in parts if not part.by_node),
        tuple(column.rows for part in parts if part.by_node for column, _ in part.sum.sources),
    )


def _near(required: _Required, row: int) -> bool:
    if all(part.at(row) > 0 for part in required.affinity):
        return True
    has_keys = all(part.domains.codes.item(row) for part in required.affinity)
    return required.own and has_keys and required.nobody()
