"""What a Node's fields mean together. Called by the scheduler, the controllers and the printers."""

from vaina.api.core.v1 import node_pb2
from vaina.objects.conditions import get_condition, set_condition
from vaina.objects.pods import resource_amount

__all__ = ["address", "allocatable", "get_condition", "is_ready", "is_schedulable", "roles", "set_condition"]

_ROLE_LABEL = "node-role.kubernetes.io/"


def is_ready(node: node_pb2.Node) -> bool:
    """Say whether the Node's Ready condition is True."""
    condition = get_condition(node.status, "Ready")
    return condition is not None and condition.status == "True"


def is_schedulable(node: node_pb2.Node) -> bool:
    """Say whether Pods may be placed on the Node, taints apart."""
    return not node.spec.unschedulable


def allocatable(node: node_pb2.Node) -> dict[str, int]:
    """Return what the Node has for Pods: CPU in thousandths, everything else in units.

    Capacity, where it says no less.
    """
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
