"""Selectors of labels and of nodes (docs: *Labels and Selectors*, *Assigning Pods to Nodes*)."""

from collections.abc import Mapping

from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.api.meta.v1 import meta_pb2


def selects(selector: meta_pb2.LabelSelector, labels: Mapping[str, str]) -> bool:
    """Say whether labels fulfil a selector; an empty one selects everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        holds(item.operator, list(item.values), labels.get(item.key)) for item in selector.match_expressions
    )


def holds(operator: str, values: list[str], value: str | None) -> bool:
    """Say whether a condition holds for a value; None: there is none."""
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_number(value) and _is_number(values[0]) and int(value or "") > int(values[0])
        case "Lt":
            return _is_number(value) and _is_number(values[0]) and int(value or "") < int(values[0])
    return False


def _is_number(value: str | None) -> bool:
    return value is not None and value.removeprefix("-").isdigit()


def term_holds(term: reference_pb2.NodeSelectorTerm, node: node_pb2.Node) -> bool:
    """Say whether a node fulfils all conditions of a term; one without any matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    return all(
        holds(item.operator, list(item.values), node.metadata.labels.get(item.key))
        for item in term.match_expressions
    ) and all(
        item.key == "metadata.name" and holds(item.operator, list(item.values), node.metadata.name)
        for item in term.match_fields
    )


def selected(pod: pod_pb2.Pod, node: node_pb2.Node) -> bool:
    """Say whether nodeSelector and the required node affinity let the Pod go to a node."""
    if any(node.metadata.labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return False
    terms = required_terms(pod)
    return terms is None or any(term_holds(term, node) for term in terms)


def required_terms(pod: pod_pb2.Pod) -> list[reference_pb2.NodeSelectorTerm] | None:
    """Return the alternatives of the required node affinity; None: there is none."""
    affinity = pod.spec.affinity.node_affinity
    if not affinity.HasField("required_during_scheduling_ignored_during_execution"):
        return None
    return list(affinity.required_during_scheduling_ignored_during_execution.node_selector_terms)
