"""Kinds of volumes, where each has its place, and what follows from its kind. PURE."""

from collections.abc import Mapping

from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.objects.pods import container_limits
from vaina.objects.quantity import value

#: kinds whose files are made of objects, and follow them -> upstream's plugin directory
REFRESHED = {
    "config_map": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downward_api": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
#: kinds that stand for a PersistentVolume
CLAIMED = ("persistent_volume_claim", "ephemeral")
CLAIM_DIRECTORY = "kubernetes.io~local-volume"
_EMPTY_DIR = "kubernetes.io~empty-dir"


def source_kind(volume: volume_pb2.Volume) -> str:
    """Return which field of the volume's source is set; emptyDir when none is."""
    fields = volume.volume_source.ListFields()
    return str(fields[0][0].name) if fields else "empty_dir"


def plugin_directory(volume: volume_pb2.Volume) -> str | None:
    """Return the directory name of the volume's kind; None for kinds that have no directory of their own (hostPath)."""
    kind = source_kind(volume)
    if kind in CLAIMED:
        return CLAIM_DIRECTORY
    return _EMPTY_DIR if kind == "empty_dir" else REFRESHED.get(kind)


def is_read_only(volume: volume_pb2.Volume) -> bool:
    """Say whether containers may only read a volume, whatever their mounts say: files made of objects, and a claim that is used so."""
    kind = source_kind(volume)
    return kind in REFRESHED or (
        kind == "persistent_volume_claim" and volume.volume_source.persistent_volume_claim.read_only
    )


def claim_name(pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> str:
    """Return the name of the claim that a volume stands for."""
    if volume.volume_source.HasField("ephemeral"):
        return f"{pod.metadata.name}-{volume.name}"
    return volume.volume_source.persistent_volume_claim.claim_name


def memory_bytes(
    pod: pod_pb2.Pod, source: volume_pb2.EmptyDirVolumeSource, allocatable: Mapping[str, int]
) -> int:
    """Return how large an emptyDir in memory may become: the least of its own limit, the Pod's and the node's; 0: nobody says.

    `pkg/volume/emptydir/empty_dir.go` (calculateEmptyDirMemorySize).
    """
    bounds = []
    if source.HasField("size_limit") and (size := value(source.size_limit.string or "0")) > 0:
        bounds.append(size)
    limits = [container_limits(container).get("memory") for container in pod.spec.containers]
    if limits and all(limits):
        bounds.append(sum(limit for limit in limits if limit))
    elif allocatable.get("memory"):
        bounds.append(allocatable["memory"])
    return min(bounds, default=0)
