"""configMap: a ConfigMap's keys as files (`pkg/volume/configmap`)."""

from collections.abc import Set

from kubelet.volumes.interface import Reference
from kubelet.volumes.payload import Files, config_map_files
from kubelet.volumes.plugins.interface import PodVolume
from kubelet.volumes.plugins.object_files import ObjectFiles, default_mode
from vaina.api.core.v1 import pod_pb2, volume_pb2


class ConfigMap(ObjectFiles):
    """The plugin."""

    directory = "kubernetes.io~configmap"
    in_memory = False

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        name = volume.volume_source.config_map.local_object_reference.name
        return {Reference("ConfigMap", pod.metadata.namespace, name)}

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.config_map
        name = source.local_object_reference.name
        found = await wanted.objects.config_map(wanted.pod.metadata.namespace, name)
        return config_map_files(
            name, found, source.items, optional=source.optional, mode=default_mode(source)
        )
