"""Watches the objects that volumes are made of, one watch an object, so that a change is seen at once. Shell.

These are the ConfigMaps and Secrets that mounted volumes show, and those and claims that volumes wait for. As
upstream's `pkg/kubelet/util/manager/watch_based_manager.go`, a kubelet watches what its Pods name and nothing
else. What is not watched (too many, or the watch is away) is still seen with the Pod's resync and next try.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog

from kubelet.runtime.records import Uid
from kubelet.volumes.interface import Reference
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.clock import Clock
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
    """Owned by the node's volumes; everything in it is on one event loop."""

    def __init__(self, client: Clientset, clock: Clock, refresh: Callable[[Uid], Awaitable[None]]) -> None:
        """Make a follower. `refresh` brings a Pod's volumes up to date and raises nothing."""
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
        """Watch nothing for a Pod any more."""
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
                await self._refresh_changed()

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

    async def _refresh_changed(self) -> None:
        changed, self._changed = self._changed, {}
        for uid in dict.fromkeys(uid for reference in changed for uid in self._users.get(reference, ())):
            await self._refresh(uid)

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
