"""Watching through the cacher, over memory.

Initial events, selectors, resuming, slow watchers, waiting for freshness.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from random import Random

import pytest

from apiserver.storage import watch_stream
from apiserver.storage.cacher import Cacher
from apiserver.storage.freshness import Freshness
from apiserver.storage.interface import Key, Read, Stored, Version
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from apiserver.storage.watch_stream import WatchBatch
from tests.support.frames import frames_of
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.clock import SystemClock
from vaina.errors import Expired, Timeout, Unavailable
from vaina.kinds import POD
from vaina.objects.selectors import parse_field_selector, parse_label_selector
from vaina.testing.clock import FakeClock, settle

PREFIX = Key("/registry/pods/")
META = ("v1", "Pod")
ALL = Selection(PREFIX)
WEB = Selection(PREFIX, labels=parse_label_selector("app=web"))
ON_N1 = Selection(PREFIX, fields=parse_field_selector("spec.nodeName=n1"), index=("spec.nodeName", "n1"))


def key(name: str, namespace: str = "default") -> Key:
    return Key(f"{PREFIX}{namespace}/{name}")


def pod(name: str, app: str = "web", node: str = "") -> bytes:
    message = pod_pb2.Pod()
    message.metadata.name = name
    message.metadata.labels["app"] = app
    message.spec.node_name = node
    return message.SerializeToString()


@asynccontextmanager
async def cacher_over(
    memory: MemoryStorage, *, ring_capacity: int = 1000, queue_capacity: int = 1000
) -> AsyncIterator[Cacher]:
    cacher = Cacher(
        memory, [resource_of(POD)], clock=FakeClock(), rng=Random(1),
        ring_capacity=ring_capacity, queue_capacity=queue_capacity,
    )  # fmt: skip
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield cacher


@pytest.fixture
def memory() -> MemoryStorage:
    return MemoryStorage(FakeClock())


@pytest.fixture
async def cacher(memory: MemoryStorage) -> AsyncIterator[Cacher]:
    async with cacher_over(memory) as cacher:
        yield cacher


async def put(storage: MemoryStorage | Cacher, name: str, app: str = "web", node: str = "") -> Stored:
    current = await storage.get(key(name))
    if current is None:
        return await storage.create(key(name), pod(name, app, node), META)
    return await storage.update(key(name), pod(name, app, node), META, expected=current.version)


def shown(batch: WatchBatch) -> list[tuple[str, str]]:
    """The events of a batch, as they are in its encoded response."""
    response = pod_service_pb2.PodWatchResponse.FromString(batch.response)
    return [(event.type, event.object.metadata.name) for event in response.events]


async def take(watch: AsyncIterator[WatchBatch], count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += shown(await anext(watch))
    return found


async def test_a_watch_begins_with_the_current_state_and_says_where_it_ends(cacher: Cacher) -> None:
    await put(cacher, "a")
    await put(cacher, "b", app="db")
    last = await put(cacher, "c")
    async with aclosing(cacher.watch_selection(WEB, initial=True, bookmarks=True)) as watch:
        batch = await anext(watch)
        assert shown(batch) == [("ADDED", "a"), ("ADDED", "c"), ("BOOKMARK", "")]
        mark = pod_pb2.Pod.FromString(frames_of(batch)[-1].object)
        assert dict(mark.metadata.annotations) == {"k8s.io/initial-events-end": "true"}
        assert batch.version == frames_of(batch)[-1].version > last.version
        await put(cacher, "d")
        assert await take(watch, 1) == [("ADDED", "d")]


async def test_without_bookmarks_the_current_state_is_all_there_is(cacher: Cacher) -> None:
    await put(cacher, "a")
    async with aclosing(cacher.watch_selection(ALL, initial=True)) as watch:
        assert await take(watch, 1) == [("ADDED", "a")]


async def test_an_empty_state_ends_with_its_bookmark(cacher: Cacher) -> None:
    async with aclosing(cacher.watch_selection(ALL, initial=True, bookmarks=True)) as watch:
        assert await take(watch, 1) == [("BOOKMARK", "")]


async def test_a_large_state_comes_in_batches_of_which_the_last_has_the_version(
    cacher: Cacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_stream, "BATCH_EVENTS", 3)
    for number in range(7):
        await put(cacher, f"a{number}")
    async with aclosing(cacher.watch_selection(ALL, initial=True, bookmarks=True)) as watch:
        batches = [await anext(watch) for _ in range(3)]
    assert [batch.events for batch in batches] == [3, 3, 2]
    versions = [
        pod_service_pb2.PodWatchResponse.FromString(batch.response).resource_version for batch in batches
    ]
    assert versions == ["", "", str(batches[2].version)]


async def test_objects_enter_and_leave_a_selection(cacher: Cacher) -> None:
    start = await cacher.current_version()
    async with aclosing(cacher.watch_selection(ON_N1, after=start)) as watch:
        await put(cacher, "a")
        await put(cacher, "a", node="n1")
        await put(cacher, "a", app="db", node="n1")
        await put(cacher, "b", node="n2")
        await put(cacher, "a", node="n2")
        await put(cacher, "c", node="n1")
        await cacher.delete(key("c"))
        assert await take(watch, 5) == [
            ("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "c"), ("DELETED", "c"),
        ]  # fmt: skip


async def test_a_watch_of_a_namespace_and_of_one_object(cacher: Cacher) -> None:
    start = await cacher.current_version()
    await cacher.create(key("a", "x"), pod("a"), META)
    await cacher.create(key("b", "xx"), pod("b"), META)
    await cacher.create(key("c", "x"), pod("c"), META)
    in_x = Selection(Key(f"{PREFIX}x/"))
    only_c = Selection(PREFIX, key=key("c", "x"))
    for selection, want in ((in_x, [("ADDED", "a"), ("ADDED", "c")]), (only_c, [("ADDED", "c")])):
        async with aclosing(cacher.watch_selection(selection, after=start)) as watch:
            assert await take(watch, len(want)) == want


async def everything_after(
    cacher: Cacher, selection: Selection, after: Version, count: int
) -> Sequence[tuple[str, str]]:
    async with aclosing(cacher.watch_selection(selection, after=after)) as watch:
        return await take(watch, count)


async def test_a_watch_resumes_from_the_ring_or_from_the_storage_behind_it(memory: MemoryStorage) -> None:
    async with cacher_over(memory, ring_capacity=4) as cacher:
        stored = [await put(cacher, f"a{n}", app="web" if n % 2 else "db") for n in range(30)]
        await cacher.get(key("a29"))
        want = [("ADDED", f"a{n}") for n in range(30)]
        for index in (0, 3, 20, 26, 28):
            assert await everything_after(cacher, ALL, stored[index].version, 29 - index) == want[index + 1 :]
        assert await everything_after(cacher, WEB, stored[0].version, 15) == want[1::2]


async def test_a_watch_from_the_storage_goes_on_live(memory: MemoryStorage) -> None:
    async with cacher_over(memory, ring_capacity=4) as cacher:
        first = await put(cacher, "a")
        for number in range(10):
            await put(cacher, f"b{number}")
        async with aclosing(cacher.watch_selection(ALL, after=first.version)) as watch:
            assert len(await take(watch, 10)) == 10
            for number in range(10):
                await put(cacher, f"c{number}")
                assert await take(watch, 1) == [("ADDED", f"c{number}")]


async def test_only_what_nobody_has_any_more_is_expired(memory: MemoryStorage) -> None:
    async with cacher_over(memory, ring_capacity=4) as cacher:
        stored = [await put(cacher, f"a{n}") for n in range(20)]
        await cacher.get(key("a19"))
        memory.compact(stored[10].version)
        with pytest.raises(Expired):
            await everything_after(cacher, ALL, stored[3].version, 1)
        assert len(await everything_after(cacher, ALL, stored[11].version, 8)) == 8


async def test_a_ring_outlives_a_compaction(cacher: Cacher, memory: MemoryStorage) -> None:
    stored = [await put(cacher, f"a{n}") for n in range(20)]
    await cacher.get(key("a19"))
    memory.compact(stored[19].version)
    assert len(await everything_after(cacher, ALL, stored[0].version, 19)) == 19


async def test_a_watcher_that_is_too_slow_is_cut_and_resumes_without_a_gap(memory: MemoryStorage) -> None:
    async with cacher_over(memory, queue_capacity=5) as cacher:
        await _be_too_slow(cacher)


async def _be_too_slow(cacher: Cacher) -> None:
    start = await cacher.current_version()
    seen: list[tuple[str, str]] = []
    async with aclosing(cacher.watch_selection(ALL, after=start)) as watch:
        await put(cacher, "a")
        batch = await anext(watch)
        seen += shown(batch)
        # Live now. Nobody takes what comes next.
        await put(cacher, "b")
        batch = await anext(watch)
        seen += shown(batch)
        for number in range(10):
            await put(cacher, f"c{number}")
        await cacher.get(key("c9"))
        with pytest.raises(StopAsyncIteration):
            await anext(watch)
    seen += await everything_after(cacher, ALL, batch.version, 10)
    assert seen == [("ADDED", name) for name in ("a", "b", *(f"c{n}" for n in range(10)))]


async def test_a_version_that_does_not_exist_yet_is_refused(
    cacher: Cacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiserver.storage.cacher._READ_SECONDS", 0.01)
    with pytest.raises(Timeout, match="Too large resource version"):
        await everything_after(cacher, ALL, Version(10**9), 1)


async def test_before_the_cache_is_filled_the_storage_answers_and_watches_are_refused(
    memory: MemoryStorage,
) -> None:
    stored = await memory.create(key("a"), pod("a"), META)
    cacher = Cacher(memory, [resource_of(POD)], clock=FakeClock(), rng=Random(1))
    assert await cacher.get(key("a")) == stored
    assert list((await cacher.list_selection(WEB)).items) == [stored]
    with pytest.raises(Unavailable):
        await cacher.get(key("a"), Read(at_least=Version(0)))
    with pytest.raises(Unavailable):
        await everything_after(cacher, ALL, Version(0), 1)


async def test_lists_are_selected_and_paged(cacher: Cacher) -> None:
    stored = [
        await put(cacher, f"a{n}", app="web" if n % 2 else "db", node="n1" if n < 6 else "")
        for n in range(10)
    ]
    page = await cacher.list_selection(WEB, limit=2)
    assert list(page.items) == [stored[1], stored[3]]
    assert page.next_key == stored[3].key
    await cacher.delete(key("a5"))
    await cacher.get(key("a5"))
    rest = await cacher.list_selection(WEB, Read(exact=page.version), limit=2, after=page.next_key)
    assert list(rest.items) == [stored[5], stored[7]]
    rest = await cacher.list_selection(WEB, Read(exact=page.version), limit=2, after=rest.next_key)
    assert (list(rest.items), rest.next_key, rest.version) == ([stored[9]], None, page.version)
    both = Selection(PREFIX, labels=WEB.labels, fields=ON_N1.fields, index=ON_N1.index)
    assert list((await cacher.list_selection(both)).items) == [stored[1], stored[3]]
    assert (await cacher.list_selection(ALL, limit=4)).remaining == 5
    assert (await cacher.list_selection(WEB, limit=2)).remaining is None


async def test_idle_watchers_get_bookmarks(memory: MemoryStorage) -> None:
    clock = FakeClock()
    cacher = Cacher(memory, [resource_of(POD)], clock=clock, rng=Random(1))
    async with running(cacher.run()):
        await cacher.wait_ready()
        start = await cacher.current_version()
        async with aclosing(cacher.watch_selection(ON_N1, after=start, bookmarks=True)) as watch:
            waiting = asyncio.get_running_loop().create_task(take_version(watch))
            await put(memory, "a")
            await settle()
            await clock.advance(31)
            async with asyncio.timeout(60):
                assert await waiting >= await memory.current_version()


async def take_version(watch: AsyncIterator[WatchBatch]) -> Version:
    batch = await anext(watch)
    assert shown(batch) == [("BOOKMARK", "")]
    return batch.version


class TestFreshness:
    async def test_readers_share_the_next_question_but_not_one_that_was_asked_before_they_came(self) -> None:
        asked: list[asyncio.Future[Version]] = []

        async def ask() -> Version:
            asked.append(asyncio.get_running_loop().create_future())
            return await asked[-1]

        async def nothing() -> None:
            return

        freshness = Freshness(ask, nothing, SystemClock())
        loop = asyncio.get_running_loop()
        first = loop.create_task(freshness.newest())
        await settle()
        others = [loop.create_task(freshness.newest()) for _ in range(5)]
        await settle()
        assert len(asked) == 1
        asked[0].set_result(Version(1))
        await settle()
        assert await first == 1
        assert len(asked) == 2
        # The reader who asks for all is cancelled: another asks anew.
        others[0].cancel()
        await settle()
        assert len(asked) == 3
        asked[2].set_result(Version(3))
        await settle()
        asked[3].set_result(Version(4))
        assert await asyncio.gather(*others[1:]) == [3, 4, 4, 4]

    async def test_an_error_reaches_all_who_asked(self) -> None:
        async def ask() -> Version:
            await settle()
            raise Unavailable("away")

        async def nothing() -> None:
            return

        freshness = Freshness(ask, nothing, SystemClock())
        results = await asyncio.gather(*(freshness.newest() for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 3

    async def test_a_lagging_cache_is_asked_for_its_place(self) -> None:
        async def ask() -> Version:
            return Version(0)

        async def progress() -> None:
            freshness.reach(Version(50))

        freshness = Freshness(ask, progress, SystemClock())
        assert await freshness.wait_until(Version(50), 1.0)
        assert not await freshness.wait_until(Version(51), 0.02)
