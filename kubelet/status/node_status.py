"""What is said about the node. PURE.

Condition types, reasons and messages are upstream's (`pkg/kubelet/nodestatus/setters.go`): rows C2, C4.
"""

from dataclasses import dataclass

from kubelet.node.capacity import Resources
from kubelet.node.machine import Machine
from kubelet.runtime.records import RuntimeStatus, RuntimeVersion
from vaina.api.core.v1 import node_pb2
from vaina.clock import timestamp
from vaina.metrics import VERSION
from vaina.objects.conditions import get_condition

#: the fields of a Node's status that are the kubelet's
NODE_MASK = ("capacity", "allocatable", "conditions", "addresses", "daemon_endpoints", "node_info", "images")

#: condition -> (reason and message without it, the same with it); an event's reason is Node and what follows Kubelet
PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What does not change while a kubelet runs."""

    name: str
    address: str
    #: where KubeletService is served
    port: int
    machine: Machine
    runtime: RuntimeVersion
    capacity: Resources
    allocatable: Resources


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What was seen of the node lately."""

    #: of `PRESSURES`: those it is under
    pressures: frozenset[str] = frozenset()
    images: tuple[node_pb2.ContainerImage, ...] = ()


def node_labels(facts: NodeFacts) -> dict[str, str]:
    """Return the labels that a kubelet gives its Node."""
    architecture = facts.machine.architecture
    return {
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
    }


def ready_condition(runtime: RuntimeStatus) -> tuple[bool, str, str]:
    """Return (ready, reason, message)."""
    if not runtime.ready:
        return False, "KubeletNotReady", f"container runtime is down: {runtime.message}"
    if not runtime.network_ready:
        return (
            False,
            "KubeletNotReady",
            (
                "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
                f"message:{runtime.message}"
            ),
        )
    return True, "KubeletReady", "kubelet is posting ready status"


def compute_node_status(
    facts: NodeFacts,
    runtime: RuntimeStatus,
    before: node_pb2.NodeStatus,
    *,
    now: float,
    seen: NodeSeen = NodeSeen(),
) -> node_pb2.NodeStatus:
    """Return the kubelet's part of the Node's status (the fields of `NODE_MASK`).

    Args:
        facts: of the node.
        runtime: how it is now.
        before: what the Node said so far: transition times are kept.
        now: seconds since the epoch.
        seen: what it is under, and its images.
    """
    status = node_pb2.NodeStatus(images=seen.images)
    for name, amount in facts.capacity.quantities().items():
        status.capacity[name].string = amount
    for name, amount in facts.allocatable.quantities().items():
        status.allocatable[name].string = amount
    for kind, words in PRESSURES.items():
        under = kind in seen.pressures
        reason, message = words[under]
        status.conditions.add(type=kind, status=str(under), reason=reason, message=message)
    ready, reason, message = ready_condition(runtime)
    status.conditions.add(type="Ready", status=str(ready), reason=reason, message=message)
    for condition in status.conditions:
        condition.last_heartbeat_time.CopyFrom(timestamp(now))
        old = get_condition(before, condition.type)
        same = old is not None and old.status == condition.status
        condition.last_transition_time.CopyFrom(old.last_transition_time if old and same else timestamp(now))
    if facts.address:
        status.addresses.add(type="InternalIP", address=facts.address)
    status.addresses.add(type="Hostname", address=facts.name)
    status.daemon_endpoints.kubelet_endpoint.port = facts.port
    machine, info = facts.machine, status.node_info
    info.machine_id, info.system_uuid, info.boot_id = machine.machine_id, machine.system_uuid, machine.boot_id
    info.kernel_version, info.os_image = machine.kernel_version, machine.os_image
    info.container_runtime_version = f"{facts.runtime.name}://{facts.runtime.version}"
    info.kubelet_version, info.operating_system = f"v{VERSION}", "linux"
    info.architecture = machine.architecture
    return status


def says_the_same(one: node_pb2.NodeStatus, other: node_pb2.NodeStatus) -> bool:
    """Say whether two statuses differ in nothing but heartbeats."""
    left, right = node_pb2.NodeStatus(), node_pb2.NodeStatus()
    for source, target in ((one, left), (other, right)):
        target.CopyFrom(source)
        for condition in target.conditions:
            condition.ClearField("last_heartbeat_time")
    return left == right
