"""Which plugin does which kind of volume: one row a kind. No other module knows kinds by name."""

from pathlib import Path
from typing import Final

from kubelet.volumes.interface import PodVolume, VolumePlugin
from kubelet.volumes.payload import PayloadError
from kubelet.volumes.plugins.claimed import Ephemeral, PersistentVolumeClaim
from kubelet.volumes.plugins.node_paths import EmptyDir, HostPath, Image
from kubelet.volumes.plugins.object_files import ConfigMap, DownwardAPI, Projected, Secret
from vaina.api.core.v1 import volume_pb2

PLUGINS: Final[dict[str, VolumePlugin]] = {
    "config_map": ConfigMap(),
    "downward_api": DownwardAPI(),
    "empty_dir": EmptyDir(),
    "ephemeral": Ephemeral(),
    "host_path": HostPath(),
    "image": Image(),
    "persistent_volume_claim": PersistentVolumeClaim(),
    "projected": Projected(),
    "secret": Secret(),
}


def plugin_of(volume: volume_pb2.Volume) -> VolumePlugin:
    """Return a volume's plugin: emptyDir's without a source, one that refuses for a kind that has none."""
    fields = volume.volume_source.ListFields()
    return PLUGINS.get(fields[0][0].name if fields else "empty_dir", _UNSUPPORTED)


class _Unsupported(VolumePlugin):
    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        return False

    async def check(self, wanted: PodVolume) -> None:
        kind = wanted.volume.volume_source.ListFields()[0][0].json_name
        raise PayloadError(f"volumes of kind {kind} are not supported by this node")

    set_up = check


_UNSUPPORTED: Final = _Unsupported()
