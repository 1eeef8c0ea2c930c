"""Clients that watch ConfigMaps, resume and list anew as reflectors do, and write down all that they got.

And the truth to compare it with.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from apiserver.storage import versions
from apiserver.storage.interface import EventType, Key, StorageEvent, Version
from tests.support.etcd import etcd_storage
from tests.support.tasks import running
from tests.support.watch_validators import BOOKMARK, End, Recorded, Seen, Selects
from tests.support.write_load import SHARD, data_of
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import WatchBatch
from vaina.clock import SystemClock
from vaina.errors import ApiError, Expired
from vaina.objects.watch import BOOKMARK as BOOKMARK_EVENT
from vaina.objects.watch import INITIAL_EVENTS_END

_PREFIX = Key("/registry/configmaps/default/")


class WatchRecorder:
    """One client. It begins with the current state, and asks `pick` for a client before every watch."""

    def __init__(
        self,
        pick: Callable[[], Clientset],
        *,
        shard: int | None = None,
        slow_seconds: float = 0.0,
        stream_seconds: int | None = None,
    ) -> None:
        """Make a client.

        Args:
            pick: returns a client of any apiserver.
            shard: watch objects with this label alone.
            slow_seconds: rests so long after each batch.
            stream_seconds: asks for streams that end after this time.
        """
        self._pick, self.shard, self._slow = pick, shard, slow_seconds
        self._stream_seconds = stream_seconds
        self._clock = SystemClock()
        self._events: list[Seen] = []
        self._before: list[Recorded] = []
        self._after, self._initial = 0, True
        #: everything up to here has been delivered
        self.reached = 0
        #: why streams ended
        self.ends: list[str] = []

    async def run(self) -> None:
        """Watch until cancelled; it may be run again, and goes on where it was."""
        while True:
            end = End.CUT
            try:
                await self._watch()
                self.ends.append("in good order")
            except Expired as error:
                end = End.EXPIRED
                self.ends.append(f"Expired: {error.message}")
            except ApiError as error:
                self.ends.append(f"{error.reason}: {error.message}")
                await self._clock.sleep(0.1)
            finally:
                self._close(end)

    def _close(self, end: End) -> None:
        stream = self._stream(end)
        self._before.append(stream)
        self._events = []
        self._initial = end is End.EXPIRED or not stream.reached
        self._after = 0 if self._initial else stream.reached

    def streams(self, until: int) -> list[Recorded]:
        """Return what it got. Everything up to a version had to arrive."""
        return [*self._before, self._stream(End.LEFT, until)]

    @property
    def lists(self) -> int:
        """How often it began with the current state."""
        return sum(stream.initial for stream in self.streams(0))

    def _stream(self, end: End, until: int = 0) -> Recorded:
        return Recorded(
            self._after, tuple(self._events), end, initial=self._initial, until=until, selects=self._selects()
        )

    def _selects(self) -> Selects:
        if self.shard is None:
            return lambda key, data: True
        wanted = str(self.shard)
        return lambda key, data: isinstance(data, tuple) and data[1] == wanted

    async def _watch(self) -> None:
        selector = "" if self.shard is None else f"{SHARD}={self.shard}"
        batches = self._pick().config_maps.watch(
            "default",
            label_selector=selector,
            resource_version="" if self._initial else str(self._after),
            send_initial_events=True if self._initial else None,
            timeout_seconds=self._stream_seconds,
        )
        async with aclosing(batches) as stream:
            async for batch in stream:
                self._record(batch)
                if self._slow:
                    await self._clock.sleep(self._slow)

    def _record(self, batch: "WatchBatch[config_pb2.ConfigMap]") -> None:
        for event in batch.events:
            obj, version = event.object, int(event.object.metadata.resource_version)
            if event.type == BOOKMARK_EVENT:
                ends = obj.metadata.annotations.get(INITIAL_EVENTS_END) == "true"
                self._events.append(Seen(BOOKMARK, "", version, ends_initial=ends))
            else:
                self._events.append(Seen(event.type, f"default/{obj.metadata.name}", version, data_of(obj)))
        if batch.resource_version:
            self._events.append(Seen(BOOKMARK, "", int(batch.resource_version)))
        self.reached = max(self.reached, self._stream(End.CUT).reached)


class Truth:
    """Everything that etcd saw of ConfigMaps, from a watch of its own that nothing disturbs."""

    def __init__(self) -> None:
        self.history: list[Seen] = []
        self.reached = Version(0)

    def add(self, event: StorageEvent) -> None:
        """Write down an event."""
        self.reached = event.version
        if event.type is EventType.BOOKMARK or event.object is None:
            return
        obj = config_pb2.ConfigMap.FromString(event.object.data)
        self.history.append(Seen(event.type, f"default/{obj.metadata.name}", event.version, data_of(obj)))

    async def wait(self, version: int) -> None:
        """Return when everything up to a version is in the history."""
        clock = SystemClock()
        async with asyncio.timeout(30):
            while self.reached < version:
                await clock.sleep(0.01)


@asynccontextmanager
async def truth_of(*targets: str) -> AsyncIterator[Truth]:
    """Record the history of an etcd, from now on."""
    truth, clock = Truth(), SystemClock()
    async with etcd_storage(targets, writer="truth") as storage:
        truth.reached = await storage.current_version()

        async def record() -> None:
            while True:
                try:
                    async with aclosing(storage.watch(_PREFIX, after=truth.reached)) as batches:
                        async for batch in batches:
                            for event in batch:
                                truth.add(event)
                            # A batch holds whole revisions.
                            truth.reached = versions.whole(versions.revision_of(truth.reached))
                except Expired:
                    raise
                except ApiError:
                    await clock.sleep(0.05)

        async def ask() -> None:
            while True:
                await clock.sleep(0.2)
                try:
                    await storage.request_progress()
                except ApiError:
                    continue

        async with running(record(), ask()):
            yield truth
