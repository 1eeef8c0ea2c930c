"""Writes down what etcd saw happen to Pods and Nodes, through an apiserver that may be restarted meanwhile."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from bench.judge.happened import Happened
from bench.judge.history import violations
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError, Expired
from vaina.objects.watch import BOOKMARK


class SchedulingRecorder:
    """Watches Pods and Nodes from the beginning, and resumes when a stream breaks.

    A gap is an error: it would hide something.
    """

    def __init__(self, client: Clientset) -> None:
        self._client, self._clock = client, SystemClock()
        self.happened: list[Happened] = []
        #: uids of Pods that have a node
        self.bound: set[str] = set()
        #: uid -> the newest version that was recorded
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(self._client.pods))
            group.create_task(self._follow(self._client.nodes))

    async def _follow(self, client: Any) -> None:
        version = ""
        while True:
            try:
                async with aclosing(client.watch(resource_version=version)) as batches:
                    async for batch in batches:
                        for event in batch.events:
                            if event.type != BOOKMARK:
                                self._take(Happened(event.type, event.object))
                        version = batch.resource_version or version
            except Expired:
                raise
            except ApiError:
                await self._clock.sleep(0.1)

    def _take(self, happened: Happened) -> None:
        self.happened.append(happened)
        self._seen[happened.object.metadata.uid] = happened.version
        if happened.object.DESCRIPTOR.name == "Pod":
            if happened.type == "DELETED":
                self.bound.discard(happened.object.metadata.uid)
            elif getattr(happened.object.spec, "node_name", ""):
                self.bound.add(happened.object.metadata.uid)

    async def until(self, holds: Callable[[], bool], *, seconds: float) -> None:
        """Return when something holds of what was recorded. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds():
                await self._clock.sleep(0.02)

    async def caught_up(self, *, seconds: float = 30.0) -> None:
        """Return when everything is recorded that is there now."""
        for client in (self._client.pods, self._client.nodes):
            listed = await client.list()
            there = {item.metadata.uid: int(item.metadata.resource_version) for item in listed.items}
            await self.until(
                lambda there=there: all(self._seen.get(uid, 0) >= version for uid, version in there.items()),  # type: ignore[misc]  # the default binds what was listed
                seconds=seconds,
            )

    def violations(self, *, ended: bool = True) -> list[str]:
        """Return what was wrong."""
        return violations(self.happened, ended=ended)
