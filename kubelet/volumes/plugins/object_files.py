"""The kinds whose files are made of objects: configMap, secret, downwardAPI, projected (`pkg/volume`).

A container sees all of the old files or all of the new ones, as with upstream's AtomicWriter
(`pkg/volume/util/atomic_writer.go`): the files lie in a directory `..<time>`, the link `..data` is moved to it
by renaming, and each top-level name is a link through `..data`.
"""

import asyncio
import os
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Set
from pathlib import Path
from typing import Any

from kubelet.volumes import mounting, payload
from kubelet.volumes.interface import PodVolume, Reference, VolumePlugin, memory_bytes
from kubelet.volumes.payload import DEFAULT_MODE, Files, PayloadError
from kubelet.volumes.tokens import owner_of
from vaina.api.core.v1 import pod_pb2, volume_pb2


class ObjectFiles(VolumePlugin):
    """A kind that shows files which follow objects; containers may only read them."""

    requires_remount = True
    #: the files lie in memory and never on a disk, but for a configMap's (wrappedVolumeSpec in
    #: `pkg/volume/secret/secret.go`, `projected/projected.go`, `downwardapi/downwardapi.go`)
    in_memory = True

    @abstractmethod
    async def files(self, wanted: PodVolume) -> Files:
        """Return path -> file. Raises PayloadError, ApiError."""

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        written = (path / DATA_LINK).is_symlink()
        return written and (not self.in_memory or mounting.is_mounted(os.path.realpath(path)))

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return True

    async def check(self, wanted: PodVolume) -> None:
        await self.files(wanted)

    async def set_up(self, wanted: PodVolume) -> None:
        files = await self.files(wanted)
        size = memory_bytes(wanted.pod, "", wanted.facts.allocatable) if self.in_memory else None
        await asyncio.to_thread(_write, wanted.path, files, size, wanted.group)


class ConfigMap(ObjectFiles):
    """A ConfigMap's keys as files."""

    directory = "kubernetes.io~configmap"
    in_memory = False

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        name = volume.volume_source.config_map.local_object_reference.name
        return {Reference("ConfigMap", pod.metadata.namespace, name)}

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.config_map
        return await _object(
            wanted, "configmap", source.local_object_reference.name, source, _default_mode(source)
        )


class Secret(ObjectFiles):
    """A Secret's keys as files."""

    directory = "kubernetes.io~secret"

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        return {Reference("Secret", pod.metadata.namespace, volume.volume_source.secret.secret_name)}

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.secret
        return await _object(wanted, "secret", source.secret_name, source, _default_mode(source))


class DownwardAPI(ObjectFiles):
    """What a Pod is told of itself, as files."""

    directory = "kubernetes.io~downward-api"

    async def files(self, wanted: PodVolume) -> Files:
        source = wanted.volume.volume_source.downward_api
        return payload.downward_files(wanted.pod, source.items, wanted.facts, mode=_default_mode(source))


class Projected(ObjectFiles):
    """The files of several sources together."""

    directory = "kubernetes.io~projected"

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        found, namespace = set(), pod.metadata.namespace
        for part in volume.volume_source.projected.sources:
            if part.HasField("config_map"):
                found.add(Reference("ConfigMap", namespace, part.config_map.local_object_reference.name))
            if part.HasField("secret"):
                found.add(Reference("Secret", namespace, part.secret.local_object_reference.name))
        return found

    async def files(self, wanted: PodVolume) -> Files:
        files: dict[str, payload.File] = {}
        projected = wanted.volume.volume_source.projected
        for source in projected.sources:
            files |= await _projection(wanted, source, _default_mode(projected))
        return files


def _default_mode(source: Any) -> int:
    return int(source.default_mode) if source.HasField("default_mode") else DEFAULT_MODE


