"""ephemeral: the volume of a claim that is made for the Pod and named after it."""

from kubelet.volumes.plugins.claimed import Claimed
from vaina.api.core.v1 import pod_pb2, volume_pb2


class Ephemeral(Claimed):
    """The plugin."""

    made_for_pod = True

    def claim_name(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> str:
        return f"{pod.metadata.name}-{volume.name}"
