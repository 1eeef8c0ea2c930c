"""The node's volumes on its file system (step 5, MOUNTED; row B5). Called by the pod workers' executor.

They lie where upstream lays them: <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>. The file system
says what is mounted, so a restarted kubelet knows it. Blocking work runs in threads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from kubelet.containers.env import PodFacts
from kubelet.runtime.records import Uid
from kubelet.volumes import mounting
from kubelet.volumes.interface import ApiObjects, PodVolume, Reference, VolumeFailed, Volumes, setup_failed
from kubelet.volumes.payload import PayloadError
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.errors import ApiError
from vaina.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, SECRET, Kind

log = structlog.stdlib.get_logger(__name__)

#: objects that are followed on one node; those beyond change with the resync
MAX_FOLLOWED: Final = 1000
#: what changes meanwhile is refreshed together
GATHER_SECONDS: Final = 0.2
_KINDS: Final[dict[str, Kind[Any]]] = {
    kind.kind: kind for kind in (CONFIG_MAP, SECRET, PERSISTENT_VOLUME_CLAIM)
}


class ObjectFollower:
    """Watches the objects that volumes show or wait for, one watch an object, so that a change is seen at once.

    As upstream's `pkg/kubelet/util/manager/watch_based_manager.go`, a kubelet watches what its Pods name and
    nothing else. What is not watched (too many, or the watch is away) is seen with the Pod's resync.
    """

    def __init__(self, client: Clientset, clock: Clock, refresh: Callable[[Uid], Awaitable[None]]) -> None:
        self._client, self._clock, self._refresh = client, clock, refresh
        #: Pod -> what its volumes show
        self._wanted: dict[Uid, frozenset[Reference]] = {}
        #: in an order that is the same in each process: a simulation runs this too
        self._users: dict[Reference, dict[Uid, None]] = {}
        self._watches: dict[Reference, asyncio.Task[None]] = {}
        self._changed: dict[Reference, None] = {}
        self._wake = asyncio.Event()

    def follow(self, pod: pod_pb2.Pod, volumes: Iterable[volume_pb2.Volume]) -> None:
        """Watch what these volumes of a Pod are made of, besides what is watched for it already."""
        uid = Uid(pod.metadata.uid)
        found = {reference for volume in volumes for reference in plugin_of(volume).references(pod, volume)}
        if found <= self._wanted.get(uid, frozenset()):
            return
        self._wanted[uid] = self._wanted.get(uid, frozenset()) | found
        for reference in sorted(found):
            self._users.setdefault(reference, {})[uid] = None
        self._wake.set()

    def forget(self, uid: Uid) -> None:
        for reference in self._wanted.pop(uid, ()):
            users = self._users[reference]
            users.pop(uid, None)
            if not users:
                del self._users[reference]
        self._wake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                await self._clock.sleep(GATHER_SECONDS)
                self._wake.clear()
                self._adjust(group)
                changed, self._changed = self._changed, {}
                for uid in dict.fromkeys(uid for one in changed for uid in self._users.get(one, ())):
                    await self._refresh(uid)

    def _adjust(self, group: asyncio.TaskGroup) -> None:
        for reference in [known for known in self._watches if known not in self._users]:
            self._watches.pop(reference).cancel()
        for reference in [used for used in self._users if used not in self._watches]:
            if len(self._watches) >= MAX_FOLLOWED:
                log.warning("too many objects to follow", followed=len(self._watches))
                return
            self._watches[reference] = group.create_task(
                self._watch(reference), name=f"follow-{reference.kind}-{reference.name}"
            )

    async def _watch(self, reference: Reference) -> None:
        informer: Informer[Any] = Informer(
            self._client.kind(_KINDS[reference.kind]), self._clock, namespace=reference.namespace,
            field_selector=f"metadata.name={reference.name}",
        )  # fmt: skip

        def tell(*_: object) -> None:
            self._changed[reference] = None
            self._wake.set()

        # What is there at first is told as well: it may have changed since it was mounted.
        informer.add_handler(on_add=tell, on_update=tell)
        await informer.run()


class VolumeManager(Volumes):
    """Volumes under one root directory. Any task may call it; only a Pod's worker touches the Pod's volumes."""

    def __init__(self, root: Path, objects: ApiObjects) -> None:
        super().__init__()
        self._root, self._objects = root, objects
        self._follower: ObjectFollower | None = None
        self._arrived: Callable[[Uid], None] = lambda _: None
        #: Pods whose volumes need what is not there yet
        self._waiting: set[Uid] = set()
        self._shown: dict[Uid, _Shown] = {}

    def follow_with(self, follower: ObjectFollower, arrived: Callable[[Uid], None]) -> None:
        self._follower, self._arrived = follower, arrived

    def _pod(self, uid: Uid) -> Path:
        return self._root / "pods" / uid

    def _path(self, uid: Uid, volume: volume_pb2.Volume) -> Path:
        return self._pod(uid) / "volumes" / plugin_of(volume).directory / volume.name

    def _wanted(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume, facts: PodFacts) -> PodVolume:
        path = self._path(Uid(pod.metadata.uid), volume)
        return PodVolume(pod, volume, facts, path, self._root, self._objects)

    def host_path(self, uid: Uid, volume: volume_pb2.Volume) -> str:
        return plugin_of(volume).host_path(volume, self._path(uid, volume))

    async def mounted(self, pod: pod_pb2.Pod) -> frozenset[str]:
        uid = Uid(pod.metadata.uid)
        return await asyncio.to_thread(
            lambda: frozenset(
                volume.name
                for volume in pod.spec.volumes
                if plugin_of(volume).is_set_up(volume, self._path(uid, volume))
            )
        )

    async def prepare(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        uid, wanted = Uid(pod.metadata.uid), set(names)
        volumes = [volume for volume in pod.spec.volumes if volume.name in wanted]
        try:
            for volume in volumes:
                with _told(volume):
                    await plugin_of(volume).check(self._wanted(pod, volume, facts))
        except VolumeFailed:
            self._waiting.add(uid)
            if self._follower is not None:
                self._follower.follow(pod, volumes)
            raise
        self._wait_no_more(uid)

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
        plugin, wanted = plugin_of(volume), self._wanted(pod, volume, facts)
        if plugin.directory:
            await asyncio.to_thread(mounting.make_private, self._root / "pods", wanted.path.parent)
        if plugin.requires_remount:
            await self._show(wanted)
        else:
            await plugin.set_up(wanted)

    async def _show(self, wanted: PodVolume) -> None:
        pod, volume, facts = wanted.pod, wanted.volume, wanted.facts
        uid = Uid(pod.metadata.uid)
        shown = self._shown.setdefault(uid, _Shown(pod, facts))
        shown.pod, shown.facts = pod, facts
        async with shown.lock:
            await plugin_of(volume).set_up(wanted)
        shown.names.add(volume.name)
        if self._follower is not None:
            self._follower.follow(pod, (volume,))

    async def refresh(self, uid: Uid) -> None:
        """Bring a Pod's volumes up to date after an object of theirs has changed; what fails is tried later."""
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
                    await plugin_of(volume).set_up(self._wanted(shown.pod, volume, shown.facts))
                except (PayloadError, ApiError, OSError, ValueError) as error:
                    log.warning("volume not refreshed", uid=uid, volume=volume.name, error=str(error))

    async def unmount(self, uid: Uid) -> None:
        root = self._pod(uid)
        self._wait_no_more(uid)
        shown = self._shown.pop(uid, None)
        if shown is not None:
            if self._follower is not None:
                self._follower.forget(uid)
            async with shown.lock:
                pass  # a refresh that was writing has ended, and none begins

        def undo() -> None:
            mounting.clear_parts(root)
            mounting.clear(root / "volumes")

        try:
            await asyncio.to_thread(undo)
            self._objects.forget(uid)
        except OSError as error:
            raise VolumeFailed("", f"volumes of pod {uid} cannot be unmounted: {error}") from error


@dataclass(slots=True)
class _Shown:
    """Volumes of one Pod that are made of objects."""

    pod: pod_pb2.Pod
    facts: PodFacts
    names: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@contextmanager
def _told(volume: volume_pb2.Volume) -> Iterator[None]:
    try:
        yield
    # ValueError: a path that no system call takes (it has a byte 0).
    except (PayloadError, ApiError, OSError, ValueError) as error:
        raise VolumeFailed(volume.name, f"{setup_failed(volume.name)}{error}") from error
