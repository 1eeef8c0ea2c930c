"""NodeAffinity: spec.nodeSelector and the required and preferred node affinity.

Each condition is answered once a distinct value of its label and then looked up for all nodes. Terms are alternatives, the
conditions of a term and nodeSelector all must hold (`component-helpers/scheduling/corev1/nodeaffinity`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import NodeRequirement, NodeTerm, PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.events import Changed, ClusterEvent, Hint
from scheduler.framework.interface import (
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    PreFilterResult,
    Reach,
    Scores,
    scale_to_max,
)
from scheduler.framework.state import CycleState

REASON: Final = "node(s) didn't match Pod's node affinity/selector"
CONFLICT: Final = "pod affinity terms conflict"
_NAME_FIELD: Final = "metadata.name"


class NodeAffinity:
    """Refuses nodes that are not selected, and prefers those that preferred terms match."""

    name = "NodeAffinity"
    reach = Reach.NONE
    scales = True

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """A node that is selected, when it was not before."""
        return {ClusterEvent.NODE_ADD: _selected, ClusterEvent.NODE_UPDATE_LABEL: _selected}

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if pod.node_affinity is None:
            return RUN if pod.node_selector else SKIP
        names = _named(pod.node_affinity)
        if names is not None and not names:
            return PreFilterResult(rejected=CONFLICT)
        return PreFilterResult(names=names)

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON,)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        selected = np.ones(nodes.size, np.bool_)
        for key, value in pod.node_selector:
            selected &= _holds(NodeRequirement(key, "In", (value,)), nodes)
        if pod.node_affinity is not None:
            fits = np.zeros(nodes.size, np.bool_)
            for term in pod.node_affinity:
                fits |= _matches(term, nodes)
            selected &= fits
        return np.where(selected[rows], np.int64(0), np.int64(UNRESOLVABLE | 1))

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return 0 if selects(pod, nodes.names[row] or "", labels_of(nodes, row)) else UNRESOLVABLE | 1

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return bool(pod.preferred_nodes)

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        scores = np.zeros(nodes.size, np.int64)
        for preferred in pod.preferred_nodes:
            scores += _matches(preferred.term, nodes) * np.int64(preferred.weight)
        return scores[rows]

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        name, labels = nodes.names[row] or "", labels_of(nodes, row)
        return sum(item.weight for item in pod.preferred_nodes if term_matches(item.term, name, labels))

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return scale_to_max(raw, high)


def selects(pod: PodClass, name: str, labels: Mapping[str, str]) -> bool:
    """Say whether the Pod may go to a node of this name with these labels."""
    if any(labels.get(key) != value for key, value in pod.node_selector):
        return False
    if pod.node_affinity is None:
        return True
    return any(term_matches(term, name, labels) for term in pod.node_affinity)


def term_matches(term: NodeTerm, name: str, labels: Mapping[str, str]) -> bool:
    """Say whether a node fulfils a term; an empty term matches nothing."""
    if not term.expressions and not term.fields:
        return False
    return all(_value_holds(item, labels.get(item.key)) for item in term.expressions) and all(
        item.key == _NAME_FIELD and _value_holds(item, name) for item in term.fields
    )


def labels_of(nodes: Snapshot, row: int) -> dict[str, str]:
    """Return a node's labels out of their columns."""
    found: dict[str, str] = {}
    for key, column in nodes.labels.items():
        value = column.values.values[column.codes.item(row)]
        if value is not None:
            found[key] = value
    return found


def _named(terms: Sequence[NodeTerm]) -> frozenset[str] | None:
    """The nodes that the terms name, when every term names some; otherwise None."""
    found: frozenset[str] | None = None
    for term in terms:
        names: frozenset[str] | None = None
        for item in term.fields:
            if item.key == _NAME_FIELD and item.operator == "In":
                wanted = frozenset(item.values)
                names = wanted if names is None else names & wanted
        if names is None:
            return None
        found = names if found is None else found | names
    return found


def _matches(term: NodeTerm, nodes: Snapshot) -> NDArray[np.bool_]:
    if not term.expressions and not term.fields:
        return np.zeros(nodes.size, np.bool_)
    found = np.ones(nodes.size, np.bool_)
    for item in term.expressions:
        found &= _holds(item, nodes)
    for item in term.fields:
        found &= _name_holds(item, nodes)
    return found


def _holds(requirement: NodeRequirement, nodes: Snapshot) -> NDArray[np.bool_]:
    column = nodes.label_codes(requirement.key)
    if column is None:
        return np.full(nodes.size, _value_holds(requirement, None))
    # Code 0 is the absent label, so the first answer is the one for None.
    if requirement.operator == "In":
        answers = np.zeros(column.values.size, np.bool_)
        answers[[column.values.find(value) for value in requirement.values]] = True
        answers[0] = False
    else:
        answers = np.array([_value_holds(requirement, value) for value in column.values.values], np.bool_)
    return answers[column.codes[: nodes.size]]


def _name_holds(requirement: NodeRequirement, nodes: Snapshot) -> NDArray[np.bool_]:
    if requirement.key != _NAME_FIELD:
        return np.zeros(nodes.size, np.bool_)
    listed = np.zeros(nodes.size, np.bool_)
    listed[[nodes.rows[name] for name in requirement.values if name in nodes.rows]] = True
    match requirement.operator:
        case "In":
            return listed
        case "NotIn":
            return ~listed
        case _:
            return np.zeros(nodes.size, np.bool_)


def _value_holds(requirement: NodeRequirement, value: str | None) -> bool:
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement, value)
        case _:
            # No such operator: validation refuses it, and what came in otherwise matches nothing.
            return False


def _compares(requirement: NodeRequirement, value: str | None) -> bool:
    if value is None or len(requirement.values) != 1:
        return False
    try:
        left, right = int(value), int(requirement.values[0])
    except ValueError:
        return False
    return left > right if requirement.operator == "Gt" else left < right


def _selected(pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(after, NodeInfo) or not selects(pod, after.name, after.labels):
        return False
    return not isinstance(before, NodeInfo) or not selects(pod, before.name, before.labels)
