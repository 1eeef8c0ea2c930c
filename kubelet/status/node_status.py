"""The node's status. PURE.

Condition types, reasons and messages are those of `pkg/kubelet/nodestatus/setters.go`: rows C2, C4.
"""

from dataclasses import dataclass

from kubelet.machine.capacity import Resources
from kubelet.machine.machine import Machine
from kubelet.runtime.records import RuntimeStatus, RuntimeVersion
from vaina.api.core.v1 import node_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import get_condition
from vaina.version import GIT_VERSION

NODE_MASK = (
    "capacity", "allocatable", "conditions", "addresses", "daemon_endpoints", "node_info", "images",
    "declared_features",
)  # fmt: skip
#: those that only the kubelet writes
_REPLACED = NODE_MASK[3:]
#: features that Pods may need of a node and that this kubelet has (KEP-5328), in order
DECLARED_FEATURES = ("RestartAllContainersOnContainerExits",)

#: condition -> (reason and message without it, the same with it); events say Node in place of Kubelet
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
    """Return the kubelet's part of the Node's status (the fields of `NODE_MASK`); transition times are kept.

    Others may have added resources to the capacity: all of these are allocatable too, and one that is gone
    from the capacity leaves the allocatable, by an amount without a number (MachineInfo in `setters.go`).
    """
    status = node_pb2.NodeStatus(images=seen.images, declared_features=DECLARED_FEATURES)
    for name, amount in facts.capacity.quantities().items():
        status.capacity[name].string = amount
    for name, amount in facts.allocatable.quantities().items():
        status.allocatable[name].string = amount
    for name in before.capacity:
        if name not in status.capacity:
            status.allocatable[name].CopyFrom(before.capacity[name])
    for name in before.allocatable:
        if name not in status.allocatable and _is_extended(name):
            status.allocatable[name].string = ""
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
    info.kubelet_version, info.operating_system = GIT_VERSION, "linux"
    info.architecture = machine.architecture
    return status


def _is_extended(resource: str) -> bool:
    return "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")


def without_extended(before: node_pb2.NodeStatus) -> node_pb2.NodeStatus:
    """Return what sets added resources to 0 in a Node whose machine is another now.

    As reconcileExtendedResource in `pkg/kubelet/kubelet_node_status.go`.
    """
    status = node_pb2.NodeStatus()
    for name in before.capacity:
        if _is_extended(name):
            status.capacity[name].string = status.allocatable[name].string = "0"
    return status


def says_nothing_new(told: node_pb2.NodeStatus, known: node_pb2.NodeStatus) -> bool:
    """Say whether this would change nothing in the Node's status but heartbeats."""
    return (
        all(
            (have[name].string if name in have else "") == said[name].string
            for said, have in ((told.capacity, known.capacity), (told.allocatable, known.allocatable))
            for name in said
        )
        and all(_is_said(condition, known) for condition in told.conditions)
        and all(getattr(told, name) == getattr(known, name) for name in _REPLACED)
    )


def _is_said(condition: node_pb2.NodeCondition, known: node_pb2.NodeStatus) -> bool:
    now, before = node_pb2.NodeCondition(), node_pb2.NodeCondition()
    now.CopyFrom(condition)
    found = get_condition(known, condition.type)
    if found is not None:
        before.CopyFrom(found)
    for item in (now, before):
        item.ClearField("last_heartbeat_time")
    return now == before
