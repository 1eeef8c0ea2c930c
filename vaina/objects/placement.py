"""PURE: whether a node is one that a Pod is meant for: selector, required node affinity, taints.

Called by the DaemonSet controller, by the kubelet of its own node and of a volume's, and for NoExecute
taints. The scheduler asks the same of columns (`scheduler/plugins`). Follows component-helpers'
`scheduling/corev1`.
"""

from collections.abc import Collection, Iterable, Mapping

from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.objects.integers import parse_int


def selects(spec: pod_pb2.PodSpec, node: node_pb2.Node) -> bool:
    """Say whether a Pod's nodeSelector and required node affinity select a node."""
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    affinity = spec.affinity.node_affinity
    if not affinity.HasField("required_during_scheduling_ignored_during_execution"):
        return True
    terms = affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    return any(_term_selects(term, node) for term in terms)


def _term_selects(term: reference_pb2.NodeSelectorTerm, node: node_pb2.Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(item, node.metadata.labels) for item in term.match_expressions) and all(
        _holds(item, fields) for item in term.match_fields
    )


def _holds(item: reference_pb2.NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    present, value = item.key in labels, labels.get(item.key, "")
    match item.operator:
        case "In":
            return present and value in item.values
        case "NotIn":
            return not present or value not in item.values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
        case "Gt" | "Lt" if item.values:
            number, bound = parse_int(value), parse_int(item.values[0])
            if number is None or bound is None:
                return False
            return number > bound if item.operator == "Gt" else number < bound
    return False


def tolerates(toleration: pod_pb2.Toleration, taint: node_pb2.Taint) -> bool:
    """Say whether a toleration covers a taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(
    tolerations: Iterable[pod_pb2.Toleration], taints: Iterable[node_pb2.Taint], effects: Collection[str]
) -> bool:
    """Say whether one of the taints with these effects is covered by none of the tolerations."""
    known = [*tolerations]
    return any(
        taint.effect in effects and not any(tolerates(item, taint) for item in known) for taint in taints
    )
