"""The kinds that are paths of the node: emptyDir, hostPath, image.

Follow `pkg/volume/emptydir`, `pkg/volume/hostpath/host_path.go` (words included) and `pkg/volume/image`.
"""

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

from kubelet.volumes import mounting
from kubelet.volumes.interface import PodVolume, VolumePlugin, memory_bytes
from kubelet.volumes.payload import PayloadError
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


_WORDS: Final = {
    "Directory": "directory",
    "File": "file",
    "Socket": "socket file",
    "CharDevice": "character device",
    "BlockDevice": "block device",
}
_KINDS: Final = {
    stat.S_IFDIR: "Directory",
    stat.S_IFREG: "File",
    stat.S_IFSOCK: "Socket",
    stat.S_IFCHR: "CharDevice",
    stat.S_IFBLK: "BlockDevice",
}


class HostPath(VolumePlugin):
    """The plugin."""

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        source = volume.volume_source.host_path
        return is_there(source.path, source.type)

    def host_path(self, volume: volume_pb2.Volume, path: Path) -> str:
        return str(Path(volume.volume_source.host_path.path))

    async def check(self, wanted: PodVolume) -> None:
        source = wanted.volume.volume_source.host_path
        await asyncio.to_thread(check, source.path, source.type)

    set_up = check


def is_there(path: str, kind: str) -> bool:
    """Say whether something of the given type is at a path. Blocking."""
    try:
        if not os.path.exists(path):
            return False
        check(path, kind)
    # ValueError: a path that no system call takes.
    except (PayloadError, OSError, ValueError):
        return False
    return True


def check(path: str, kind: str) -> None:
    """Check that what is at a path is of the given type, or make it. Blocking.

    Raises PayloadError: it is of another type; OSError: it cannot be looked at or made.
    """
    if kind == "DirectoryOrCreate":
        if not os.path.exists(path):
            Path(path).mkdir(mode=0o755, parents=True, exist_ok=True)
            return
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not os.path.exists(path):
            Path(path).touch(mode=0o644)
            return
        kind = "File"
    elif not kind:
        # As the engines do for a bind mount of what is not there.
        if not os.path.exists(path):
            Path(path).mkdir(mode=0o755, parents=True, exist_ok=True)
        return
    words = _WORDS.get(kind)
    if words is None:
        raise PayloadError(f"{kind} is an invalid volume type")
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise PayloadError(f"hostPath {path} doesn't exist") from None
    what = _KINDS.get(stat.S_IFMT(found.st_mode), "")
    if what != kind:
        raise PayloadError(f"hostPath type check failed: {path} is not a {words}, it's a {what or 'pipe'}")


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
