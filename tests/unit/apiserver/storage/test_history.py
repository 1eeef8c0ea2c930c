"""Watches that resume before the ring begins: what it costs the storage, however many they are."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from random import Random

import pytest

from apiserver.storage.cacher import Cacher
from apiserver.storage.history import MAX_PORTIONS
from apiserver.storage.interface import Key, StorageEvent, Version
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from apiserver.storage.watch_stream import WatchBatch
from tests.support.frames import frames_of
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.errors import ApiError, Expired, Unavailable
from vaina.kinds import CONFIG_MAP, POD
from vaina.objects.selectors import parse_label_selector
from vaina.testing.clock import FakeClock, settle

PODS, CONFIG_MAPS = Key("/registry/pods/"), Key("/registry/configmaps/")


class Counted(MemoryStorage):
    """A memory that counts who watches it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.opened = self.open = self.most = 0
        #: what watches say instead of anything else
        self.failure: ApiError | None = None
        #: while it is cleared, the watch that fills caches is late
        self.feeds = asyncio.Event()
        self.feeds.set()

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        self.opened, self.open = self.opened + 1, self.open + 1
        self.most = max(self.most, self.open)
        try:
            await asyncio.sleep(0)  # noqa: TID251 - others have their turn, as they have while etcd answers
            if self.failure is not None:
                raise self.failure
            async with aclosing(super().watch(prefix, after=after, previous=previous)) as source:
                async for batch in source:
                    if not previous:
                        await self.feeds.wait()
                    yield batch
        finally:
            self.open -= 1


@pytest.fixture
def memory() -> Counted:
    return Counted(FakeClock())


@asynccontextmanager
async def restarted(memory: Counted, *, ring_capacity: int = 1000) -> AsyncIterator[Cacher]:
    """An apiserver's cache that was filled a moment ago: its rings are empty."""
    cacher = Cacher(
        memory, [resource_of(POD), resource_of(CONFIG_MAP)],
        clock=FakeClock(), rng=Random(1), metrics=StorageMetrics(), ring_capacity=ring_capacity,
    )  # fmt: skip
    async with running(cacher.run()):
        await cacher.wait_ready()
        await settle()
        yield cacher


async def create_pods(memory: Counted, count: int) -> list[Version]:
    found = []
    for number in range(count):
        pod = pod_pb2.Pod(metadata={"name": f"p{number}", "labels": {"even": str(number % 2 == 0)}})
        key = Key(f"{PODS}default/p{number}")
        found.append((await memory.create(key, pod.SerializeToString(), ("v1", "Pod"))).version)
    return found


async def names_of(watch: AsyncIterator[WatchBatch], last: str) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(60):
        while last not in found:
            batch = await anext(watch)
            found += [pod_pb2.Pod.FromString(frame.object).metadata.name for frame in frames_of(batch)]
    return found


