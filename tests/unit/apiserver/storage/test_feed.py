"""The watch that feeds the cache breaks, is silent, or finds its version compacted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from random import Random

import pytest

from apiserver.storage import versions
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import CONSISTENT, Key, Page, Read, StorageEvent, Version
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from tests.support.frames import frames_of
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2
from vaina.errors import ApiError, Expired, Unavailable
from vaina.kinds import POD, POD_TRACE
from vaina.testing.clock import FakeClock, settle

PREFIX = Key("/registry/pods/")
META = ("v1", "Pod")


class Fragile(MemoryStorage):
    """A memory whose watches and lists can be broken."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._broken = asyncio.Event()
        self._error: ApiError = Unavailable("away")
        #: no list and no watch succeeds
        self.is_away = False
        self.lists = 0

    def restore(self, other: MemoryStorage) -> None:
        """Become what another storage is."""
        self.__dict__.update(other.__dict__)

    def break_watches(self, error: ApiError) -> None:
        """End the watches that are open with an error."""
        self._error = error
        self._broken.set()
        self._broken = asyncio.Event()

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        if self.is_away:
            raise Unavailable("away")
        self.lists += 1
        return await super().list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        broken, loop = self._broken, asyncio.get_running_loop()
        ends = loop.create_task(broken.wait())
        try:
            async with aclosing(super().watch(prefix, after=after, previous=previous)) as source:
                while not self.is_away:
                    batch = loop.create_task(anext_of(source))
                    try:
                        await asyncio.wait([batch, ends], return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        if not batch.done():
                            batch.cancel()
                            await asyncio.wait([batch])
                    if batch.cancelled():
                        raise self._error
                    yield batch.result()
                raise Unavailable("away")
        finally:
            ends.cancel()


async def anext_of(source: AsyncGenerator[Sequence[StorageEvent], None]) -> Sequence[StorageEvent]:
    return await anext(source)


def key(name: str) -> Key:
    return Key(f"{PREFIX}default/{name}")


def pod(name: str) -> bytes:
    return pod_pb2.Pod(metadata={"name": name}).SerializeToString()


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.storage = Fragile(self.clock)
        self.cacher = Cacher(
            self.storage, [resource_of(POD), resource_of(POD_TRACE)], clock=self.clock, rng=Random(1)
        )

    async def names(self) -> list[str]:
        """What the cache has, without asking the storage."""
        page = await self.cacher.list(PREFIX, Read(at_least=Version(0)))
        return [item.key.rpartition("/")[2] for item in page.items]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    async with running(world.cacher.run()):
        await world.cacher.wait_ready()
        yield world


async def test_a_watch_that_broke_goes_on_where_it_was(world: World) -> None:
    await world.storage.create(key("a"), pod("a"), META)
    await settle()
    start = await world.cacher.current_version()
    async with aclosing(world.cacher.watch_selection(Selection(PREFIX), after=start)) as watch:
        waiting = asyncio.get_running_loop().create_task(anext_version(watch))
        await settle()
        world.storage.break_watches(Unavailable("broke"))
        await settle()
        assert not world.cacher.is_connected
        stored = await world.storage.create(key("b"), pod("b"), META)
        assert await world.names() == ["a"]
        await world.clock.advance(0.1)
        assert await world.names() == ["a", "b"]
        assert world.cacher.is_connected
        assert world.storage.lists == 1
        assert await waiting >= stored.version


async def anext_version(watch: AsyncIterator[object]) -> Version:
    batch = await anext(watch)
    return batch.version  # type: ignore[attr-defined,no-any-return]


async def test_a_watch_whose_version_is_gone_lists_again_and_ends_the_streams(world: World) -> None:
    start = await world.cacher.current_version()
    async with aclosing(world.cacher.watch_selection(Selection(PREFIX), after=start)) as watch:
        waiting = asyncio.get_running_loop().create_task(anext_version(watch))
        await settle()
        world.storage.break_watches(Expired("compacted"))
        await settle()
        await world.storage.create(key("a"), pod("a"), META)
        await world.clock.advance(0.1)
        assert world.storage.lists == 2
        assert await world.names() == ["a"]
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), StopAsyncIteration | RuntimeError)
    # Who resumes gets what the new cache never saw as an event, from the storage.
    async with aclosing(world.cacher.watch_selection(Selection(PREFIX), after=start)) as watch:
        batch = await anext(watch)
        assert [(frame.type, frame.version) for frame in frames_of(batch)] == [
            ("ADDED", versions.version_of(2, 0))
        ]


async def test_back_off_grows_while_the_storage_is_away(world: World) -> None:
    world.storage.is_away = True
    world.storage.break_watches(Unavailable("broke"))
    await world.clock.advance(30)
    assert not world.cacher.is_connected
    world.storage.is_away = False
    await world.storage.create(key("a"), pod("a"), META)
    await world.clock.advance(3.1)
    assert await world.names() == ["a"]


async def test_kinds_are_told_apart_by_their_prefix(world: World) -> None:
    trace = Key("/registry/vaina.dev/podtraces/default/a")
    other = Key("/registry/podsx/default/a")
    for name in (key("a"), trace, other):
        await world.storage.create(name, pod("a"), META)
    await settle()
    assert await world.names() == ["a"]
    stored = await world.cacher.get(trace, Read(at_least=Version(0)))
    assert stored is not None
    # What is not in the cache is asked of the storage.
    assert await world.cacher.get(other) == await world.storage.get(other)
    assert len((await world.cacher.list(Key("/registry/podsx/"))).items) == 1


async def test_a_storage_that_went_back_in_time_is_not_followed(world: World) -> None:
    """It was restored from an older copy.

    Whoever saw more may not go back (I7), and what was served is not to be believed any more.
    """
    for name in ("a", "b", "c"):
        await world.storage.create(key(name), pod(name), META)
    await settle()
    restored = MemoryStorage(world.clock)
    await restored.create(key("a"), pod("a"), META)
    start = await world.cacher.current_version()
    async with aclosing(world.cacher.watch_selection(Selection(PREFIX), after=start)) as watch:
        waiting = asyncio.get_running_loop().create_task(anext_version(watch))
        await settle()
        world.storage.restore(restored)
        world.storage.break_watches(Expired("compacted"))
        await world.clock.advance(1)
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), StopAsyncIteration | RuntimeError)
    assert not world.cacher.is_connected
    for read in (Read(), Read(at_least=Version(0))):
        with pytest.raises(Unavailable, match="older than what was served"):
            await world.cacher.list(PREFIX, read)
    with pytest.raises(Unavailable, match="older than what was served"):
        await anext_version(world.cacher.watch_selection(Selection(PREFIX), after=start))
    # Not even when the new past has grown longer than the old one: nobody knows what was missed between them.
    for name in ("x", "y", "z"):
        await world.storage.create(key(name), pod(name), META)
    await world.clock.advance(300)
    assert not world.cacher.is_connected
