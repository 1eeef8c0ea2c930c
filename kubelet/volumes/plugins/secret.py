"""secret: a Secret's keys as files (`pkg/volume/secret`)."""

from collections.abc import Set

from kubelet.volumes.interface import Reference
from kubelet.volumes.payload import Files, secret_files
from kubelet.volumes.plugins.interface import PodVolume
from kubelet.volumes.plugins.object_files import ObjectFiles, default_mode
from vaina.api.core.v1 import pod_pb2, volume_pb2


class Secret(ObjectFiles):
    """The plugin."""

    directory = "kubernetes.io~secret"

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        return {Reference("Secret", pod.metadata.namespace, volume.volume_source.secret.secret_name)}

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.secret
        found = await wanted.objects.secret(wanted.pod.metadata.namespace, source.secret_name)
        return secret_files(
            source.secret_name, found, source.items, optional=source.optional, mode=default_mode(source)
        )
