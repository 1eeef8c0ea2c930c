"""persistentVolumeClaim: the volume that the claim of a name is bound to."""

from kubelet.volumes.plugins.claimed import Claimed
from vaina.api.core.v1 import pod_pb2, volume_pb2


class PersistentVolumeClaim(Claimed):
    """The plugin."""

    def claim_name(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> str:
        return volume.volume_source.persistent_volume_claim.claim_name

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return volume.volume_source.persistent_volume_claim.read_only
