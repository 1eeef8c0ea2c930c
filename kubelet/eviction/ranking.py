"""Which Pod goes first, and what is said of it. PURE.

Order and words are upstream's (`pkg/kubelet/eviction/helpers.go`): those above their requests first, then by
priority, then by how far above. Critical Pods never go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kubelet.eviction.signals import Observation, Signal, Threshold, quantity_of, resource_of
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import container_requests, is_mirror, pod_requests
from vaina.objects.quantity import format_bytes

REASON = "Evicted"
#: the condition of an evicted Pod
DISRUPTION_TARGET, TERMINATION_BY_KUBELET = "DisruptionTarget", "TerminationByKubelet"
#: of system-cluster-critical; what has more is not evicted
SYSTEM_CRITICAL_PRIORITY = 2_000_000_000
_STATIC_SOURCES = frozenset({"file", "http"})
_SOURCE = "kubernetes.io/config.source"


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """What one container uses; None: not known."""

    memory_bytes: int | None = None
    #: writable layer and log
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PodUse:
    """What a Pod uses; None: not known, and then it goes before those that are."""

    memory_bytes: int | None = None
    #: containers, logs and emptyDir volumes on disk
    disk_bytes: int | None = None
    inodes: int | None = None
    processes: int | None = None
    containers: Mapping[str, ContainerUse] = field(default_factory=dict[str, ContainerUse])


def is_critical(pod: pod_pb2.Pod) -> bool:
    """Say whether the node needs the Pod: static and mirror Pods, and those of a system priority class."""
    notes = pod.metadata.annotations
    if is_mirror(pod) or notes.get(_SOURCE, "api") in _STATIC_SOURCES:
        return True
    return pod.spec.HasField("priority") and pod.spec.priority >= SYSTEM_CRITICAL_PRIORITY


def rank(signal: Signal, pods: Iterable[pod_pb2.Pod], uses: Mapping[str, PodUse]) -> Sequence[pod_pb2.Pod]:
    """Return the Pods in the order in which they go.

    Args:
        signal: of the threshold that is met.
        pods: that are active on the node.
        uses: by uid.
    """

    def key(pod: pod_pb2.Pod) -> tuple[bool, int, int]:
        use = uses.get(pod.metadata.uid, PodUse())
        resource = resource_of(signal)
        used = _used(use, resource)
        request = 0 if resource in {"pids", "inodes"} else pod_requests(pod).get(resource, 0)
        # What is not known goes first of its kind.
        above = used is None or used > request
        excess = -(used - request) if used is not None else -(1 << 62)
        # Of process ids and inodes nobody can request any.
        return (resource in {"memory", "ephemeral-storage"} and not above, pod.spec.priority, excess)

    return sorted(pods, key=key)


def _used(use: PodUse, resource: str) -> int | None:
    match resource:
        case "memory":
            return use.memory_bytes
        case "pids":
            return use.processes
        case "inodes":
            return use.inodes
    return use.disk_bytes


def eviction_message(
    pod: pod_pb2.Pod, threshold: Threshold, observation: Observation | None, use: PodUse
) -> str:
    """Return why the Pod was evicted."""
    resource = resource_of(threshold.signal)
    words = [f"The node was low on resource: {resource}. "]
    if observation is not None:
        wanted = quantity_of(threshold.signal, threshold.value.of(observation.capacity))
        left = quantity_of(threshold.signal, observation.available)
        words.append(f"Threshold quantity: {wanted}, available: {left}. ")
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        found = use.containers.get(container.name)
        if found is None or resource not in {"memory", "ephemeral-storage"}:
            continue
        used = found.memory_bytes if resource == "memory" else found.disk_bytes
        request = container_requests(container).get(resource, 0)
        if used is not None and used > request:
            words.append(
                f"Container {container.name} was using {format_bytes(used)}, request is {format_bytes(request)}, "
                f"has larger consumption of {resource}. "
            )
    return "".join(words)


def pressure_message(conditions: Iterable[str]) -> str:
    """Return why a Pod is not admitted."""
    return f"The node had condition: [{' '.join(sorted(conditions))}]. "
