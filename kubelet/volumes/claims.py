"""What a claim stands for on this node: which directory, and whether this Pod may have it. PURE.

Follows `pkg/kubelet/volumemanager/populator` (getPVCExtractPV, getPVSpec, createVolumeSpec), words included.
"""

from dataclasses import dataclass

from vaina.api.core.v1 import node_pb2, persistent_volume_pb2, pod_pb2
from vaina.objects.local_path import MADE_ANNOTATION, is_ours
from vaina.objects.meta import is_controlled_by
from vaina.objects.nodes import selects
from vaina.quoting import go_quote

Claim = persistent_volume_pb2.PersistentVolumeClaim
Volume = persistent_volume_pb2.PersistentVolume


class ClaimProblem(Exception):
    """The claim cannot be used now; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class LocalDirectory:
    """What a claim stands for."""

    name: str
    path: str
    #: hostPath's type; None for a local volume, which has to be there
    host_path_type: str | None
    #: the directory is still to be made: it was never mounted
    unmade: bool
    #: one Pod at a time (ReadWriteOncePod)
    exclusive: bool


def check_claim(claim: Claim | None, name: str, pod: pod_pb2.Pod, *, made_for_pod: bool) -> Claim:
    """Return the claim of a Pod's volume; one made for the Pod must be owned by it. Raises ClaimProblem."""
    where = f"error processing PVC {pod.metadata.namespace}/{name}: "
    if claim is None:
        raise ClaimProblem(
            f'{where}failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found'
        )
    if made_for_pod and not is_controlled_by(claim.metadata, pod.metadata.uid):
        mine = pod.metadata
        raise ClaimProblem(
            f"PVC {mine.namespace}/{name} was not created for pod {mine.namespace}/{mine.name} (pod is not owner)"
        )
    if claim.metadata.HasField("deletion_timestamp"):
        raise ClaimProblem(f"{where}PVC is being deleted")
    if claim.status.phase != "Bound":
        raise ClaimProblem(f"{where}PVC is not bound")
    if not claim.spec.volume_name:
        raise ClaimProblem(f"{where}PVC has empty pvc.Spec.VolumeName")
    return claim


def check_volume(volume: Volume | None, claim: Claim, used_as: str) -> LocalDirectory:
    """Return the directory of a claim's volume, `used_as` in the Pod. Raises ClaimProblem."""
    name = claim.spec.volume_name
    where = f"error processing PVC {claim.metadata.namespace}/{claim.metadata.name}: "
    if volume is None:
        raise ClaimProblem(
            f"{where}failed to fetch PV {name} from API server: persistentvolumes {go_quote(name)} not found"
        )
    if not volume.spec.HasField("claim_ref"):
        words = f"found PV object {name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        raise ClaimProblem(where + words)
    if volume.spec.claim_ref.uid != claim.metadata.uid:
        words = (
            f"found PV object {name} but its pv.Spec.ClaimRef.UID {volume.spec.claim_ref.uid} "
            f"does not point to claim.UID {claim.metadata.uid}"
        )
        raise ClaimProblem(where + words)
    if volume.spec.volume_mode == "Block":
        raise ClaimProblem(f"volume {used_as} has volumeMode Block, but is specified in volumeMounts")
    if volume.spec.mount_options:
        raise ClaimProblem(f"{where}Mount options are not supported for this volume type")
    exclusive = [*volume.spec.access_modes] == ["ReadWriteOncePod"]
    source = volume.spec.persistent_volume_source
    if source.HasField("local"):
        unmade = is_ours(volume) and MADE_ANNOTATION not in volume.metadata.annotations
        return LocalDirectory(name, source.local.path, None, unmade, exclusive)
    if source.HasField("host_path"):
        return LocalDirectory(
            name, source.host_path.path, source.host_path.type, unmade=False, exclusive=exclusive
        )
    fields = source.ListFields()
    kind = fields[0][0].json_name if fields else "none"
    raise ClaimProblem(f"{where}volumes of kind {kind} are not supported by this node")


def is_reached(volume: Volume, node: node_pb2.Node | None) -> bool:
    """Say whether a node reaches a volume (CheckNodeAffinity): a Pod may name another node itself."""
    if not volume.spec.node_affinity.HasField("required"):
        return True
    if node is None:
        return False
    asked = pod_pb2.PodSpec()
    required = asked.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    required.CopyFrom(volume.spec.node_affinity.required)
    return selects(asked, node)
