"""Kinds of volumes, where each has its place, and what follows from its kind. PURE."""

from collections.abc import Mapping

from kubelet.containers.cgroups import pod_cgroup_limits
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.objects.quantity import value

#: kinds whose files are made of objects, and follow them -> upstream's plugin directory
REFRESHED = {
    "config_map": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downward_api": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
#: of those, kinds that no disk ever sees: they wrap an emptyDir in memory (wrappedVolumeSpec in `pkg/volume/secret/secret.go`,
#: `projected/projected.go` and `downwardapi/downwardapi.go`; that of a configMap lies on the disk)
IN_MEMORY = frozenset({"secret", "projected", "downward_api"})
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


def memory_bytes(pod: pod_pb2.Pod, size_limit: str, allocatable: Mapping[str, int]) -> int:
    """Return how large a volume in memory may become: the least of its own limit, the Pod's and the node's; 0: nobody says.

    `pkg/volume/emptydir/empty_dir.go` (calculateEmptyDirMemorySize): the Pod's is that of its cgroup.

    Args:
        pod: whose volume it is.
        size_limit: of the volume, a quantity; "": it has none.
        allocatable: of the node.
    """
    bounds = (value(size_limit or "0"), pod_cgroup_limits(pod).memory_bytes, allocatable.get("memory", 0))
    return min((bound for bound in bounds if bound > 0), default=0)
