"""Storage when etcd is killed, stopped, full, or its answers are lost (I4, I5, I6, I17)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from random import Random
from typing import TypeVar

import pytest
from aetcd.rpc import rpc_pb2

from apiserver.storage import versions
from apiserver.storage.cacher import Cacher
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import (
    EventType,
    Key,
    KeyConflict,
    KeyExists,
    Put,
    Read,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from tests.component.storage_objects import META, PREFIX, config, key
from tests.support.etcd import EtcdServer, RawEtcd, etcd_storage
from tests.support.frames import frames_of
from tests.support.proxy import Proxy, proxy_to
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.errors import ApiError, StorageFull, Timeout, Unavailable
from vaina.kinds import CONFIG_MAP

T = TypeVar("T")

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]


async def wait_for_key(target: str, name: Key) -> None:
    """Return when etcd has a key."""
    async with RawEtcd(target) as raw, asyncio.timeout(60):
        while not (await raw.kv.Range(rpc_pb2.RangeRequest(key=name.encode()))).kvs:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)


class TestLostAnswers:
    @pytest.fixture
    async def proxy(self, etcd: EtcdServer) -> AsyncIterator[Proxy]:
        async with proxy_to(etcd.port) as proxy:
            yield proxy

    @pytest.fixture
    def metrics(self) -> StorageMetrics:
        return StorageMetrics()

    @pytest.fixture
    async def storage(self, proxy: Proxy, metrics: StorageMetrics) -> AsyncIterator[EtcdStorage]:
        """Patient: what it waits for comes as soon as the line is whole again."""
        async with self.over(proxy, metrics, timeout_seconds=10.0, patience_seconds=15.0) as storage:
            yield storage

    @asynccontextmanager
    async def over(
        self, proxy: Proxy, metrics: StorageMetrics, *, timeout_seconds: float, patience_seconds: float
    ) -> AsyncIterator[EtcdStorage]:
        clock = SystemClock()
        async with EtcdClient(
            proxy.target, clock=clock, metrics=metrics, timeout_seconds=timeout_seconds
        ) as client:
            storage = EtcdStorage(
                client, "test", clock=clock, rng=Random(1), metrics=metrics,
                patience_seconds=patience_seconds,
            )  # fmt: skip
            async with running(storage.run()):
                yield storage

    def settled(self, metrics: StorageMetrics) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in metrics.settled.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }

    async def test_a_committed_batch_whose_answer_was_lost_is_settled_as_it_happened(
        self, etcd: EtcdServer, proxy: Proxy, storage: EtcdStorage, metrics: StorageMetrics
    ) -> None:
        old = [await storage.create(key(f"old{n}"), config("old", n="1"), META) for n in range(4)]
        # One of the expected versions is stale by the time of the batch: that write must fail, and only that
        # one.
        await storage.update(key("old1"), config("old", n="2"), META, expected=old[1].version)
        await storage.create(key("taken"), config("taken"), META)
        proxy.loses_answers = True
        async with asyncio.TaskGroup() as tasks:
            writes = [
                tasks.create_task(self.result(write))
                for write in (
                    storage.create(key("new"), config("new"), META),
                    storage.update(key("old0"), config("old", n="3"), META, expected=old[0].version),
                    storage.update(key("old1"), config("old", n="3"), META, expected=old[1].version),
                    storage.create(key("taken"), config("taken", x="1"), META),
                )
            ]
            await wait_for_key(etcd.target, key("new"))
            proxy.loses_answers = False
            proxy.break_connections()
        results = [task.result() for task in writes]
        assert [type(result) for result in results] == [Stored, Stored, KeyConflict, KeyExists]
        assert await storage.get(key("new")) == results[0]
        assert await storage.get(key("old0")) == results[1]
        assert self.settled(metrics) == {"committed": 1}

    @pytest.mark.parametrize(("taken", "settled"), [((), "committed"), ((5,), "not applied")])
    async def test_a_large_batch_whose_answer_was_lost_is_done_once_but_for_what_is_in_conflict(
        self,
        etcd: EtcdServer,
        proxy: Proxy,
        storage: EtcdStorage,
        metrics: StorageMetrics,
        taken: tuple[int, ...],
        settled: str,
    ) -> None:
        await storage.create(key("before"), config("before"), META)
        for number in taken:
            await storage.create(key(f"a{number}"), config("old"), META)
        start = await storage.current_version()
        # So many go out flat: all of them or nothing.
        puts = [Put(key(f"a{n}"), config("a", n=str(n)), META) for n in range(10)]
        proxy.loses_answers = True
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(storage.put_all(puts))
            await until(lambda: key("a9").encode() in proxy.said)
            if not taken:
                await wait_for_key(etcd.target, key("a9"))
            proxy.loses_answers = False
            proxy.break_connections()
        results = writing.result()
        done = [result for result in results if isinstance(result, Stored)]
        assert [n for n, result in enumerate(results) if isinstance(result, KeyExists)] == list(taken)
        assert len(done) == 10 - len(taken)
        assert self.settled(metrics) == {settled: 1}
        events = await take(storage, start, len(done))
        assert [(event.key, event.version) for event in events] == [(item.key, item.version) for item in done]

    async def test_lost_answers_of_deletions_are_settled(
        self, etcd: EtcdServer, proxy: Proxy, storage: EtcdStorage, metrics: StorageMetrics
    ) -> None:
        start = await storage.current_version()
        stored = [await storage.create(key(f"a{n}"), config("a", n=str(n)), META) for n in range(3)]
        await storage.update(key("a1"), config("a", n="x"), META, expected=stored[1].version)
        proxy.loses_answers = True
        async with asyncio.TaskGroup() as tasks:
            deletions = [
                tasks.create_task(self.result(storage.delete(item.key, expected=item.version)))
                for item in stored
            ]
            async with RawEtcd(etcd.target) as raw, asyncio.timeout(60):
                while (await raw.kv.Range(rpc_pb2.RangeRequest(key=key("a2").encode()))).kvs:
                    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)
            proxy.loses_answers = False
            proxy.break_connections()
        first, conflict, last = [task.result() for task in deletions]
        assert isinstance(first, Stored)
        assert isinstance(conflict, KeyConflict)
        assert isinstance(last, Stored)
        assert (first.data, last.data) == (stored[0].data, stored[2].data)
        assert self.settled(metrics) == {"committed": 1}
        async with etcd_storage(etcd.target, writer="other") as other:
            events = await take(other, start, 6)
        assert [(event.key, event.version) for event in events[-2:]] == [
            (first.key, first.version), (last.key, last.version),
        ]  # fmt: skip

    async def test_a_batch_that_never_arrived_is_sent_again(
        self, etcd: EtcdServer, proxy: Proxy, storage: EtcdStorage, metrics: StorageMetrics
    ) -> None:
        await storage.create(key("a"), config("a"), META)
        proxy.loses_requests = True
        async with asyncio.TaskGroup() as tasks:
            write = tasks.create_task(storage.create(key("b"), config("b"), META))
            await until(lambda: key("b").encode() in proxy.said)
            proxy.loses_requests = False
            proxy.break_connections()
        assert await storage.get(key("b")) == write.result()
        assert self.settled(metrics) == {"not applied": 1}

    async def test_what_cannot_be_settled_is_said_to_be_unknown(
        self, etcd: EtcdServer, proxy: Proxy, metrics: StorageMetrics
    ) -> None:
        async with self.over(proxy, metrics, timeout_seconds=1.0, patience_seconds=1.5) as storage:
            await eventually_created(storage, "a")
            proxy.loses_answers = True
            with pytest.raises((Unavailable, Timeout), match="unknown"):
                await storage.create(key("b"), config("b"), META)
            proxy.loses_answers = False
            proxy.break_connections()
            await wait_for_key(etcd.target, key("b"))
            stored = await eventually_created(storage, "c")
            assert await eventually(lambda: storage.get(stored.key)) == stored

    async def result(self, write: "asyncio.Future[Stored] | object") -> Stored | Exception:
        try:
            return await write  # type: ignore[misc,no-any-return]
        except (KeyConflict, KeyExists) as error:
            return error


async def take(storage: EtcdStorage, after: Version, count: int) -> list[StorageEvent]:
    found: list[StorageEvent] = []
    async with asyncio.timeout(60), aclosing(storage.watch(PREFIX, after=after)) as batches:
        async for batch in batches:
            found += [event for event in batch if event.type is not EventType.BOOKMARK]
            if len(found) >= count:
                return found
    raise AssertionError("the watch ended")


@asynccontextmanager
async def cacher_over(storage: EtcdStorage) -> AsyncIterator[Cacher]:
    cacher = Cacher(storage, [resource_of(CONFIG_MAP)], clock=SystemClock(), rng=Random(1))
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield cacher


class TestOutage:
    @pytest.mark.parametrize("way", ["kill", "stop"])
    async def test_writers_and_watchers_come_through_an_outage(self, own_etcd: EtcdServer, way: str) -> None:
        """Writers go on while etcd is killed or stopped.

        Nothing acknowledged is lost, nothing happens twice, the watch has no gap.
        """
        seen: dict[str, list[str]] = {}
        acknowledged: set[str] = set()
        async with (
            etcd_storage(own_etcd.target, timeout_seconds=1.0) as storage,
            cacher_over(storage) as cacher,
        ):
            stop = asyncio.Event()

            async def write(writer: int) -> None:
                number = 0
                while not stop.is_set():
                    name = f"w{writer}-{number:05}"
                    number += 1
                    try:
                        await storage.create(key(name), config(name), META)
                    except ApiError:
                        continue
                    acknowledged.add(name)

            async def watch() -> None:
                batches = cacher.watch_selection(Selection(PREFIX), after=start)
                async with aclosing(batches) as source:
                    async for batch in source:
                        for frame in frames_of(batch):
                            name = message_name(frame.object)
                            seen.setdefault(name, []).append(frame.type)

            start = await eventually(cacher.current_version)
            async with running(watch()):
                async with asyncio.TaskGroup() as tasks:
                    for writer in range(8):
                        tasks.create_task(write(writer))
                    await until(lambda: len(acknowledged) > 200)
                    if way == "kill":
                        own_etcd.kill()
                        await asyncio.to_thread(own_etcd.start)
                    else:
                        own_etcd.stop()
                        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=2.0)
                        own_etcd.resume()
                    before = len(acknowledged)
                    await until(lambda: len(acknowledged) > before + 200)
                    stop.set()
                # After those of the writers, also what they never heard of.
                last = await eventually_created(storage, "last")
                await until(lambda: message_name(last.data) in seen)
            page = await eventually(lambda: cacher.list(PREFIX))
            assert page.version >= last.version
            stored = {item.key.rpartition("/")[2] for item in page.items}
            assert acknowledged <= stored
            assert {name for name, types in seen.items() if types == ["ADDED"]} == stored

    async def test_while_etcd_is_away_writes_and_consistent_reads_are_refused(
        self, own_etcd: EtcdServer
    ) -> None:
        async with (
            etcd_storage(own_etcd.target, timeout_seconds=0.5, patience_seconds=1.0) as storage,
            cacher_over(storage) as cacher,
        ):
            stored = await eventually_created(cacher, "a")
            assert await eventually(lambda: cacher.get(stored.key)) == stored
            own_etcd.kill()
            with pytest.raises((Unavailable, Timeout)):
                await cacher.get(stored.key)
            with pytest.raises((Unavailable, Timeout)):
                await cacher.create(key("b"), config("b"), META)
            own_etcd.start()
            later = await eventually_created(cacher, "c")
            assert await eventually(lambda: cacher.get(later.key)) == later


class TestLostData:
    async def test_an_etcd_that_lost_its_data_is_not_followed(self, own_etcd: EtcdServer) -> None:
        """Whoever saw more may not go back (I7).

        Everything is refused, and stays so when the new past outgrows the old one.
        """
        async with (
            etcd_storage(own_etcd.target, timeout_seconds=1.0, patience_seconds=1.0) as storage,
            cacher_over(storage) as cacher,
        ):
            first = await eventually_created(cacher, "a")
            for number in range(4):
                await eventually_created(cacher, f"b{number}")
            start = (await eventually(lambda: cacher.list(PREFIX))).version
            own_etcd.kill()
            own_etcd.lose_data()
            own_etcd.start()
            await until(lambda: not cacher.is_connected)

            await refused(lambda: cacher.get(first.key, Read(at_least=Version(0))), may_be_done=True)
            async with RawEtcd(own_etcd.target) as raw:
                for _ in range(versions.revision_of(start) + 5):
                    await raw.kv.Put(rpc_pb2.PutRequest(key=b"/registry/other", value=b""))
            await refused(lambda: cacher.get(first.key, Read(at_least=Version(0))))
            await refused(lambda: cacher.list(PREFIX))
            await refused(lambda: anext(cacher.watch_selection(Selection(PREFIX), after=start)))


class TestFull:
    @pytest.fixture
    def small_etcd(self, shared_etcd: EtcdServer) -> Iterator[EtcdServer]:
        server = EtcdServer("--quota-backend-bytes=16777216")
        yield server
        server.close()

    async def test_a_full_etcd_refuses_writes_and_takes_deletions(self, small_etcd: EtcdServer) -> None:
        async with etcd_storage(small_etcd.target) as storage, RawEtcd(small_etcd.target) as raw:
            stored: list[Stored] = []
            with pytest.raises(StorageFull):
                await fill(storage, stored)
            assert len(stored) > 10
            with pytest.raises(StorageFull):
                await storage.create(key("b"), config("b"), META)
            with pytest.raises(StorageFull):
                await storage.update(key("a0"), config("a"), META, expected=stored[0].version)
            await asyncio.gather(*(storage.delete(item.key, expected=item.version) for item in stored))
            assert (await storage.list(PREFIX)).items == []
            await raw.make_room(versions.revision_of(await storage.current_version()))
            again = await eventually(lambda: storage.create(key("b"), config("b"), META))
            assert await storage.get(key("b")) == again

    async def test_what_is_refused_for_want_of_space_was_not_written(self, small_etcd: EtcdServer) -> None:
        """etcd applies the transaction that exceeds the quota, and answers with a refusal: that one has
        happened.
        """
        target = small_etcd.target
        async with etcd_storage(target, writer="a") as a, etcd_storage(target, writer="b") as b:
            results: dict[Key, object] = {}
            while StorageFull not in map(type, results.values()):
                assert len(results) < 400
                names = [key(f"a{len(results) + number}") for number in range(12)]
                writes = (
                    (a, b)[index % 2].create(name, config("a", x="." * 500_000), META)
                    for index, name in enumerate(names)
                )
                results |= zip(names, await asyncio.gather(*writes, return_exceptions=True), strict=True)
            there = {item.key for item in (await a.list(PREFIX)).items}
        assert {type(result) for result in results.values()} == {Stored, StorageFull}
        assert there == {name for name, result in results.items() if isinstance(result, Stored)}


async def fill(storage: EtcdStorage, stored: list[Stored]) -> None:
    """Create large objects until etcd refuses."""
    while len(stored) < 200:
        stored.append(await storage.create(key(f"a{len(stored)}"), config("a", x="." * 500_000), META))


def message_name(data: bytes) -> str:
    return CONFIG_MAP.message.FromString(data).metadata.name


async def until(condition: "object") -> None:
    """Return when a condition holds."""
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)


async def eventually(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what an attempt returns, once it is not refused any more."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await attempt()
            except ApiError:
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)


async def eventually_created(storage: EtcdStorage | Cacher, base: str) -> Stored:
    """Return what was stored under a name that nobody had, the first that is not refused."""
    names = (f"{base}-{number}" for number in count())

    async def create() -> Stored:
        # A write that was refused may have happened all the same.
        name = next(names)
        return await storage.create(key(name), config(name), META)

    return await eventually(create)


async def refused(attempt: Callable[[], Awaitable[object]], *, may_be_done: bool = False) -> None:
    """Return when an attempt is refused because etcd went back in time; before that it may be done."""
    async with asyncio.timeout(60):
        while True:
            try:
                await attempt()
                assert may_be_done
            except ApiError as error:
                if "older than what was served" in error.message:
                    return
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)
