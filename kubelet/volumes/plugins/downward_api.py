"""downwardAPI: what a Pod is told of itself, as files (`pkg/volume/downwardapi`)."""

from kubelet.volumes.payload import Files, downward_files
from kubelet.volumes.plugins.interface import PodVolume
from kubelet.volumes.plugins.object_files import ObjectFiles, default_mode


class DownwardAPI(ObjectFiles):
    """The plugin."""

    directory = "kubernetes.io~downward-api"

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.downward_api
        return downward_files(wanted.pod, source.items, wanted.facts, mode=default_mode(source))