async def test_all_who_resume_after_a_restart_are_served_by_one_watch_of_the_storage(memory: Counted) -> None:
    versions = await create_pods(memory, 50)
    async with restarted(memory) as cacher:
        before = memory.opened

        async def resume(number: int) -> list[str]:
            async with aclosing(cacher.watch_selection(Selection(PODS), after=versions[number])) as watch:
                return await names_of(watch, "p49")

        results = await asyncio.gather(*(resume(number) for number in range(20) for _ in range(10)))
        for number, names in enumerate(results):
            assert names == [f"p{later}" for later in range(number // 10 + 1, 50)]
        assert memory.opened - before == 1
        assert memory.most == 2  # with the feed's own


async def test_one_reading_serves_all_kinds(memory: Counted) -> None:
    start = await memory.current_version()
    await create_pods(memory, 2)
    config = config_pb2.ConfigMap(metadata={"name": "p1"}).SerializeToString()
    await memory.create(Key(f"{CONFIG_MAPS}default/p1"), config, ("v1", "ConfigMap"))
    async with restarted(memory) as cacher:
        before = memory.opened
        async with aclosing(cacher.watch_selection(Selection(PODS), after=start)) as watch:
            assert await names_of(watch, "p1") == ["p0", "p1"]
        async with aclosing(cacher.watch_selection(Selection(CONFIG_MAPS), after=start)) as watch:
            assert await names_of(watch, "p1") == ["p1"]
        assert memory.opened - before == 1


async def test_selections_see_what_enters_and_leaves_them(memory: Counted) -> None:
    await create_pods(memory, 2)
    start = await memory.current_version()
    key = Key(f"{PODS}default/p0")
    current = await memory.get(key)
    assert current is not None
    moved = pod_pb2.Pod(metadata={"name": "p0", "labels": {"even": "False"}}).SerializeToString()
    await memory.update(key, moved, ("v1", "Pod"), expected=current.version)
    async with restarted(memory) as cacher:
        selection = Selection(PODS, labels=parse_label_selector("even=True"))
        async with aclosing(cacher.watch_selection(selection, after=start)) as watch:
            batch = await anext(watch)
            assert [frame.type for frame in frames_of(batch)] == ["DELETED"]


async def test_who_is_too_far_behind_for_the_ring_gets_portions(memory: Counted) -> None:
    versions = await create_pods(memory, 50)
    live = pod_pb2.Pod(metadata={"name": "live"}).SerializeToString()
    async with (
        restarted(memory, ring_capacity=10) as cacher,
        aclosing(cacher.watch_selection(Selection(PODS), after=versions[0])) as watch,
    ):
        assert await names_of(watch, "p49") == [f"p{number}" for number in range(1, 50)]
        await memory.create(Key(f"{PODS}default/live"), live, ("v1", "Pod"))
        assert await names_of(watch, "live") == ["live"]


async def test_a_portion_that_is_ahead_of_the_cache_is_not_told_again(memory: Counted) -> None:
    versions = await create_pods(memory, 50)
    async with restarted(memory, ring_capacity=10) as cacher:
        memory.feeds.clear()
        for name in ("late", "later"):
            pod = pod_pb2.Pod(metadata={"name": name}).SerializeToString()
            await memory.create(Key(f"{PODS}default/{name}"), pod, ("v1", "Pod"))
        async with aclosing(cacher.watch_selection(Selection(PODS), after=versions[0])) as watch:
            seen = await names_of(watch, "p49")
            memory.feeds.set()
            live = pod_pb2.Pod(metadata={"name": "live"}).SerializeToString()
            await memory.create(Key(f"{PODS}default/live"), live, ("v1", "Pod"))
            seen += await names_of(watch, "live")
    assert seen == [*(f"p{number}" for number in range(1, 50)), "late", "later", "live"]


async def test_clients_that_are_far_behind_and_do_not_read_hold_a_bounded_share(memory: Counted) -> None:
    """Each of them keeps a portion in memory; the others list anew, which the cache serves."""
    versions = await create_pods(memory, 50)
    async with restarted(memory, ring_capacity=10) as cacher:
        slow = [
            cacher.watch_selection(Selection(PODS), after=versions[number]) for number in range(MAX_PORTIONS)
        ]
        for watch in slow:
            await anext(watch)
        more = cacher.watch_selection(Selection(PODS), after=versions[0])
        with pytest.raises(Expired):
            await anext(more)
        await slow[0].aclose()
        async with aclosing(cacher.watch_selection(Selection(PODS), after=versions[0])) as watch:
            assert await names_of(watch, "p49") == [f"p{number}" for number in range(1, 50)]
        for watch in slow:
            await watch.aclose()


async def test_what_the_storage_forgot_is_asked_once(memory: Counted) -> None:
    versions = await create_pods(memory, 50)
    memory.compact(versions[-1])
    async with restarted(memory) as cacher:
        before = memory.opened
        for version in reversed(versions[:-1]):
            with pytest.raises(Expired):
                await anext(cacher.watch_selection(Selection(PODS), after=version))
        assert memory.opened - before == 1


async def test_a_storage_that_fails_is_not_asked_by_one_after_the_other(memory: Counted) -> None:
    versions = await create_pods(memory, 50)
    async with restarted(memory) as cacher:
        before, memory.failure = memory.opened, Unavailable("away")
        watches = [cacher.watch_selection(Selection(PODS), after=version) for version in versions[:-1]]
        results = await asyncio.gather(*(anext(watch) for watch in watches), return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}
        assert memory.opened - before == 1
        memory.failure = None
        async with aclosing(cacher.watch_selection(Selection(PODS), after=versions[0])) as watch:
            assert len(await names_of(watch, "p49")) == 49
