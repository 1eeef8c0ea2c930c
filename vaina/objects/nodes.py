"""PURE: what Nodes say: whether they are ready, what they have, which Pods they are meant for, their Pod ranges.

Called by the kubelets, the controllers and the printers; of it the scheduler takes what a Node has, and asks the
rest of columns (`scheduler/plugins`). Selectors, affinity and taints follow component-helpers'
`scheduling/corev1`.
"""

from bisect import bisect, insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network

from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.objects.conditions import get_condition
from vaina.objects.integers import parse_int
from vaina.objects.pods import resource_amount

_ROLE_LABEL = "node-role.kubernetes.io/"


def is_ready(node: node_pb2.Node) -> bool:
    """Say whether the Node's Ready condition is True."""
    condition = get_condition(node.status, "Ready")
    return condition is not None and condition.status == "True"


def is_schedulable(node: node_pb2.Node) -> bool:
    """Say whether Pods may be placed on the Node, taints apart."""
    return not node.spec.unschedulable


def allocatable(node: node_pb2.Node) -> dict[str, int]:
    """Return what the Node has for Pods, or its capacity: CPU in thousandths, everything else in units."""
    status = node.status
    quantities = status.allocatable or status.capacity
    return {name: resource_amount(name, quantities[name].string or "0") for name in quantities}


def address(node: node_pb2.Node, address_type: str = "InternalIP") -> str:
    """Return the Node's first address of a type, or an empty text."""
    return next((item.address for item in node.status.addresses if item.type == address_type), "")


def roles(node: node_pb2.Node) -> list[str]:
    """Return the Node's roles by its labels, sorted."""
    found = {key.removeprefix(_ROLE_LABEL) for key in node.metadata.labels if key.startswith(_ROLE_LABEL)}
    labelled = node.metadata.labels.get("kubernetes.io/role", "")
    return sorted(name for name in {*found, labelled} if name)


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


def kept_ranges(nodes: Iterable[node_pb2.Node], within: Sequence[IPv4Network]) -> dict[str, IPv4Network]:
    """Return the ranges that count, by Node: all lie in one of `within`, and no two overlap.

    Nodes are taken by age, those of one second by uid, which no client chooses; one whose range overlaps an
    older one's has none.
    """
    kept: dict[str, IPv4Network] = {}
    #: first and last addresses of the kept ranges, in their order
    taken: list[tuple[int, int]] = []
    for node in sorted(nodes, key=_age):
        network = _network(node.spec.pod_cidr)
        if network is None or not any(network.subnet_of(allowed) for allowed in within):
            continue
        span = (int(network.network_address), int(network.broadcast_address))
        place = bisect(taken, span)
        if place and taken[place - 1][1] >= span[0]:
            continue
        if place < len(taken) and taken[place][0] <= span[1]:
            continue
        insort(taken, span)
        kept[node.metadata.name] = network
    return kept


def _age(node: node_pb2.Node) -> tuple[int, int, str, str]:
    created = node.metadata.creation_timestamp
    return created.seconds, created.nanos, node.metadata.uid, node.metadata.name


# Asked again for all nodes whenever one has changed.
@lru_cache(maxsize=8192)
def _network(cidr: str) -> IPv4Network | None:
    try:
        return IPv4Network(cidr)
    except ValueError:
        return None