async def _object(wanted: PodVolume, kind: str, name: str, source: Any, mode: int) -> Files:
    """Return the files of a configmap or secret; the source is that of a volume or of a projection."""
    objects = wanted.objects
    look = objects.config_map if kind == "configmap" else objects.secret
    found = await look(wanted.pod.metadata.namespace, name)
    return payload.object_files(kind, name, found, source.items, optional=source.optional, mode=mode)


async def _projection(wanted: PodVolume, source: volume_pb2.VolumeProjection, mode: int) -> Files:
    pod = wanted.pod
    if source.HasField("config_map"):
        return await _object(
            wanted, "configmap", source.config_map.local_object_reference.name, source.config_map, mode
        )
    if source.HasField("secret"):
        return await _object(wanted, "secret", source.secret.local_object_reference.name, source.secret, mode)
    if source.HasField("downward_api"):
        return payload.downward_files(pod, source.downward_api.items, wanted.facts, mode=mode)
    if source.HasField("service_account_token"):
        token, user = source.service_account_token, owner_of(pod)
        mode = mode if user is None and wanted.group is None else _OWN_MODE
        return {token.path: payload.File(await wanted.objects.token(pod, token), mode, user)}
    if source.HasField("cluster_trust_bundle") and source.cluster_trust_bundle.optional:
        # There are no trust bundles; an optional one shows as an empty file.
        return {source.cluster_trust_bundle.path: payload.File(b"", mode)}
    kind = source.ListFields()[0][0].json_name if source.ListFields() else "none"
    raise PayloadError(f"projected sources of kind {kind} are not supported by this node")


def _write(path: Path, files: Files, memory: int | None, group: int | None) -> None:
    """Have a volume show files; with `memory` bytes at most in memory (0: no bound), None: on disk."""
    if memory is not None:
        path.mkdir(parents=True, exist_ok=True)
        # The kernel's own mode of such a file system, which is what a container sees upstream.
        mounting.keep_in_memory(path, size_bytes=memory, mode=0o1777)
    write_files(path, files, group=group)


#: of a token whose owner is known (`pkg/volume/projected/projected.go`)
_OWN_MODE = 0o600
DATA_LINK = "..data"
_NEW_LINK = "..data_tmp"


def write_files(directory: Path, files: Files, *, group: int | None = None) -> bool:
    """Make the directory show exactly these files; return whether anything changed. Blocking.

    `group` owns the files (fsGroup) and may then read them; None: root.
    """
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / DATA_LINK
    names = {path.split("/")[0] for path in files}
    if link.is_symlink() and _current(directory / link.readlink()) == {
        path: (file.data, _mode(file.mode, group)) for path, file in files.items()
    }:
        # Their writer may have been killed before it had linked the new names and removed the old.
        _link_names(directory, names)
        _clear_unfinished(directory, link)
        return False
    _clear_unfinished(directory, link)
    # The owner's alone until all is in it: a file has everybody's mode before it has its own.
    new = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    for path, file in files.items():
        target = new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        if group is not None or file.user is not None:
            os.chown(target, -1 if file.user is None else file.user, -1 if group is None else group)
        target.chmod(_mode(file.mode, group))
    new.chmod(0o755)
    old = directory / link.readlink() if link.is_symlink() else None
    temporary = directory / _NEW_LINK
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(new.name)
    temporary.rename(link)
    _link_names(directory, names)
    if old is not None and old.is_dir():
        shutil.rmtree(old)
    return True


def _mode(mode: int, group: int | None) -> int:
    return mode if group is None else mode | 0o440


def _current(data: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(data)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in data.rglob("*")
        if path.is_file()
    }


def _clear_unfinished(directory: Path, link: Path) -> None:
    """Remove what a killed writer left."""
    current = link.readlink().name if link.is_symlink() else ""
    for entry in directory.iterdir():
        if entry.name.startswith("..") and entry.name not in {DATA_LINK, _NEW_LINK, current}:
            shutil.rmtree(entry, ignore_errors=True)


def _link_names(directory: Path, names: set[str]) -> None:
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA_LINK}/{name}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
