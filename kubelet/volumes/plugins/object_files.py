"""What the kinds share whose files are made of objects: configMap, secret, downwardAPI, projected."""

import asyncio
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

from kubelet.volumes import atomic, mounting
from kubelet.volumes.memory import memory_bytes
from kubelet.volumes.payload import DEFAULT_MODE, Files
from kubelet.volumes.plugins.interface import PodVolume, Writable
from vaina.api.core.v1 import volume_pb2


class ObjectFiles(Writable, ABC):
    """A kind that shows files which follow objects; containers may only read them."""

    directory: str
    requires_remount = True
    #: No disk ever sees the files: they lie in an emptyDir in memory (wrappedVolumeSpec in
    #: `pkg/volume/secret/secret.go`, `projected/projected.go` and `downwardapi/downwardapi.go`; that of a
    #: configMap lies on the disk).
    in_memory = True

    @abstractmethod
    async def files(self, wanted: PodVolume) -> Files:
        """Return path -> file. Raises PayloadError, ApiError."""

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        written = (path / atomic.DATA_LINK).is_symlink()
        return written and (not self.in_memory or mounting.is_mounted(os.path.realpath(path)))

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return True

    async def check(self, wanted: PodVolume) -> None:
        await self.files(wanted)

    async def set_up(self, wanted: PodVolume) -> None:
        files = await self.files(wanted)
        size = memory_bytes(wanted.pod, "", wanted.facts.allocatable) if self.in_memory else None
        await asyncio.to_thread(_write, wanted.path, files, size, wanted.group)


class _HasDefaultMode(Protocol):
    default_mode: int

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802 - protobuf's name


def default_mode(source: _HasDefaultMode) -> int:
    """Return the permission bits of files that name none of their own."""
    return source.default_mode if source.HasField("default_mode") else DEFAULT_MODE


def _write(path: Path, files: Files, memory: int | None, group: int | None) -> None:
    """Have a volume show files; with `memory` bytes at most in memory (0: no bound), None: on disk."""
    if memory is not None:
        path.mkdir(parents=True, exist_ok=True)
        # The kernel's own mode of such a file system, which is what a container sees upstream.
        mounting.keep_in_memory(path, size_bytes=memory, mode=0o1777)
    atomic.write(path, files, group=group)
