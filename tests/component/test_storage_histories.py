"""Histories of many writers, checked as a whole.

Nothing acknowledged is lost, nothing happens twice, all see the same (I4, I5, I6).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from random import Random

import pytest

from apiserver.storage import versions
from apiserver.storage.cacher import Cacher
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import (
    Change,
    EventType,
    KeyConflict,
    StorageError,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.resources import resource_of
from tests.component.storage_objects import META, PREFIX, config, key
from tests.support.direct import Direct
from tests.support.etcd import EtcdServer, RawEtcd, etcd_storage
from tests.support.proxy import Proxy, proxy_to
from tests.support.storage_judge import judge
from tests.support.storage_story import Teller, make_programs
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2
from vaina.clock import SystemClock
from vaina.errors import ApiError
from vaina.kinds import CONFIG_MAP

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

KEYS = [key(f"counter{n}") for n in range(3)]


def number(data: bytes) -> int:
    return int(config_pb2.ConfigMap.FromString(data).data["n"])


async def record(storage: EtcdStorage, after: Version, events: list[StorageEvent]) -> None:
    """Note every event; open the watch again where it broke."""
    while True:
        try:
            async with aclosing(storage.watch(PREFIX, after=after)) as batches:
                async for batch in batches:
                    events += [event for event in batch if event.type is not EventType.BOOKMARK]
                    after = batch[-1].version
        except ApiError:
            await SystemClock().sleep(0.02)


async def disturb(proxy: Proxy, rng: Random) -> None:
    """Break connections at random moments, after losing answers or requests for a while.

    Leave the line whole.
    """
    clock = SystemClock()
    try:
        while True:
            await clock.sleep(rng.uniform(0.02, 0.1))
            proxy.loses_answers = rng.random() < 0.6
            proxy.loses_requests = not proxy.loses_answers and rng.random() < 0.5
            await clock.sleep(rng.uniform(0.0, 0.03))
            proxy.loses_answers = proxy.loses_requests = False
            proxy.break_connections()
    finally:
        proxy.loses_answers = proxy.loses_requests = False
        proxy.break_connections()


@pytest.mark.parametrize("seed", range(3))
async def test_increments_over_a_line_that_breaks_happen_once_or_not_at_all(
    etcd: EtcdServer, seed: int
) -> None:
    rng = Random(seed)
    acknowledged = dict.fromkeys(KEYS, 0)
    unknown = dict.fromkeys(KEYS, 0)
    events: list[StorageEvent] = []
    results: list[Stored] = []

    def increment(current: Stored) -> Change:
        return Change(config("counter", n=str(number(current.data) + 1)))

    async def write(storage: EtcdStorage, mine: Random) -> None:
        for _ in range(150):
            name = mine.choice(KEYS)
            try:
                results.append(await storage.guaranteed_update(name, increment))
            except KeyConflict:
                continue  # lost every race: nothing was written
            except ApiError as error:
                unknown[name] += "unknown" in error.message
            else:
                acknowledged[name] += 1

    async with etcd_storage(etcd.target, writer="direct") as direct, proxy_to(etcd.port) as proxy:
        start = await direct.current_version()
        for name in KEYS:
            await direct.create(name, config("counter", n="0"), META)
        async with (
            etcd_storage(proxy.target, timeout_seconds=0.3, patience_seconds=3.0) as storage,
            running(record(direct, start, events), disturb(proxy, rng)),
        ):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(6):
                    tasks.create_task(write(storage, Random(rng.random())))
            last = await direct.create(key("last"), config("last"), META)
            async with asyncio.timeout(60):
                while not events or events[-1].version < last.version:
                    await SystemClock().sleep(0.01)
        final = {name: await direct.get(name) for name in KEYS}

    assert sum(acknowledged.values()) > 100
    for name in KEYS:
        history = [event for event in events if event.key == name and event.object is not None]
        # Every write is one more than the one before it: nothing was lost under another, nothing happened twice.
        assert [number(event.object.data) for event in history if event.object] == list(range(len(history)))
        stored = final[name]
        assert stored is not None
        assert number(stored.data) == len(history) - 1
        assert acknowledged[name] <= number(stored.data) <= acknowledged[name] + unknown[name]
    seen = {event.object for event in events}
    assert all(result in seen for result in results)


@asynccontextmanager
async def cacher_over(storage: EtcdStorage) -> AsyncIterator[Cacher]:
    cacher = Cacher(storage, [resource_of(CONFIG_MAP)], clock=SystemClock(), rng=Random(1), ring_capacity=50)
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield cacher


class TestStories:
    """Every answer, error and watch event of random clients is what one sequential storage could have said.

    Compaction included.
    """

    @pytest.fixture
    async def compact(self, etcd: EtcdServer) -> AsyncIterator[Callable[[Version], Awaitable[None]]]:
        async with RawEtcd(etcd.target) as raw:

            async def compact(version: Version) -> None:
                await raw.compact(versions.revision_of(version))

            yield compact

    @pytest.mark.parametrize("seed", range(4))
    async def test_of_two_apiservers(
        self, etcd: EtcdServer, compact: Callable[[Version], Awaitable[None]], seed: int
    ) -> None:
        async with (
            etcd_storage(etcd.target, writer="one") as one,
            etcd_storage(etcd.target, writer="two") as two,
        ):
            teller = Teller([one, two], one, compact, Random(seed), Direct(two))
            story = await teller.tell(make_programs(seed, clients=10, steps=40))
        assert judge(story) == []
        assert len(story.truth) > 50
        assert story.compacted > 0

    @pytest.mark.parametrize("seed", range(4))
    async def test_of_a_cache_and_another_apiserver(
        self, etcd: EtcdServer, compact: Callable[[Version], Awaitable[None]], seed: int
    ) -> None:
        async with (
            etcd_storage(etcd.target, writer="one") as one,
            etcd_storage(etcd.target, writer="two") as two,
            cacher_over(one) as cacher,
        ):
            teller = Teller([cacher, cacher, two], two, compact, Random(seed), cacher)
            story = await teller.tell(make_programs(seed, clients=9, steps=40))
        assert judge(story, strict_expiry=False) == []
        assert len(story.truth) > 50

    @pytest.mark.parametrize("seed", range(3))
    async def test_over_a_line_that_breaks(
        self, etcd: EtcdServer, compact: Callable[[Version], Awaitable[None]], seed: int
    ) -> None:
        """Lost requests and lost answers.

        Each write happened once or not at all, and whoever was told is right.
        """
        async with (
            etcd_storage(etcd.target, writer="direct") as direct,
            proxy_to(etcd.port) as proxy,
            etcd_storage(proxy.target, writer="one", timeout_seconds=0.3, patience_seconds=1.0) as one,
            cacher_over(one) as cacher,
        ):
            teller = Teller([one, cacher, direct], direct, compact, Random(seed), cacher)
            story = await teller.tell(
                make_programs(seed, clients=9, steps=12), disturb(proxy, Random(seed)), stall_seconds=1.0
            )
        assert judge(story, strict_expiry=False) == []
        assert len(story.truth) > 20
        # The last break comes when all are done. Whether a client saw an error is chance: storage asks again
        # for a second.
        assert proxy.breaks > 1


async def test_two_apiservers_write_at_once_and_see_the_same_history(etcd: EtcdServer) -> None:
    histories: tuple[list[StorageEvent], list[StorageEvent]] = ([], [])
    written: set[tuple[str, Version]] = set()

    async def write(storage: EtcdStorage, rng: Random) -> None:
        for _ in range(40):
            name = key(f"a{rng.randrange(60)}")
            try:
                if rng.random() < 0.4:
                    stored = await storage.delete(name)
                elif rng.random() < 0.5:
                    stored = await storage.create(name, config("a", n=str(rng.random())), META)
                else:
                    stored = await storage.guaranteed_update(
                        name, lambda _: Change(config("a", n=str(rng.random())))
                    )
            except StorageError:
                continue
            written.add((stored.key, stored.version))

    async with etcd_storage(etcd.target, writer="one") as one, etcd_storage(etcd.target, writer="two") as two:
        start = await one.current_version()
        async with running(record(one, start, histories[0]), record(two, start, histories[1])):
            async with asyncio.TaskGroup() as tasks:
                for index in range(40):
                    tasks.create_task(write((one, two)[index % 2], Random(index)))
            last = await one.create(key("last"), config("last"), META)
            written.add((last.key, last.version))
            async with asyncio.timeout(60):
                while any(not events or events[-1].version < last.version for events in histories):
                    await SystemClock().sleep(0.01)
    assert histories[0] == histories[1]
    versions = [event.version for event in histories[0]]
    assert versions == sorted(set(versions))
    assert {(event.key, event.version) for event in histories[0]} == written
