"""image: what an image or artifact has in it, to be read (`pkg/volume/image`).

The image is pulled before a container that mounts it is made (`kubelet.decide.images`). The runtime mounts
it, or has the kubelet put its files into the volume's directory (`ImageService.unpack_image`): in either case
there is nothing to set up before.
"""

from pathlib import Path

from kubelet.volumes.plugins.interface import PodVolume, Writable
from vaina.api.core.v1 import volume_pb2


class Image(Writable):
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
