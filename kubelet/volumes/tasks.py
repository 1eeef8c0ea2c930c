"""What of the volumes runs beside the Pods' workers: it deletes the data of volumes and Pods that are gone."""

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from kubelet.runtime.records import Uid
from kubelet.tasks import Job
from kubelet.volumes import mounting
from kubelet.volumes.interface import Volumes
from kubelet.volumes.manager import ObjectFollower, VolumeManager
from kubelet.volumes.plugins.claimed import is_taken
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.clock import Clock
from vaina.controller import Controller, Tools
from vaina.errors import NotFound
from vaina.objects.local_path import FINALIZER, NODE_LABEL, is_ours, is_to_be_deleted, node_label, node_of
from vaina.objects.meta import remove_finalizer

log = structlog.stdlib.get_logger(__name__)

Volume = persistent_volume_pb2.PersistentVolume

#: a volume that a Pod still has, or whose data cannot be deleted, is looked at again
USED_SECONDS: Final = 2.0
FAILED_SECONDS: Final = 30.0
#: what is being deleted has another name, so that half of it is never taken for a volume
_DELETED: Final = ".deleted-"


def _destroy(hidden: Path) -> None:
    """Delete what was a volume, and nothing that is mounted in it. Raises OSError."""
    for mounted in mounting.mounts_below(os.path.realpath(hidden)):
        mounting.unmount(mounted)
    shutil.rmtree(hidden)


class LocalPaths(Controller):
    """Deletes the data of this node's local volumes once no Pod has them, and then the volume (decision 114).

    Its keys are names of volumes. A finalizer keeps the volume as long as its data may be there, so a kubelet
    that was killed, or a node that was away, goes on. Data of which the apiserver knows nothing stay.
    """

    name = "local-path-deleter"

    def __init__(
        self,
        client: Clientset,
        clock: Clock,
        *,
        node: str,
        directory: Path,
        is_used: Callable[[str], bool],
        events: EventRecorder,
        rng: random.Random | None = None,
    ) -> None:
        """Make it. Nothing outside of `directory` is deleted; `is_used` may block."""
        super().__init__(Tools(clock, workers=1))
        self._client, self._node, self._directory = client, node, directory
        self._is_used, self._events = is_used, events
        self._informer: Informer[Volume] = Informer(
            client.persistent_volumes, clock, label_selector=f"{NODE_LABEL}={node_label(node)}", rng=rng
        )
        self._volumes = self.watch(self._informer)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run(), name="volumes-of-node")
            await self._informer.wait_synced()
            await asyncio.to_thread(self._sweep, {volume.metadata.name for volume in self._volumes.list()})
            await super().run()

    def _sweep(self, known: Iterable[str]) -> None:
        """Finish what an earlier kubelet began to delete, and log the directories that belong to no volume."""
        if not self._directory.is_dir():
            return
        names = frozenset(known)
        for found in self._directory.iterdir():
            if found.name.startswith(_DELETED):
                try:
                    _destroy(found)
                except OSError as error:
                    log.warning("rest of a volume not deleted", path=str(found), error=str(error))
            elif found.name not in names:
                log.warning("directory of a volume that is not there", path=str(found))

    async def sync(self, key: str) -> float | None:
        shown = self._volumes.get(key)
        if shown is None or not self._may_go(shown):
            return None
        try:
            # Data are deleted on the word of the apiserver, not of a cache.
            volume = await self._client.persistent_volumes.get(key)
        except NotFound:
            return None
        if volume.metadata.uid != shown.metadata.uid or not self._may_go(volume):
            return None
        path = volume.spec.persistent_volume_source.local.path
        if volume.spec.persistent_volume_reclaim_policy == "Delete":
            if await asyncio.to_thread(self._is_used, path):
                return USED_SECONDS
            try:
                await asyncio.to_thread(self._remove, path)
            except OSError as error:
                self._events.event(volume, "Warning", "VolumeFailedDelete", str(error))
                log.warning("volume not deleted", volume=key, uid=volume.metadata.uid, error=str(error))
                return FAILED_SECONDS
        await self._let_go(volume)
        return None

    def _may_go(self, volume: Volume) -> bool:
        if not is_ours(volume) or node_of(volume) != self._node:
            return False
        ending = volume.metadata.HasField("deletion_timestamp") and volume.status.phase != "Bound"
        return is_to_be_deleted(volume) or (ending and FINALIZER in volume.metadata.finalizers)

    def _remove(self, path: str) -> None:
        target = Path(path)
        if target.parent != self._directory or target.name.startswith("."):
            raise PermissionError(f"{path} is not a volume below {self._directory}")
        hidden = target.with_name(f"{_DELETED}{target.name}")
        if target.exists() and not hidden.exists():
            target.rename(hidden)
        if hidden.exists():
            _destroy(hidden)
        if target.exists():
            raise FileExistsError(f"{path} was there again")

    async def _let_go(self, volume: Volume) -> None:
        meta = volume.metadata
        if FINALIZER in meta.finalizers:
            changed = Volume()
            changed.CopyFrom(volume)
            remove_finalizer(changed.metadata, FINALIZER)
            await self._client.persistent_volumes.update(changed)
        with suppress(NotFound):
            await self._client.persistent_volumes.delete(meta.name, uid=meta.uid)
        log.info("volume deleted", volume=meta.name, uid=meta.uid)


