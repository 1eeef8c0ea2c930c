"""Which nodes a NodeSelectorTerm selects: over all rows at once, or for one node's labels.

Each condition is answered once a distinct value of its label and then looked up for all nodes
(`component-helpers/scheduling/corev1/nodeaffinity`). Used for Pods, and for the volumes that only some nodes
can reach.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_asks import NodeRequirement, NodeTerm
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from vaina.objects.integers import parse_int

NAME_FIELD: Final = "metadata.name"


def term_matches(term: NodeTerm, name: str, labels: Mapping[str, str]) -> bool:
    """Say whether a node fulfils a term; an empty term matches nothing."""
    if not term.expressions and not term.fields:
        return False
    return all(_value_holds(item, labels.get(item.key)) for item in term.expressions) and all(
        # Names are listed, or not; they are not compared.
        item.key == NAME_FIELD and item.operator in ("In", "NotIn") and _value_holds(item, name)
        for item in term.fields
    )


def matches(term: NodeTerm, nodes: Snapshot) -> NDArray[np.bool_]:
    """Say for each row whether its node fulfils a term (bool[N]); an empty term matches nothing."""
    if not term.expressions and not term.fields:
        return np.zeros(nodes.size, np.bool_)
    found = np.ones(nodes.size, np.bool_)
    for item in term.expressions:
        found &= holds(item, nodes)
    for item in term.fields:
        found &= _name_holds(item, nodes)
    return found


def any_matches(terms: Iterable[NodeTerm], nodes: Snapshot) -> NDArray[np.bool_]:
    """Say for each row whether its node fulfils one of the terms (bool[N])."""
    found = np.zeros(nodes.size, np.bool_)
    for term in terms:
        found |= matches(term, nodes)
    return found


def selected(pod: PodClass, nodes: Snapshot) -> NDArray[np.bool_]:
    """Say for each row whether nodeSelector and required node affinity let a Pod go there (bool[N])."""
    found = np.ones(nodes.size, np.bool_)
    for key, value in pod.node_selector:
        found &= holds(NodeRequirement(key, "In", (value,)), nodes)
    if pod.node_affinity is not None:
        found &= any_matches(pod.node_affinity, nodes)
    return found


def holds(requirement: NodeRequirement, nodes: Snapshot) -> NDArray[np.bool_]:
    """Say for each row whether a condition on a label holds (bool[N])."""
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
    if requirement.key != NAME_FIELD:
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
    left, right = parse_int(value), parse_int(requirement.values[0])
    if left is None or right is None:
        return False
    return left > right if requirement.operator == "Gt" else left < right
