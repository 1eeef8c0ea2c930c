"""The kinds that stand for a PersistentVolume: persistentVolumeClaim and ephemeral.

The volume is a link to the claim's directory: what removes a Pod's tree cannot reach the data (decision 115).
"""

import asyncio
import os
import stat
import threading
from abc import abstractmethod
from collections.abc import Set
from pathlib import Path
from typing import Final

from kubelet.volumes.claims import ClaimProblem, LocalDirectory, check_claim, check_volume, is_reached
from kubelet.volumes.interface import PodVolume, Reference, VolumeFailed, VolumePlugin, setup_failed
from kubelet.volumes.payload import PayloadError
from kubelet.volumes.plugins import node_paths
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.errors import Conflict
from vaina.quoting import go_quote

_DIRECTORY: Final = "kubernetes.io~local-volume"
#: a volume for one Pod at a time is looked at and taken in one go
_TAKING: Final = threading.Lock()


class Claimed(VolumePlugin):
    """A kind whose volume is the directory of a PersistentVolume."""

    directory = _DIRECTORY
    #: the claim is made for the Pod, and must be owned by it
    made_for_pod = False

    @abstractmethod
    def claim_name(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> str:
        """Return the name of the claim."""

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        return path.is_symlink()

    def host_path(self, volume: volume_pb2.Volume, path: Path) -> str:
        return os.readlink(path) if path.is_symlink() else str(path)

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        return {Reference("PersistentVolumeClaim", pod.metadata.namespace, self.claim_name(pod, volume))}

    async def check(self, wanted: PodVolume) -> None:
        await self._check(wanted)

    async def set_up(self, wanted: PodVolume) -> None:
        found = await self._check(wanted)
        read_only = self.is_read_only(wanted.volume)
        try:
            await asyncio.to_thread(_take, wanted, found, read_only=read_only)
        except OSError as error:
            raise VolumeFailed(wanted.volume.name, f"{setup_failed(found.name)}{error}") from error

    async def _check(self, wanted: PodVolume) -> LocalDirectory:
        """Return the directory of a claim, if it is there and free. Raises VolumeFailed."""
        name = wanted.volume.name
        try:
            found = await self._find(wanted)
        except ClaimProblem as error:
            words = (
                f"Unable to attach or mount volumes: unmounted volumes=[{name}], unattached volumes=[], "
                f"failed to process volumes=[{name}]: {error}"
            )
            raise VolumeFailed(name, words) from error
        try:
            if found.host_path_type is not None:
                await asyncio.to_thread(node_paths.check, found.path, found.host_path_type)
        except (PayloadError, OSError) as error:
            raise VolumeFailed(name, f"{setup_failed(found.name)}{error}") from error
        if found.host_path_type is None and not await asyncio.to_thread(os.path.exists, found.path):
            words = f'MountVolume.NewMounter initialization failed for volume "{found.name}" : '
            raise VolumeFailed(name, f"{words}path {go_quote(found.path)} does not exist")
        await asyncio.to_thread(_check_free, wanted, found)
        return found

    async def _find(self, wanted: PodVolume) -> LocalDirectory:
        """Return the directory of a claim; one that was never mounted is made, and marked as made."""
        claims, pod, volume = wanted.objects, wanted.pod, wanted.volume
        name = self.claim_name(pod, volume)
        claim = await claims.claim(pod.metadata.namespace, name)
        claim = check_claim(claim, name, pod, made_for_pod=self.made_for_pod)
        bound = await claims.volume(claim.spec.volume_name)
        found = check_volume(bound, claim, volume.name)
        assert bound is not None, "it was checked"
        placed = bound.spec.node_affinity.HasField("required")
        if placed and not is_reached(bound, await claims.node(wanted.facts.node_name)):
            words = f'MountVolume.NodeAffinity check failed for volume "{found.name}" : no matching NodeSelectorTerms'
            raise VolumeFailed(volume.name, words)
        if found.unmade:
            await asyncio.to_thread(_make_volume, found.path)
            try:
                await claims.mark_made(bound)
            except Conflict as error:
                raise ClaimProblem(error.message) from error
        return found


class PersistentVolumeClaim(Claimed):
    """The volume that the claim of a name is bound to."""

    def claim_name(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> str:
        return volume.volume_source.persistent_volume_claim.claim_name

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return volume.volume_source.persistent_volume_claim.read_only


class Ephemeral(Claimed):
    """The volume of a claim that is made for the Pod and named after it."""

    made_for_pod = True

    def claim_name(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> str:
        return f"{pod.metadata.name}-{volume.name}"


def is_taken(root: Path, directory: str, *, but: str = "") -> bool:
    """Say whether any Pod of this node but the one of uid `but` has a directory. Blocking."""
    for link in root.glob(f"pods/*/volumes/{_DIRECTORY}/*"):
        if link.parts[-4] != but and link.is_symlink() and os.readlink(link) == directory:
            return True
    return False


def _check_free(wanted: PodVolume, found: LocalDirectory) -> None:
    if found.exclusive and is_taken(wanted.root, found.path, but=wanted.pod.metadata.uid):
        words = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
        raise VolumeFailed(wanted.volume.name, setup_failed(found.name) + words)


def _take(wanted: PodVolume, found: LocalDirectory, *, read_only: bool) -> None:
    if wanted.group is not None and found.host_path_type is None:
        policy = wanted.pod.spec.security_context.fs_group_change_policy
        give_to_group(Path(found.path), wanted.group, policy, read_only=read_only)
    with _TAKING:
        _check_free(wanted, found)
        _link(wanted.path, found.path)


def _make_volume(path: str) -> None:
    Path(path).mkdir(parents=True, exist_ok=True)
    # Every user may write in it, as in an emptyDir.
    Path(path).chmod(0o777)


def _link(path: Path, target: str) -> None:
    """Make the link show the target in one step, whatever was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"..{path.name}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(path)


_READ_WRITE: Final = 0o660
_READ_ONLY: Final = 0o440
_EXECUTE: Final = 0o110


def give_to_group(root: Path, group: int, policy: str, *, read_only: bool = False) -> None:
    """Give a volume to a group, or only reading (SetVolumeOwnership, `pkg/volume/volume_linux.go`).

    The policy is Always (or empty) or OnRootMismatch: nothing is done when the root is right. Raises OSError.
    """
    if policy == "OnRootMismatch" and _is_right(os.stat(root), group, read_only=read_only):
        return
    # Bottom up: the root is right only when everything is, so that one which was interrupted is done again.
    for folder, names, files, descriptor in os.fwalk(root, topdown=False):
        for name in (*files, *names):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                _give(name, found, group, descriptor, read_only=read_only)
        if Path(folder) != root:
            _give(".", os.fstat(descriptor), group, descriptor, read_only=read_only)
    _give(str(root), os.stat(root), group, None, read_only=read_only)


def _wanted(mode: int, *, read_only: bool) -> int:
    mask = _READ_ONLY if read_only else _READ_WRITE
    if stat.S_ISDIR(mode):
        mask |= _EXECUTE | stat.S_ISGID
    return mask


def _is_right(found: os.stat_result, group: int, *, read_only: bool) -> bool:
    mask = _wanted(found.st_mode, read_only=read_only)
    return found.st_gid == group and found.st_mode & mask == mask


def _give(name: str, found: os.stat_result, group: int, parent: int | None, *, read_only: bool) -> None:
    os.chown(name, -1, group, dir_fd=parent, follow_symlinks=False)
    if parent is None:
        os.chmod(name, stat.S_IMODE(found.st_mode) | _wanted(found.st_mode, read_only=read_only))
        return
    # By descriptor: a container may have made it a link meanwhile, which chmod would follow.
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(f"/proc/self/fd/{descriptor}", stat.S_IMODE(mode) | _wanted(mode, read_only=read_only))
    finally:
        os.close(descriptor)
