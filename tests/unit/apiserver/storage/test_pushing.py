"""What a group of watchers gets by their outlets.

Everybody all of it in order, the slow ones too, and nobody waits for another.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from random import Random

import pytest

from apiserver.storage import pushing
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import Key
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.clock import SystemClock
from vaina.errors import TooManyRequests
from vaina.kinds import POD

PREFIX = Key("/registry/pods/")


class Stream:
    """A client's stream: what it was sent, and by which way."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.counts: list[int] = []
        #: does not take its next message
        self.is_stuck = False
        self.refuses = False
        self.is_busy = False
        self._on_idle: Callable[[], None] | None = None
        self._came = asyncio.Event()

    def send(self, message: bytes, events: int) -> None:
        assert not self.is_busy
        if self.refuses:
            raise TooManyRequests("not read", retry_seconds=1)
        self.messages.append(message)
        self.counts.append(events)
        self._came.set()
        self.is_busy = True
        if not self.is_stuck:
            asyncio.get_running_loop().call_soon(self.go_on)

    def on_idle(self, callback: Callable[[], None]) -> None:
        self._on_idle = callback

    def go_on(self) -> None:
        self.is_stuck = self.is_busy = False
        if self._on_idle is not None:
            self._on_idle()

    @property
    def names(self) -> list[str]:
        responses = map(pod_service_pb2.PodWatchResponse.FromString, self.messages)
        return [event.object.metadata.name for response in responses for event in response.events]

    @property
    def version(self) -> int:
        return int(pod_service_pb2.PodWatchResponse.FromString(self.messages[-1]).resource_version)

    async def has(self, *names: str) -> None:
        async with asyncio.timeout(60):
            while self.names != list(names):
                self._came.clear()
                await self._came.wait()

    async def serve(self, cacher: Cacher) -> None:
        """Watch until it ends. What is yielded and what is sent is one story."""
        watch = cacher.watch_selection(Selection(PREFIX), initial=True, bookmarks=True, outlet=self)
        async with aclosing(watch) as batches:
            async for batch in batches:
                self.messages.append(batch.response)
                self._came.set()


@pytest.fixture
async def cacher() -> AsyncIterator[Cacher]:
    clock = SystemClock()
    cacher = Cacher(
        MemoryStorage(clock), [resource_of(POD)], clock=clock, rng=Random(1), ring_capacity=1000, queue_capacity=50
    )  # fmt: skip
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield cacher


async def create(cacher: Cacher, *names: str) -> int:
    version = 0
    for name in names:
        pod = pod_pb2.Pod()
        pod.metadata.name = name
        stored = await cacher.create(Key(f"{PREFIX}default/{name}"), pod.SerializeToString(), ("v1", "Pod"))
        version = stored.version
    return version


async def test_everybody_gets_everything_in_order_and_the_same_bytes(
    cacher: Cacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All in one turn, on a busy machine too: who has the next one gets what has come meanwhile as well.
    monkeypatch.setattr(pushing, "_TURN_SECONDS", 60.0)
    streams = [Stream() for _ in range(30)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stream.serve(cacher)) for stream in streams]
        for stream in streams:
            await stream.has("")
        version = await create(cacher, "a", "b", "c")
        for stream in streams:
            await stream.has("", "a", "b", "c")
            assert stream.version >= version
        assert sum(streams[0].counts) == 3
        # Made once.
        assert len({id(stream.messages[1]) for stream in streams}) == 1
        for task in tasks:
            task.cancel()


async def test_who_is_stuck_is_passed_over_and_gets_what_he_missed_when_he_goes_on(cacher: Cacher) -> None:
    slow, quick = Stream(), Stream()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stream.serve(cacher)) for stream in (slow, quick)]
        await slow.has("")
        await quick.has("")
        slow.is_stuck = True
        await create(cacher, "a")
        await slow.has("", "a")
        await create(cacher, "b", "c")
        await quick.has("", "a", "b", "c")
        await slow.has("", "a")
        slow.go_on()
        await slow.has("", "a", "b", "c")
        await create(cacher, "d")
        await slow.has("", "a", "b", "c", "d")
        await quick.has("", "a", "b", "c", "d")
        for task in tasks:
            task.cancel()


async def test_who_stays_behind_by_more_than_the_log_has_is_cut_and_others_go_on(cacher: Cacher) -> None:
    slow, quick = Stream(), Stream()
    async with asyncio.TaskGroup() as group:
        ends = group.create_task(slow.serve(cacher))
        goes_on = group.create_task(quick.serve(cacher))
        await slow.has("")
        await quick.has("")
        slow.is_stuck = True
        names = [f"{number:03}" for number in range(80)]
        for number, name in enumerate(names):
            await create(cacher, name)
            await quick.has("", *names[: number + 1])
        # Ends by itself: the client resumes after what it has.
        await asyncio.wait_for(ends, 60)
        assert len(slow.names) < len(quick.names)
        goes_on.cancel()


async def test_who_is_behind_by_several_messages_gets_them_one_after_the_other(
    cacher: Cacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "BATCH_EVENTS", 4)
    stream, witness = Stream(), Stream()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.serve(cacher)) for each in (stream, witness)]
        await stream.has("")
        await witness.has("")
        stream.is_stuck = True
        names = [f"{number:03}" for number in range(20)]
        await create(cacher, *names)
        await witness.has("", *names)
        stream.go_on()
        await stream.has("", *names)
        assert max(stream.counts) <= 4
        for task in tasks:
            task.cancel()


async def test_a_refusal_ends_one_stream_with_it_and_no_other(cacher: Cacher) -> None:
    full, other = Stream(), Stream()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(other.serve(cacher))
        await other.has("")
        full.refuses = True
        refused = group.create_task(_refused(full, cacher))
        await full.has("")
        await create(cacher, "a")
        await refused
        await create(cacher, "b")
        await other.has("", "a", "b")
        task.cancel()


async def _refused(stream: Stream, cacher: Cacher) -> None:
    with pytest.raises(TooManyRequests):
        await stream.serve(cacher)


async def test_who_comes_when_all_others_have_gone_is_served(cacher: Cacher) -> None:
    stream = Stream()
    for name in ("a", "b"):
        stream = Stream()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(stream.serve(cacher))
            async with asyncio.timeout(60):
                while "" not in stream.names:
                    await SystemClock().sleep(0)
            await create(cacher, name)
            async with asyncio.timeout(60):
                while stream.names[-1] != name:
                    await SystemClock().sleep(0.001)
            task.cancel()
    assert stream.names == ["a", "", "b"]
