"""Which of a Pod's own limits on local storage it has passed.

emptyDir sizeLimit, ephemeral-storage of the Pod and of a container. PURE.

Upstream's localStorageEviction (`pkg/kubelet/eviction/eviction_manager.go`), order and words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubelet.eviction.ranking import PodUse
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import container_limits, pod_limits
from vaina.objects.quantity import format_bytes, value
from vaina.quoting import go_quote

STORAGE = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that was passed."""

    #: the label of kubelet_evictions
    signal: str
    message: str


def is_limited(pod: pod_pb2.Pod) -> bool:
    """Say whether the Pod has any such limit: only then is its use measured in ordinary times."""
    return bool(_limited_volumes(pod)) or any(
        STORAGE in container.resources.limits
        for container in (*pod.spec.init_containers, *pod.spec.containers)
    )


def _limited_volumes(pod: pod_pb2.Pod) -> Mapping[str, str]:
    return {
        volume.name: volume.volume_source.empty_dir.size_limit.string
        for volume in pod.spec.volumes
        if volume.volume_source.HasField("empty_dir")
        and volume.volume_source.empty_dir.HasField("size_limit")
    }


def exceeded(pod: pod_pb2.Pod, use: PodUse, volumes: Mapping[str, int]) -> Exceeded | None:
    """Return the first limit that is passed.

    Args:
        pod: whose limits.
        use: what it uses.
        volumes: bytes of its emptyDir volumes, by name.
    """
    for name, limit in _limited_volumes(pod).items():
        size = value(limit)
        if size > 0 and volumes.get(name, 0) > size:
            return Exceeded(
                "emptydirfs.limit",
                f"Usage of EmptyDir volume {go_quote(name)} exceeds the limit {go_quote(limit)}. ",
            )
    most = pod_limits(pod).get(STORAGE)
    if most is not None and use.disk_bytes is not None and use.disk_bytes > most:
        return Exceeded(
            "ephemeralpodfs.limit",
            f"Pod ephemeral local storage usage exceeds the total limit of containers {format_bytes(most)}. ",
        )
    for container in _all(pod):
        own = container_limits(container).get(STORAGE)
        found = use.containers.get(container.name)
        used = found.disk_bytes if found is not None else None
        if own is not None and used is not None and used > own:
            return Exceeded(
                "ephemeralcontainerfs.limit",
                f'Container {container.name} exceeded its local ephemeral storage limit "{format_bytes(own)}". ',
            )
    return None


def _all(pod: pod_pb2.Pod) -> Iterable[pod_pb2.Container]:
    return (*pod.spec.init_containers, *pod.spec.containers)
