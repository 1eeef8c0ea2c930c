"""Which Pod goes first, which has passed a limit of its own on local storage, and the messages. PURE.

As `pkg/kubelet/eviction/helpers.go`: those above their requests first, then by priority, then by how far
above; critical Pods never go. Limits follow localStorageEviction in `eviction_manager.go`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kubelet.eviction.signals import Observation, Signal, Threshold, quantity_of, resource_of
from kubelet.runtime.records import SOURCE_ANNOTATION
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import container_limits, container_requests, is_mirror, pod_limits, pod_requests
from vaina.objects.quantity import format_bytes, value
from vaina.quoting import go_quote

REASON = "Evicted"
#: of system-cluster-critical; what has more is not evicted
SYSTEM_CRITICAL_PRIORITY = 2_000_000_000
_STATIC_SOURCES = frozenset({"file", "http"})


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
    if is_mirror(pod) or notes.get(SOURCE_ANNOTATION, "api") in _STATIC_SOURCES:
        return True
    return pod.spec.HasField("priority") and pod.spec.priority >= SYSTEM_CRITICAL_PRIORITY


def rank(signal: Signal, pods: Iterable[pod_pb2.Pod], uses: Mapping[str, PodUse]) -> Sequence[pod_pb2.Pod]:
    """Return the active Pods in the order in which they go; `uses` is by uid."""

    def key(pod: pod_pb2.Pod) -> tuple[bool, int, int]:
        use = uses.get(pod.metadata.uid, PodUse())
        resource = resource_of(signal)
        used = _used(use, resource)
        request = 0 if resource in {"pids", "inodes"} else pod_requests(pod).get(resource, 0)
        # What is not known goes first of its kind.
        above = used is None or used > request
        excess = -(used - request) if used is not None else -(1 << 62)
        # Process ids and inodes cannot be requested.
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
    for container in _all(pod):
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


STORAGE = "ephemeral-storage"


def is_limited(pod: pod_pb2.Pod) -> bool:
    """Say whether the Pod has any such limit: only then its use is measured all the time."""
    return bool(_limited_volumes(pod)) or any(
        STORAGE in container.resources.limits for container in _all(pod)
    )


def _limited_volumes(pod: pod_pb2.Pod) -> Mapping[str, str]:
    return {
        volume.name: volume.volume_source.empty_dir.size_limit.string
        for volume in pod.spec.volumes
        if volume.volume_source.HasField("empty_dir")
        and volume.volume_source.empty_dir.HasField("size_limit")
    }


def exceeded(pod: pod_pb2.Pod, use: PodUse, volumes: Mapping[str, int]) -> tuple[str, str] | None:
    """Return signal (of kubelet_evictions) and message of the first limit that is passed.

    `volumes` has the bytes of the emptyDir volumes, by name.
    """
    for name, limit in _limited_volumes(pod).items():
        size = value(limit)
        if size > 0 and volumes.get(name, 0) > size:
            return (
                "emptydirfs.limit",
                f"Usage of EmptyDir volume {go_quote(name)} exceeds the limit {go_quote(limit)}. ",
            )
    most = pod_limits(pod).get(STORAGE)
    if most is not None and use.disk_bytes is not None and use.disk_bytes > most:
        return (
            "ephemeralpodfs.limit",
            f"Pod ephemeral local storage usage exceeds the total limit of containers {format_bytes(most)}. ",
        )
    for container in _all(pod):
        own = container_limits(container).get(STORAGE)
        found = use.containers.get(container.name)
        used = found.disk_bytes if found is not None else None
        if own is not None and used is not None and used > own:
            return (
                "ephemeralcontainerfs.limit",
                f'Container {container.name} exceeded its local ephemeral storage limit "{format_bytes(own)}". ',
            )
    return None


def _all(pod: pod_pb2.Pod) -> Iterable[pod_pb2.Container]:
    return (*pod.spec.init_containers, *pod.spec.containers)
