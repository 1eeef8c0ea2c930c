"""Storage over three members of etcd, one of which is killed, stopped, or cut off from the others (I4, I6,
I17).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from random import Random

import pytest

from apiserver.storage.cacher import Cacher
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import Stored
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from bench.etcd import EtcdProcess
from tests.component.storage_objects import META, PREFIX, config, key
from tests.support.etcd import etcd_storage
from tests.support.etcd_cluster import EtcdCluster, etcd_cluster
from tests.support.frames import frames_of
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.errors import ApiError
from vaina.kinds import CONFIG_MAP

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

CLOCK = SystemClock()


@pytest.fixture
async def cluster() -> AsyncIterator[EtcdCluster]:
    async with etcd_cluster() as made:
        yield made


async def kill(_cluster: EtcdCluster, member: EtcdProcess) -> None:
    member.kill()


async def stop(_cluster: EtcdCluster, member: EtcdProcess) -> None:
    member.stop()


async def cut_off(cluster: EtcdCluster, member: EtcdProcess) -> None:
    await cluster.cut_off(member)


@pytest.mark.parametrize("fault", [kill, stop, cut_off])
@pytest.mark.parametrize("role", ["leader", "follower"])
async def test_writes_and_watches_go_on_without_the_member_that_served_them(
    cluster: EtcdCluster, fault: Callable[[EtcdCluster, EtcdProcess], Awaitable[None]], role: str
) -> None:
    """Nothing acknowledged is lost, nothing happens twice, the watch has no gap."""
    member = await (cluster.leader() if role == "leader" else cluster.first_follower())
    acknowledged: set[str] = set()
    seen: dict[str, list[str]] = {}
    stopped = asyncio.Event()
    async with (
        etcd_storage(cluster.order(member), timeout_seconds=2.0) as storage,
        cacher_over(storage) as cacher,
    ):

        async def write(writer: int) -> None:
            number = 0
            while not stopped.is_set():
                name = f"w{writer}-{number:05}"
                number += 1
                try:
                    await storage.create(key(name), config(name), META)
                except ApiError:
                    continue
                acknowledged.add(name)

        async def watch() -> None:
            async with aclosing(cacher.watch_selection(Selection(PREFIX), after=start)) as source:
                async for batch in source:
                    for frame in frames_of(batch):
                        message = CONFIG_MAP.message.FromString(frame.object)
                        seen.setdefault(message.metadata.name, []).append(frame.type)

        start = await cacher.current_version()
        async with running(watch()), asyncio.TaskGroup() as tasks:
            for writer in range(4):
                tasks.create_task(write(writer))
            await until(lambda: len(acknowledged) > 100)
            await fault(cluster, member)
            before = len(acknowledged)
            await until(lambda: len(acknowledged) > before + 100)
            stopped.set()
            last = await eventually(lambda: storage.create(key("last"), config("last"), META))
            await until(lambda: "last" in seen)
        page = await cacher.list(PREFIX)
        assert page.version >= last.version
        stored = {item.key.rpartition("/")[2] for item in page.items}
        assert acknowledged <= stored
        assert {name for name, types in seen.items() if types == ["ADDED"]} == stored


async def test_a_member_that_is_down_from_the_start_is_passed_over(cluster: EtcdCluster) -> None:
    first = await cluster.first_follower()
    first.kill()
    async with etcd_storage(cluster.order(first)) as storage, cacher_over(storage) as cacher:
        stored = await storage.create(key("a"), config("a"), META)
        assert await cacher.get(key("a")) == stored


async def test_members_that_are_no_members_are_passed_over(cluster: EtcdCluster) -> None:
    """One member and two places where nobody listens, as while a cluster is made larger."""
    targets = ("127.0.0.1:1", "127.0.0.1:2", *cluster.targets)
    async with etcd_storage(targets) as storage, cacher_over(storage) as cacher:
        stored = await storage.create(key("a"), config("a"), META)
        assert await cacher.get(key("a")) == stored


@asynccontextmanager
async def cacher_over(storage: EtcdStorage) -> AsyncIterator[Cacher]:
    cacher = Cacher(storage, [resource_of(CONFIG_MAP)], clock=CLOCK, rng=Random(1))
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield cacher


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await CLOCK.sleep(0.01)


async def eventually(attempt: Callable[[], Awaitable[Stored]]) -> Stored:
    """Return what an attempt returns, once it is not refused any more."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await attempt()
            except ApiError:
                await CLOCK.sleep(0.05)
