"""The node's volumes on its file system: <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>, as upstream lays them out.

What is mounted is asked of the file system, so that a restarted kubelet knows it. Blocking work runs in threads. Called by the pod workers' executor
(step 5, MOUNTED; row B5).
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from kubelet.containers.downward import PodFacts
from kubelet.runtime.records import Uid
from kubelet.volumes import atomic, payload
from kubelet.volumes.interface import ObjectSource, VolumeFailed
from kubelet.volumes.kinds import REFRESHED, plugin_directory, source_kind
from kubelet.volumes.payload import DEFAULT_MODE, Files, PayloadError
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.errors import ApiError
from vaina.objects.quantity import value

#: hostPath type -> what has to be there; types that create have None
_HOST_PATH_TESTS: dict[str, tuple[Callable[[Path], bool], str]] = {
    "Directory": (Path.is_dir, "directory"),
    "File": (Path.is_file, "file"),
    "Socket": (Path.is_socket, "socket"),
    "CharDevice": (Path.is_char_device, "character device"),
    "BlockDevice": (Path.is_block_device, "block device"),
}


class VolumeManager:
    """Volumes under one root directory. Stateless: any task may call it; each Pod's volumes are touched by its worker alone."""

    def __init__(self, root: Path, objects: ObjectSource) -> None:
        self._root, self._objects = root, objects

    def _pod(self, uid: Uid) -> Path:
        return self._root / "pods" / uid / "volumes"

    def _path(self, uid: Uid, volume: volume_pb2.Volume) -> Path:
        plugin = plugin_directory(volume)
        if plugin is None:
            return Path(volume.volume_source.host_path.path)
        return self._pod(uid) / plugin / volume.name

    def host_path(self, uid: Uid, volume: volume_pb2.Volume) -> str:
        return str(self._path(uid, volume))

    async def mounted(self, pod: pod_pb2.Pod) -> frozenset[str]:
        uid = Uid(pod.metadata.uid)
        return await asyncio.to_thread(
            lambda: frozenset(volume.name for volume in pod.spec.volumes if self._is_mounted(uid, volume))
        )

    def _is_mounted(self, uid: Uid, volume: volume_pb2.Volume) -> bool:
        path = self._path(uid, volume)
        kind = source_kind(volume)
        if kind in REFRESHED:
            return (path / atomic.DATA_LINK).is_symlink()
        if kind == "empty_dir" and volume.volume_source.empty_dir.medium == "Memory":
            return path.is_mount()
        return path.exists() and kind in {"empty_dir", "host_path"}

    async def mount(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        wanted = set(names)
        for volume in pod.spec.volumes:
            if volume.name in wanted:
                try:
                    await self._mount(pod, volume, facts)
                except (PayloadError, ApiError, OSError) as error:
                    raise VolumeFailed(
                        volume.name, f'MountVolume.SetUp failed for volume "{volume.name}" : {error}'
                    ) from error

    async def _mount(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> None:
        path, kind = self._path(Uid(pod.metadata.uid), volume), source_kind(volume)
        context = pod.spec.security_context
        group = context.fs_group if context.HasField("fs_group") else None
        if kind == "host_path":
            await asyncio.to_thread(_check_host_path, volume.volume_source.host_path)
        elif kind == "empty_dir":
            await self._empty_dir(volume.volume_source.empty_dir, path, group)
        elif kind in REFRESHED:
            files = await self._files(pod, volume, facts)
            await asyncio.to_thread(atomic.write, path, files, group=group)
        else:
            raise PayloadError(f"volumes of kind {kind} are not supported by this node")

    async def _empty_dir(
        self, source: volume_pb2.EmptyDirVolumeSource, path: Path, group: int | None
    ) -> None:
        def make() -> bool:
            path.mkdir(parents=True, exist_ok=True)
            if group is not None:
                os.chown(path, -1, group)
            path.chmod(0o2777 if group is not None else 0o777)
            return path.is_mount()

        if await asyncio.to_thread(make) or source.medium != "Memory":
            return
        options = ["mode=0777"]
        if source.size_limit.string and (size := value(source.size_limit.string)):
            options.append(f"size={size}")
        await _run("mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(path))
        await asyncio.to_thread(make)

    async def _files(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> Files:
        source, namespace = volume.volume_source, pod.metadata.namespace
        if source.HasField("config_map"):
            config = source.config_map
            name = config.local_object_reference.name
            return payload.config_map_files(
                name, await self._objects.config_map(namespace, name), config.items,
                optional=config.optional, mode=_default_mode(config),
            )  # fmt: skip
        if source.HasField("secret"):
            secret = source.secret
            return payload.secret_files(
                secret.secret_name, await self._objects.secret(namespace, secret.secret_name), secret.items,
                optional=secret.optional, mode=_default_mode(secret),
            )  # fmt: skip
        if source.HasField("downward_api"):
            down = source.downward_api
            return payload.downward_files(pod, down.items, facts, mode=_default_mode(down))
        return await self._projected(pod, source.projected, facts)

    async def _projected(
        self, pod: pod_pb2.Pod, projected: volume_pb2.ProjectedVolumeSource, facts: PodFacts
    ) -> Files:
        files: dict[str, payload.File] = {}
        namespace, mode = pod.metadata.namespace, _default_mode(projected)
        for source in projected.sources:
            if source.HasField("config_map"):
                name = source.config_map.local_object_reference.name
                files |= payload.config_map_files(
                    name, await self._objects.config_map(namespace, name), source.config_map.items,
                    optional=source.config_map.optional, mode=mode,
                )  # fmt: skip
            elif source.HasField("secret"):
                name = source.secret.local_object_reference.name
                files |= payload.secret_files(
                    name, await self._objects.secret(namespace, name), source.secret.items,
                    optional=source.secret.optional, mode=mode,
                )  # fmt: skip
            elif source.HasField("downward_api"):
                files |= payload.downward_files(pod, source.downward_api.items, facts, mode=mode)
            else:
                raise PayloadError("projected sources of this kind are not supported by this node")
        return files

    async def unmount(self, uid: Uid) -> None:
        root = self._pod(uid)

        def mounts() -> list[Path]:
            return [path for path in root.glob("*/*") if path.is_mount()]

        try:
            for path in await asyncio.to_thread(mounts):
                await _run("umount", str(path))
            await asyncio.to_thread(shutil.rmtree, root, True)
        except OSError as error:
            raise VolumeFailed("", f"volumes of pod {uid} cannot be unmounted: {error}") from error


def _default_mode(
    source: volume_pb2.ConfigMapVolumeSource
    | volume_pb2.SecretVolumeSource
    | volume_pb2.DownwardAPIVolumeSource
    | volume_pb2.ProjectedVolumeSource,
) -> int:
    return source.default_mode if source.HasField("default_mode") else DEFAULT_MODE


def _check_host_path(source: volume_pb2.HostPathVolumeSource) -> None:
    path = Path(source.path)
    if source.type == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif source.type == "FileOrCreate":
        path.touch(mode=0o644)
    elif source.type in _HOST_PATH_TESTS:
        test, words = _HOST_PATH_TESTS[source.type]
        if not test(path):
            raise PayloadError(f"hostPath type check failed: {source.path} is not a {words}")
    elif not source.type and not path.exists():
        # As the engines do for a bind mount of what is not there.
        path.mkdir(mode=0o755, parents=True, exist_ok=True)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    if process.returncode:
        raise OSError(f"{command[0]}: {error.decode(errors='replace').strip()}")
