"""The node's volumes on its file system: <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>, as upstream lays them out.

What is mounted is asked of the file system, so that a restarted kubelet knows it. A claim's volume is a link to its directory, not a mount: nothing that removes a
Pod's tree can reach its data (decision 115). Blocking work runs in threads. Called by the pod workers' executor (step 5, MOUNTED; row B5).
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from kubelet.containers.downward import PodFacts
from kubelet.runtime.records import Uid
from kubelet.volumes import atomic, host_path, mounting, subpath
from kubelet.volumes.claims import (
    ClaimProblem,
    ClaimSource,
    LocalDirectory,
    check_claim,
    check_volume,
    is_reached,
)
from kubelet.volumes.files import volume_files
from kubelet.volumes.following import ObjectFollower
from kubelet.volumes.interface import ObjectSource, VolumeFailed
from kubelet.volumes.kinds import (
    CLAIM_DIRECTORY,
    CLAIMED,
    IN_MEMORY,
    REFRESHED,
    claim_name,
    is_read_only,
    memory_bytes,
    plugin_directory,
    source_kind,
)
from kubelet.volumes.ownership import give_to_group
from kubelet.volumes.payload import Files, PayloadError
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.errors import ApiError, Conflict
from vaina.quoting import go_quote

log = structlog.stdlib.get_logger(__name__)


class VolumeObjects(ObjectSource, ClaimSource, Protocol):
    """Everything that volumes are made of."""


class VolumeManager:
    """Volumes under one root directory. Any task may call it; each Pod's volumes are touched by its worker alone."""

    def __init__(self, root: Path, objects: VolumeObjects) -> None:
        """Make a manager.

        Args:
            root: of the kubelet.
            objects: where ConfigMaps, Secrets and claims come from.
        """
        self._root, self._objects = root, objects
        #: a volume for one Pod at a time is looked at and taken in one go
        self._taking = asyncio.Lock()
        self._follower: ObjectFollower | None = None
        self._arrived: Callable[[Uid], None] = _nobody
        #: Pods whose volumes need what is not there yet
        self._waiting: set[Uid] = set()
        #: volumes that are made of objects, by Pod
        self._shown: dict[Uid, _Shown] = {}

    def follow_with(self, follower: ObjectFollower, arrived: Callable[[Uid], None]) -> None:
        """Have what volumes show or wait for followed from now on; `arrived` is told of a Pod that waits."""
        self._follower, self._arrived = follower, arrived

    def _pod(self, uid: Uid) -> Path:
        return self._root / "pods" / uid

    def _path(self, uid: Uid, volume: volume_pb2.Volume) -> Path:
        plugin = plugin_directory(volume)
        if plugin is None:
            return Path(volume.volume_source.host_path.path)
        return self._pod(uid) / "volumes" / plugin / volume.name

    def host_path(self, uid: Uid, volume: volume_pb2.Volume) -> str:
        path = self._path(uid, volume)
        if source_kind(volume) in CLAIMED and path.is_symlink():
            return os.readlink(path)
        return str(path)

    async def mounted(self, pod: pod_pb2.Pod) -> frozenset[str]:
        uid = Uid(pod.metadata.uid)
        return await asyncio.to_thread(
            lambda: frozenset(volume.name for volume in pod.spec.volumes if self._is_mounted(uid, volume))
        )

    def _is_mounted(self, uid: Uid, volume: volume_pb2.Volume) -> bool:
        path, kind = self._path(uid, volume), source_kind(volume)
        if kind in REFRESHED:
            written = (path / atomic.DATA_LINK).is_symlink()
            return written and (kind not in IN_MEMORY or mounting.is_mounted(os.path.realpath(path)))
        if kind in CLAIMED:
            return path.is_symlink()
        if kind == "empty_dir" and volume.volume_source.empty_dir.medium == "Memory":
            return mounting.is_mounted(os.path.realpath(path))
        if kind == "host_path":
            return host_path.is_there(str(path), volume.volume_source.host_path.type)
        return path.exists() and kind == "empty_dir"

    async def prepare(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        uid, wanted = Uid(pod.metadata.uid), set(names)
        volumes = [volume for volume in pod.spec.volumes if volume.name in wanted]
        try:
            for volume in volumes:
                with _told(volume):
                    await self._prepare(pod, volume, facts)
        except VolumeFailed:
            self._waiting.add(uid)
            if self._follower is not None:
                self._follower.follow(pod, volumes)
            raise
        self._wait_no_more(uid)

    async def _prepare(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> None:
        kind = source_kind(volume)
        if kind == "host_path":
            source = volume.volume_source.host_path
            await asyncio.to_thread(host_path.check, source.path, source.type)
        elif kind in REFRESHED:
            await volume_files(pod, volume, self._objects, facts)
        elif kind in CLAIMED:
            await self._prepare_claim(pod, volume, facts.node_name)
        elif kind != "empty_dir":
            raise PayloadError(f"volumes of kind {kind} are not supported by this node")

    def _wait_no_more(self, uid: Uid) -> None:
        if uid in self._waiting:
            self._waiting.discard(uid)
            if self._follower is not None:
                self._follower.forget(uid)
                if (shown := self._shown.get(uid)) is not None:
                    volumes = [volume for volume in shown.pod.spec.volumes if volume.name in shown.names]
                    self._follower.follow(shown.pod, volumes)

    async def mount(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        wanted = set(names)
        for volume in pod.spec.volumes:
            if volume.name in wanted:
                with _told(volume):
                    await self._mount(pod, volume, facts)

    async def _mount(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> None:
        path, kind = self._path(Uid(pod.metadata.uid), volume), source_kind(volume)
        group = _group(pod)
        if plugin_directory(volume) is not None:
            await asyncio.to_thread(mounting.make_private, self._root / "pods", path.parent)
        if kind == "host_path":
            source = volume.volume_source.host_path
            await asyncio.to_thread(host_path.check, source.path, source.type)
        elif kind == "empty_dir":
            empty = volume.volume_source.empty_dir
            size = (
                memory_bytes(pod, empty.size_limit.string, facts.allocatable)
                if empty.medium == "Memory"
                else None
            )
            await asyncio.to_thread(_make_empty_dir, path, size, group)
        elif kind in REFRESHED:
            await self._show(pod, volume, facts)
        elif kind in CLAIMED:
            await self._mount_claim(pod, volume, path, facts.node_name)
        else:
            raise PayloadError(f"volumes of kind {kind} are not supported by this node")

    async def _show(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> None:
        """Show a volume's files as they are now, and from now on."""
        uid = Uid(pod.metadata.uid)
        shown = self._shown.setdefault(uid, _Shown(pod, facts))
        shown.pod, shown.facts = pod, facts
        async with shown.lock:
            await self._write(pod, volume, facts)
        shown.names.add(volume.name)
        if self._follower is not None:
            self._follower.follow(pod, (volume,))

    async def _write(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> None:
        files = await volume_files(pod, volume, self._objects, facts)
        path = self._path(Uid(pod.metadata.uid), volume)
        in_memory = source_kind(volume) in IN_MEMORY
        size = memory_bytes(pod, "", facts.allocatable) if in_memory else None
        await asyncio.to_thread(_write_files, path, files, size, _group(pod))

    async def refresh(self, uid: Uid) -> None:
        """Bring the files of a Pod's volumes up to date: something that they are made of, or wait for, has changed.

        What fails is tried again with the next resync.
        """
        if uid in self._waiting:
            self._arrived(uid)
        shown = self._shown.get(uid)
        if shown is None:
            return
        async with shown.lock:
            if self._shown.get(uid) is not shown:
                return
            for volume in shown.pod.spec.volumes:
                if volume.name not in shown.names:
                    continue
                try:
                    await self._write(shown.pod, volume, shown.facts)
                except (PayloadError, ApiError, OSError, ValueError) as error:
                    log.warning("volume not refreshed", uid=uid, volume=volume.name, error=str(error))

    async def _prepare_claim(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, node: str) -> LocalDirectory:
        """Return the directory of a claim, which is there and free. Raises VolumeFailed."""
        try:
            found = await self._find_claimed(pod, volume, node)
        except ClaimProblem as error:
            words = (
                f"Unable to attach or mount volumes: unmounted volumes=[{volume.name}], unattached volumes=[], "
                f"failed to process volumes=[{volume.name}]: {error}"
            )
            raise VolumeFailed(volume.name, words) from error
        try:
            await asyncio.to_thread(_check_directory, found)
        except _Missing as error:
            words = f'MountVolume.NewMounter initialization failed for volume "{found.name}" : {error}'
            raise VolumeFailed(volume.name, words) from error
        except (PayloadError, OSError) as error:
            raise VolumeFailed(volume.name, f"{_setup_failed(found.name)}{error}") from error
        await self._check_free(pod, volume, found)
        return found

    async def _check_free(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, found: LocalDirectory) -> None:
        if found.exclusive and await asyncio.to_thread(self._is_taken, found.path, pod.metadata.uid):
            words = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
            raise VolumeFailed(volume.name, _setup_failed(found.name) + words)

    async def _mount_claim(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, path: Path, node: str) -> None:
        found = await self._prepare_claim(pod, volume, node)
        try:
            group, context = _group(pod), pod.spec.security_context
            if group is not None and found.host_path_type is None:
                await asyncio.to_thread(
                    give_to_group, Path(found.path), group, context.fs_group_change_policy,
                    read_only=is_read_only(volume),
                )  # fmt: skip
            async with self._taking:
                await self._check_free(pod, volume, found)
                await asyncio.to_thread(_link, path, found.path)
        except OSError as error:
            raise VolumeFailed(volume.name, f"{_setup_failed(found.name)}{error}") from error

    async def _find_claimed(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, node: str) -> LocalDirectory:
        """Return the directory of a claim. One that was never mounted is made, and that is written down before it is used."""
        claims, name = self._objects, claim_name(pod, volume)
        claim = check_claim(await claims.claim(pod.metadata.namespace, name), name, pod, volume)
        bound = await claims.volume(claim.spec.volume_name)
        found = check_volume(bound, claim, volume.name)
        assert bound is not None, "it was checked"
        placed = bound.spec.node_affinity.HasField("required")
        if placed and not is_reached(bound, await claims.node(node)):
            words = f'MountVolume.NodeAffinity check failed for volume "{found.name}" : no matching NodeSelectorTerms'
            raise VolumeFailed(volume.name, words)
        if found.unmade:
            await asyncio.to_thread(_make_volume, found.path)
            try:
                await claims.mark_made(bound)
            except Conflict as error:
                raise ClaimProblem(error.message) from error
        return found

    def _is_taken(self, directory: str, uid: str) -> bool:
        """Say whether another Pod of this node has a directory."""
        for link in self._root.glob(f"pods/*/volumes/{CLAIM_DIRECTORY}/*"):
            if link.parts[-4] != uid and link.is_symlink() and os.readlink(link) == directory:
                return True
        return False

    def is_used(self, directory: str) -> bool:
        """Say whether any Pod of this node has a directory; blocking."""
        return self._is_taken(directory, "")

    async def unmount(self, uid: Uid) -> None:
        root = self._pod(uid)
        self._wait_no_more(uid)
        shown = self._shown.pop(uid, None)
        if shown is not None:
            if self._follower is not None:
                self._follower.forget(uid)
            async with shown.lock:
                pass  # whoever writes has ended, and nobody begins

        def undo() -> None:
            subpath.clean(root)
            mounting.clear(root / "volumes")

        try:
            await asyncio.to_thread(undo)
        except OSError as error:
            raise VolumeFailed("", f"volumes of pod {uid} cannot be unmounted: {error}") from error


@dataclass(slots=True)
class _Shown:
    """Volumes of one Pod that are made of objects."""

    pod: pod_pb2.Pod
    facts: PodFacts
    names: set[str] = field(default_factory=set)
    #: one writer at a time
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Missing(Exception):
    """There is nothing at the path of a local volume."""


def _nobody(_: Uid) -> None:
    """Nothing is followed: nobody waits to be told."""


def _setup_failed(name: str) -> str:
    return f'MountVolume.SetUp failed for volume "{name}" : '


@contextmanager
def _told(volume: volume_pb2.Volume) -> Iterator[None]:
    """Have what goes wrong with a volume told in upstream's words, as VolumeFailed."""
    try:
        yield
    # ValueError: a path that no system call takes (it has a byte 0).
    except (PayloadError, ApiError, OSError, ValueError) as error:
        raise VolumeFailed(volume.name, f"{_setup_failed(volume.name)}{error}") from error


def _group(pod: pod_pb2.Pod) -> int | None:
    context = pod.spec.security_context
    return context.fs_group if context.HasField("fs_group") else None


def _make_empty_dir(path: Path, memory: int | None, group: int | None) -> None:
    """Make an emptyDir; with `memory` bytes at most in memory (0: no bound), None: on disk."""
    path.mkdir(parents=True, exist_ok=True)
    if memory is not None:
        _keep_in_memory(path, memory, 0o777)
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(0o2777 if group is not None else 0o777)


def _keep_in_memory(path: Path, size: int, mode: int) -> None:
    """Have a directory lie in memory, in so many bytes at most; one that does already stays as it is."""
    real = os.path.realpath(path)
    if not mounting.is_mounted(real):
        mounting.tmpfs(real, size_bytes=size, mode=mode)


def _write_files(path: Path, files: Files, memory: int | None, group: int | None) -> None:
    """Have a volume show files; with `memory` bytes at most in memory (0: no bound), None: on disk."""
    if memory is not None:
        path.mkdir(parents=True, exist_ok=True)
        # The kernel's own mode of such a file system, which is what a container sees upstream.
        _keep_in_memory(path, memory, 0o1777)
    atomic.write(path, files, group=group)


def _make_volume(path: str) -> None:
    Path(path).mkdir(parents=True, exist_ok=True)
    # Whoever its Pod runs as may write in it, as in an emptyDir.
    Path(path).chmod(0o777)


def _check_directory(found: LocalDirectory) -> None:
    if found.host_path_type is not None:
        host_path.check(found.path, found.host_path_type)
    elif not os.path.exists(found.path):
        raise _Missing(f"path {go_quote(found.path)} does not exist")


def _link(path: Path, target: str) -> None:
    """Have the link show the target, whatever was there, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"..{path.name}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(path)
