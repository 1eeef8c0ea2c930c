"""Whether this node takes a Pod: pressure, sysctls, features, resources, ports, name, affinity, taints. PURE.

The scheduler has asked the same, but a Pod may be bound by hand, and the node may have changed: what a
kubelet admits never exceeds its allocatable (I8). Words are those of `pkg/kubelet/lifecycle/predicate.go`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kubelet.containers import unsupported
from kubelet.eviction.ranking import REASON as EVICTED
from kubelet.eviction.ranking import is_critical, pressure_message
from kubelet.status.node_status import PRESSURES
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.nodes import allocatable, selects, tolerates
from vaina.objects.pods import BEST_EFFORT, pod_requests, qos_class
from vaina.quoting import go_quote

_RESOURCES = ("cpu", "memory", "ephemeral-storage")
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
_ANY_ADDRESS = frozenset({"", "0.0.0.0"})
#: sysctls of a Pod's own namespaces, which harm no other Pod
_SAFE = frozenset({
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
})  # fmt: skip
_IPC = frozenset({"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"})
_IPC_PREFIXES, _NET_PREFIX = ("kernel.msg", "fs.mqueue."), "net."


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why not."""

    reason: str
    message: str


def admit(
    pod: pod_pb2.Pod,
    others: Iterable[pod_pb2.Pod],
    node: node_pb2.Node,
    *,
    allowed_unsafe_sysctls: Iterable[str] = (),
) -> Rejection | None:
    """Return why the node does not take the Pod; None: it does.

    `others` are the Pods that this kubelet has taken and that have not ended, and that a source still has: a
    Pod waits for the end of the rest (decision 202).
    """
    others = tuple(others)
    return (
        _pressure(pod, node)
        or _sysctls(pod, allowed_unsafe_sysctls)
        or _features(pod, node)
        or _node_name(pod, node)
        or _resources(pod, others, node)
        or _node_affinity(pod, node)
        or _ports(pod, others)
        or _taints(pod, node)
    )


def is_crowded(pod: pod_pb2.Pod, others: Iterable[pod_pb2.Pod], node: node_pb2.Node) -> bool:
    """Say whether a Pod has no room beside others: resources, or ports of the node."""
    others = tuple(others)
    return _resources(pod, others, node) is not None or _ports(pod, others) is not None


def _predicate(name: str, description: str) -> Rejection:
    return Rejection(name, f"Predicate {name} failed: {description}")


def _pressure(pod: pod_pb2.Pod, node: node_pb2.Node) -> Rejection | None:
    """Refuse all but critical Pods; under memory pressure take those too that request some or tolerate it."""
    under = {item.type for item in node.status.conditions if item.type in PRESSURES and item.status == "True"}
    if not under or is_critical(pod):
        return None
    if under == {"MemoryPressure"}:
        taint = node_pb2.Taint(key=MEMORY_PRESSURE, effect="NoSchedule")
        if qos_class(pod) != BEST_EFFORT or any(tolerates(item, taint) for item in pod.spec.tolerations):
            return None
    return Rejection(EVICTED, pressure_message(under))


def _sysctls(pod: pod_pb2.Pod, allowed_unsafe: Iterable[str]) -> Rejection | None:
    """Refuse a sysctl that is neither safe nor allowed by the owner (`pkg/kubelet/sysctl/allowlist.go`)."""
    allowed = tuple(allowed_unsafe)
    for item in pod.spec.security_context.sysctls:
        # Slashes and dots are the same; a name is known with dots.
        name = item.name.replace("/", ".")
        if name not in _SAFE and not any(_covers(pattern, name) for pattern in allowed):
            return _forbidden(item.name, "not allowlisted")
        if pod.spec.host_network and name.startswith(_NET_PREFIX):
            return _forbidden(item.name, "not allowed with host net enabled")
        if pod.spec.host_ipc and (name in _IPC or name.startswith(_IPC_PREFIXES)):
            return _forbidden(item.name, "not allowed with host ipc enabled")
    return None


def _forbidden(name: str, why: str) -> Rejection:
    return Rejection("SysctlForbidden", f"forbidden sysctl: {go_quote(name)} {why}")


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _features(pod: pod_pb2.Pod, node: node_pb2.Node) -> Rejection | None:
    found = unsupported.why_never(pod, node)
    return Rejection(*found) if found else None


def _node_name(pod: pod_pb2.Pod, node: node_pb2.Node) -> Rejection | None:
    if pod.spec.node_name in {"", node.metadata.name}:
        return None
    return _predicate("NodeName", "node(s) didn't match the requested node name")


def _resources(pod: pod_pb2.Pod, others: tuple[pod_pb2.Pod, ...], node: node_pb2.Node) -> Rejection | None:
    capacity = allocatable(node)
    if len(others) + 1 > capacity.get("pods", 0):
        return _short("pods", 1, len(others), capacity.get("pods", 0))
    requests = pod_requests(pod)
    used: dict[str, int] = {}
    for other in others:
        for name, amount in pod_requests(other).items():
            used[name] = used.get(name, 0) + amount
    for name in sorted(requests, key=lambda item: (_order(item), item)):
        amount = requests[name]
        # As upstream, extended resources that the node does not know are not checked; huge pages are.
        if amount and (name in capacity or name in _RESOURCES[:2] or name.startswith("hugepages-")):
            room = capacity.get(name, 0)
            if used.get(name, 0) + amount > room:
                return _short(name, amount, used.get(name, 0), room)
    return None


def _order(name: str) -> int:
    return _RESOURCES.index(name) if name in _RESOURCES else len(_RESOURCES)


def _short(name: str, requested: int, used: int, capacity: int) -> Rejection:
    return Rejection(
        f"OutOf{name}",
        f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}",
    )


def _node_affinity(pod: pod_pb2.Pod, node: node_pb2.Node) -> Rejection | None:
    if selects(pod.spec, node):
        return None
    return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")


def _host_ports(pod: pod_pb2.Pod) -> set[tuple[str, str, int]]:
    return {
        (port.host_ip, port.protocol or "TCP", port.host_port)
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for port in container.ports
        if port.host_port
    }


def _ports(pod: pod_pb2.Pod, others: tuple[pod_pb2.Pod, ...]) -> Rejection | None:
    wanted = _host_ports(pod)
    taken = {port for other in others for port in _host_ports(other)} if wanted else set()
    for address, protocol, number in wanted:
        for other, other_protocol, other_number in taken:
            same = (protocol, number) == (other_protocol, other_number)
            if same and (address == other or address in _ANY_ADDRESS or other in _ANY_ADDRESS):
                return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None


def _taints(pod: pod_pb2.Pod, node: node_pb2.Node) -> Rejection | None:
    for taint in node.spec.taints:
        if taint.effect == "NoExecute" and not any(tolerates(item, taint) for item in pod.spec.tolerations):
            return _predicate(
                "TaintToleration", f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
            )
    return None