#: a directory that belonged to no Pod in two looks is removed
PERIOD_SECONDS: Final = 30.0
#: below the kubelet's root, where what is to be removed waits for it
ASIDE: Final = "orphans"


class OrphanedDirectories:
    """Removes directories of Pods that no worker looks after: a kubelet that was killed leaves some.

    As upstream's cleanupOrphanedPodDirs (`pkg/kubelet/kubelet_volumes.go`): claims are links and mounts are
    undone first, so that no data can go with them. A static Pod may come back under its uid at any moment, so
    a directory is moved aside in one step, right after it was seen that no worker has it.
    """

    def __init__(self, root: Path, clock: Clock, known: Callable[[], Collection[Uid] | None]) -> None:
        self._pods, self._aside, self._clock, self._known = root / "pods", root / ASIDE, clock, known
        self._suspected: frozenset[Uid] = frozenset()

    async def run(self) -> None:
        while True:
            await self._clock.sleep(PERIOD_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Remove what belonged to no Pod at the last look either, and what was moved aside before."""
        known = self._known()
        if known is None:
            return
        found = await asyncio.to_thread(_names, self._pods)
        nobodys = frozenset(Uid(name) for name in found).difference(known)
        for uid in sorted(nobodys & self._suspected):
            self._move_aside(uid)
        self._suspected = nobodys
        for name in sorted(await asyncio.to_thread(_names, self._aside)):
            try:
                await asyncio.to_thread(mounting.clear, self._aside / name)
            except OSError as error:
                log.warning("orphaned pod directory not removed", uid=name, error=str(error))
            else:
                log.info("orphaned pod directory removed", uid=name)

    def _move_aside(self, uid: Uid) -> None:
        """Move a directory, unless its Pod has come; nothing is awaited, so no worker can begin meanwhile."""
        known = self._known()
        if known is None or uid in known:
            return
        try:
            self._aside.mkdir(exist_ok=True)
            (self._pods / uid).rename(self._aside / uid)
        except OSError as error:
            log.warning("orphaned pod directory not removed", uid=uid, error=str(error))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def volume_tasks(  # noqa: PLR0913 - one node's parts
    volumes: Volumes,
    client: Clientset,
    clock: Clock,
    *,
    node: str,
    root: str,
    directory: str,
    events: EventRecorder,
    known: Callable[[], Collection[Uid] | None],
    arrived: Callable[[Uid], None],
    rng: random.Random | None = None,
) -> tuple[Job, ...]:
    """Return what is to run for a node's volumes; nothing for a hollow node's.

    `known` gives the Pods that have a worker, None while not all are known. `arrived` is told of a Pod when
    something has changed that its volumes wait for.
    """
    if not isinstance(volumes, VolumeManager):
        return ()
    follower = ObjectFollower(client, clock, volumes.refresh)
    volumes.follow_with(follower, arrived)
    paths = LocalPaths(
        client,
        clock,
        node=node,
        directory=Path(directory),
        is_used=partial(is_taken, Path(root)),
        events=events,
        rng=rng,
    )
    orphans = OrphanedDirectories(Path(root), clock, known)
    return follower.run, paths.run, orphans.run
