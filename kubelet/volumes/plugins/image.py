"""image: the files of an image or artifact, read-only (`pkg/volume/image`).

The image is pulled before a container that mounts it is made (`kubelet.decide.containers`). The runtime
mounts it, or the kubelet puts its files into the volume's directory (`ImageService.unpack_image`).
"""

from pathlib import Path

from kubelet.volumes.plugins.interface import PodVolume, VolumePlugin
from vaina.api.core.v1 import volume_pb2


class Image(VolumePlugin):
    """The plugin."""

    directory = "kubernetes.io~image"

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        return True

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return True

    def image(self, volume: volume_pb2.Volume) -> volume_pb2.ImageVolumeSource:
        return volume.volume_source.image

    async def set_up(self, wanted: PodVolume) -> None:
        return
