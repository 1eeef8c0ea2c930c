"""NodeAffinity: spec.nodeSelector and the required and preferred node affinity.

Terms are alternatives, the conditions of a term and nodeSelector all must hold
(`scheduler.columns.node_selection`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.node_selection import NAME_FIELD, any_matches, matches, selected, term_matches
from scheduler.columns.pod_asks import NodeTerm, preferred_terms, required_terms
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import NODE_AFFINITY
from scheduler.framework.events import ClusterEvent, Hint, of_a_node
from scheduler.framework.interface import (
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    CycleState,
    PreFilterResult,
    Reach,
    Scores,
)
from scheduler.framework.plugin import Filter, Score
from vaina.api.core.v1 import pod_pb2

ENFORCED: Final = "node(s) didn't match scheduler-enforced node affinity"
REASON: Final = "node(s) didn't match Pod's node affinity/selector"
CONFLICT: Final = "pod affinity terms conflict"


@dataclass(frozen=True, slots=True)
class NodeAffinityArgs:
    """Arguments (`NodeAffinityArgs`)."""

    #: holds for all Pods of the profile, besides their own
    added_affinity: pod_pb2.NodeAffinity | None = None


class NodeAffinity(Filter, Score):
    """Refuses nodes that are not selected, and prefers those that preferred terms match."""

    reach = Reach.NONE
    describer = NODE_AFFINITY
    hints_ignore_labels = True
    reads_requests = False
    scales = True

    def __init__(self, args: NodeAffinityArgs = NodeAffinityArgs()) -> None:
        added = args.added_affinity
        #: None: nothing is enforced
        self._enforced: tuple[NodeTerm, ...] | None = None if added is None else required_terms(added)
        self._preferred = () if added is None else preferred_terms(added)

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        helps = of_a_node(lambda pod, node: not self._refuses(node) and selects(pod, node))
        return {ClusterEvent.NODE_ADD: helps, ClusterEvent.NODE_UPDATE_LABEL: helps}

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if pod.node_affinity is None:
            return RUN if pod.node_selector or self._enforced is not None else SKIP
        names = _named(pod.node_affinity)
        if names is not None and not names:
            return PreFilterResult(rejected=CONFLICT)
        return PreFilterResult(names=names)

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON, ENFORCED)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        codes = np.where(selected(pod, nodes), np.int64(0), np.int64(UNRESOLVABLE | 1))
        if self._enforced is not None:
            codes[~any_matches(self._enforced, nodes)] = UNRESOLVABLE | 2
        return codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        node = nodes.infos[row]
        if node is None or self._refuses(node):
            return UNRESOLVABLE | 2
        return 0 if selects(pod, node) else UNRESOLVABLE | 1

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return bool(pod.preferred_nodes or self._preferred)

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        scores = np.zeros(nodes.size, np.int64)
        for preferred in (*self._preferred, *pod.preferred_nodes):
            scores += matches(preferred.term, nodes) * np.int64(preferred.weight)
        return scores[rows]

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        node = nodes.infos[row]
        if node is None:
            return 0
        wanted = (*self._preferred, *pod.preferred_nodes)
        return sum(item.weight for item in wanted if term_matches(item.term, node.name, node.labels))

    def _refuses(self, node: NodeInfo) -> bool:
        return self._enforced is not None and not any(
            term_matches(term, node.name, node.labels) for term in self._enforced
        )


def selects(pod: PodClass, node: NodeInfo) -> bool:
    """Say whether the Pod's selector and required affinity take a node."""
    if any(node.labels.get(key) != value for key, value in pod.node_selector):
        return False
    if pod.node_affinity is None:
        return True
    return any(term_matches(term, node.name, node.labels) for term in pod.node_affinity)


def _named(terms: Sequence[NodeTerm]) -> frozenset[str] | None:
    """The nodes that the terms name, when every term names some; otherwise None."""
    found: frozenset[str] | None = None
    for term in terms:
        names: frozenset[str] | None = None
        for item in term.fields:
            if item.key == NAME_FIELD and item.operator == "In":
                wanted = frozenset(item.values)
                names = wanted if names is None else names & wanted
        if names is None:
            return None
        found = names if found is None else found | names
    return found
