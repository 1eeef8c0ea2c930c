"""emptyDir: a directory that lives as long as its Pod, on disk or in memory (`pkg/volume/emptydir`)."""

import asyncio
import os
from pathlib import Path

from kubelet.volumes import mounting
from kubelet.volumes.plugins.interface import PodVolume, VolumePlugin, memory_bytes
from vaina.api.core.v1 import volume_pb2


class EmptyDir(VolumePlugin):
    """The plugin."""

    directory = "kubernetes.io~empty-dir"

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        if volume.volume_source.empty_dir.medium == "Memory":
            return mounting.is_mounted(os.path.realpath(path))
        return path.exists()

    async def set_up(self, wanted: PodVolume) -> None:
        source, size = wanted.volume.volume_source.empty_dir, None
        if source.medium == "Memory":
            size = memory_bytes(wanted.pod, source.size_limit.string, wanted.facts.allocatable)
        await asyncio.to_thread(_make, wanted.path, size, wanted.group)


def _make(path: Path, memory: int | None, group: int | None) -> None:
    """Make an emptyDir; with at most `memory` bytes in memory (0: no bound), None: on disk."""
    path.mkdir(parents=True, exist_ok=True)
    if memory is not None:
        mounting.keep_in_memory(path, size_bytes=memory, mode=0o777)
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(0o2777 if group is not None else 0o777)
