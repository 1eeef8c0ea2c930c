"""What every `Storage` must do: run against memory, etcd, and the cacher over both (style.md 21).

A test module subclasses `StorageSpec` and provides the fixture `harness`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from apiserver.storage import versions
from apiserver.storage.interface import (
    Change,
    EventType,
    Key,
    KeyConflict,
    KeyExists,
    KeyMissing,
    Read,
    Storage,
    StorageEvent,
    Stored,
    Version,
)
from vaina.api.core.v1 import config_pb2
from vaina.errors import Expired, Timeout

META = ("v1", "ConfigMap")
PREFIX = Key("/registry/configmaps/")


def key(name: str, namespace: str = "default") -> Key:
    return Key(f"{PREFIX}{namespace}/{name}")


def config(name: str, **data: str) -> bytes:
    message = config_pb2.ConfigMap(data=data)
    message.metadata.name = name
    return message.SerializeToString(deterministic=True)


@dataclass(frozen=True)
class Harness:
    """A storage and what else a test may do to it."""

    storage: Storage
    #: forget the history up to and with the revision of a version
    compact: Callable[[Version], Awaitable[None]]
    #: let seconds pass
    advance: Callable[[float], Awaitable[None]]


async def collect(
    storage: Storage, after: Version, count: int, prefix: Key = PREFIX
) -> Sequence[StorageEvent]:
    """Return the next `count` events (without bookmarks)."""
    found: list[StorageEvent] = []
    async with asyncio.timeout(10), aclosing(storage.watch(prefix, after=after)) as batches:
        async for batch in batches:
            found += [event for event in batch if event.type is not EventType.BOOKMARK]
            if len(found) >= count:
                return found
    raise AssertionError("the watch ended")


def short(events: Sequence[StorageEvent]) -> list[tuple[str, str, bytes | None]]:
    return [(e.type.value, e.key.rpartition("/")[2], e.object and e.object.data) for e in events]


class StorageSpec:
    """The tests."""

    @pytest.fixture
    def storage(self, harness: Harness) -> Storage:
        return harness.storage

    async def test_a_created_object_is_read_back(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a", x="1"), META)
        assert stored == Stored(key("a"), config("a", x="1"), stored.version, META, 0)
        assert await storage.get(key("a")) == stored

    async def test_what_is_not_there_is_none(self, storage: Storage) -> None:
        assert await storage.get(key("none")) is None

    async def test_create_refuses_a_taken_key(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        with pytest.raises(KeyExists):
            await storage.create(key("a"), config("a", x="2"), META)
        assert await storage.get(key("a")) == stored

    async def test_a_key_can_be_created_again_after_its_deletion(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        gone = await storage.delete(key("a"), expected=first.version)
        second = await storage.create(key("a"), config("a"), META)
        assert first.version < gone.version < second.version

    async def test_versions_of_writes_grow(self, storage: Storage) -> None:
        found = [(await storage.create(key(f"a{n}"), config("a"), META)).version for n in range(5)]
        assert found == sorted(set(found))
        assert found[-1] <= await storage.current_version()

    async def test_update_needs_the_expected_version(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        with pytest.raises(KeyConflict):
            await storage.update(key("a"), config("a", x="3"), META, expected=first.version)
        assert await storage.get(key("a")) == second
        assert second.version > first.version

    async def test_update_of_nothing_is_missing(self, storage: Storage) -> None:
        with pytest.raises(KeyMissing):
            await storage.update(key("a"), config("a"), META, expected=Version(128))

    async def test_of_concurrent_updates_exactly_one_wins(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        results = await asyncio.gather(
            *(
                storage.update(key("a"), config("a", x=str(n)), META, expected=first.version)
                for n in range(20)
            ),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, Stored)]
        assert len(won) == 1
        assert [type(result) for result in results if result is not won[0]] == [KeyConflict] * 19
        assert await storage.get(key("a")) == won[0]

    async def test_of_concurrent_creates_exactly_one_wins(self, storage: Storage) -> None:
        results = await asyncio.gather(
            *(storage.create(key("a"), config("a", x=str(n)), META) for n in range(20)),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, Stored)]
        assert len(won) == 1
        assert sum(isinstance(result, KeyExists) for result in results) == 19

    async def test_concurrent_writes_have_versions_of_their_own(self, storage: Storage) -> None:
        stored = await asyncio.gather(
            *(storage.create(key(f"a{n:03}"), config("a"), META) for n in range(300))
        )
        assert len({item.version for item in stored}) == 300
        page = await storage.list(PREFIX)
        assert list(page.items) == list(stored)
        assert all(item.version <= page.version for item in stored)

    async def test_delete_returns_the_last_state_at_the_version_of_the_deletion(
        self, storage: Storage
    ) -> None:
        stored = await storage.create(key("a"), config("a", x="1"), META)
        gone = await storage.delete(key("a"))
        assert gone.data == stored.data
        assert gone.version > stored.version
        assert await storage.get(key("a")) is None

    async def test_delete_needs_the_expected_version(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        with pytest.raises(KeyConflict):
            await storage.delete(key("a"), expected=first.version)
        await storage.delete(key("a"), expected=second.version)
        with pytest.raises(KeyMissing):
            await storage.delete(key("a"), expected=second.version)
        with pytest.raises(KeyMissing):
            await storage.delete(key("a"))

    async def test_guaranteed_update_changes_what_is_stored(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        second = await storage.guaranteed_update(key("a"), lambda _: Change(config("a", x="2")))
        assert second.version > first.version
        assert await storage.get(key("a")) == second

    async def test_guaranteed_update_writes_nothing_when_nothing_changes(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        same = await storage.guaranteed_update(key("a"), lambda current: Change(current.data))
        assert same == first
        assert (await storage.get(key("a"))) == first

    async def test_guaranteed_updates_lose_no_increment(self, storage: Storage) -> None:
        await storage.create(key("a"), config("a", n="0"), META)

        def increment(current: Stored) -> Change:
            message = config_pb2.ConfigMap.FromString(current.data)
            message.data["n"] = str(int(message.data["n"]) + 1)
            return Change(message.SerializeToString(deterministic=True))

        await asyncio.gather(*(storage.guaranteed_update(key("a"), increment) for _ in range(10)))
        stored = await storage.get(key("a"))
        assert stored is not None
        assert stored.data == config("a", n="10")

    async def test_a_stale_hint_costs_a_try_and_no_update(self, storage: Storage) -> None:
        stale = await storage.create(key("a"), config("a", x="1"), META)
        await storage.update(key("a"), config("a", x="2"), META, expected=stale.version)

        def change(current: Stored) -> Change:
            return Change(current.data + config("", y="1"))

        stored = await storage.guaranteed_update(key("a"), change, hint=stale)
        assert stored.data == config("a", x="2") + config("", y="1")

    async def test_no_error_and_no_equality_of_a_stale_hint_is_believed(self, storage: Storage) -> None:
        stale = await storage.create(key("a"), config("a", x="1"), META)
        fresh = await storage.update(key("a"), config("a", x="2"), META, expected=stale.version)

        def refuse_stale(current: Stored) -> Change:
            if current.version == stale.version:
                raise ValueError("stale")
            return Change(config("a", x="3"))

        third = await storage.guaranteed_update(key("a"), refuse_stale, hint=stale)
        assert third.version > fresh.version
        fourth = await storage.guaranteed_update(key("a"), lambda _: Change(config("a", x="1")), hint=stale)
        assert fourth.data == config("a", x="1")
        assert fourth.version > third.version

    async def test_guaranteed_update_passes_on_the_error_of_the_change(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)

        def refuse(_: Stored) -> Change:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await storage.guaranteed_update(key("a"), refuse, hint=first)
        assert await storage.get(key("a")) == first

    async def test_guaranteed_update_can_delete(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        last = await storage.guaranteed_update(key("a"), lambda _: Change(None))
        assert (last.data, last.version > first.version) == (first.data, True)
        assert await storage.get(key("a")) is None

    async def test_guaranteed_update_of_nothing_is_missing(self, storage: Storage) -> None:
        with pytest.raises(KeyMissing):
            await storage.guaranteed_update(key("a"), lambda current: Change(current.data))

    async def test_a_list_has_the_prefix_in_the_order_of_keys(self, storage: Storage) -> None:
        for name, namespace in (("b", "x"), ("a", "y"), ("a", "x"), ("a", "xx")):
            await storage.create(key(name, namespace), config(name), META)
        await storage.create(Key("/registry/configmapsx/x/c"), config("c"), META)
        assert [item.key for item in (await storage.list(PREFIX)).items] == [
            key("a", "x"), key("b", "x"), key("a", "xx"), key("a", "y"),
        ]  # fmt: skip
        page = await storage.list(Key(f"{PREFIX}x/"))
        assert [item.key for item in page.items] == [key("a", "x"), key("b", "x")]
        assert (page.next_key, page.remaining) == (None, None)

    async def test_a_list_carries_the_version_of_a_whole_revision(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        page = await storage.list(PREFIX)
        assert versions.position_of(page.version) == versions.WHOLE
        assert page.version > stored.version

    async def test_pages_are_of_one_version(self, storage: Storage) -> None:
        stored = [await storage.create(key(f"a{n}"), config("a"), META) for n in range(7)]
        page = await storage.list(PREFIX, limit=3)
        assert (list(page.items), page.remaining) == (stored[:3], 4)
        await storage.delete(key("a4"))
        await storage.create(key("a9"), config("a"), META)
        found = list(page.items)
        version = page.version
        while page.next_key is not None:
            page = await storage.list(PREFIX, Read(exact=version), limit=3, after=page.next_key)
            assert page.version == version
            found += page.items
        assert found == stored

    async def test_pages_are_bounded_by_bytes(self, storage: Storage) -> None:
        stored = [await storage.create(key(f"a{n}"), config("a", x="." * 100), META) for n in range(4)]
        size = len(stored[0].data)
        page = await storage.list(PREFIX, max_bytes=2 * size + 10)
        assert list(page.items) == stored[:2]
        page = await storage.list(PREFIX, max_bytes=10, after=page.next_key)
        assert (list(page.items), page.next_key) == ([stored[2]], stored[2].key)

    async def test_exact_reads_see_the_past(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        version = (await storage.list(PREFIX)).version
        await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        await storage.create(key("b"), config("b"), META)
        page = await storage.list(PREFIX, Read(exact=version))
        assert (list(page.items), page.version) == ([first], version)
        assert await storage.get(key("a"), Read(exact=version)) == first

    async def test_a_version_that_does_not_exist_yet_is_refused(self, storage: Storage) -> None:
        future = Version(await storage.current_version() + 100 * versions.SPAN)
        with pytest.raises(Timeout, match="Too large resource version"):
            await storage.list(PREFIX, Read(exact=future))
        with pytest.raises(Timeout, match="Too large resource version"):
            await storage.get(key("a"), Read(at_least=future))

    async def test_at_least_reads_are_not_older(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        assert await storage.get(key("a"), Read(at_least=stored.version)) == stored
        page = await storage.list(PREFIX, Read(at_least=stored.version))
        assert list(page.items) == [stored]
        assert page.version >= stored.version

    async def test_a_compacted_version_is_expired(self, storage: Storage, harness: Harness) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        version = (await storage.list(PREFIX)).version
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        later = await storage.create(key("b"), config("b"), META)
        assert await storage.get(key("b")) == later  # a cache has moved on as well
        await harness.compact(second.version)
        with pytest.raises(Expired):
            await storage.list(PREFIX, Read(exact=version))
        assert await storage.get(key("a")) == second

    async def test_a_watch_sees_what_happens_in_order(self, storage: Storage) -> None:
        start = await storage.current_version()
        first = await storage.create(key("a"), config("a", x="1"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        gone = await storage.delete(key("a"))
        events = await collect(storage, start, 3)
        assert short(events) == [
            ("ADDED", "a", first.data), ("MODIFIED", "a", second.data), ("DELETED", "a", second.data),
        ]  # fmt: skip
        assert [event.version for event in events] == [first.version, second.version, gone.version]
        assert [event.object and event.object.version for event in events] == [
            event.version for event in events
        ]
        assert [event.previous for event in events] == [None, first, second]

    async def test_a_watch_goes_on(self, storage: Storage) -> None:
        start = await storage.current_version()
        watch: AsyncIterator[Sequence[StorageEvent]] = storage.watch(PREFIX, after=start)
        async with asyncio.timeout(10), aclosing(watch):
            for name in ("a", "b", "c"):
                waiting = asyncio.get_running_loop().create_task(anext_events(watch))
                stored = await storage.create(key(name), config(name), META)
                assert [event.object for event in await waiting] == [stored]

    async def test_a_watch_can_be_resumed_after_any_event(self, storage: Storage) -> None:
        start = await storage.current_version()
        await asyncio.gather(*(storage.create(key(f"a{n:02}"), config("a"), META) for n in range(60)))
        await asyncio.gather(*(storage.delete(key(f"a{n:02}")) for n in range(20)))
        everything = await collect(storage, start, 80)
        for index in (0, 1, 17, 58, 59, 60, 61, 78):
            rest = await collect(storage, everything[index].version, 79 - index)
            assert rest == everything[index + 1 :]

    async def test_a_watch_after_a_list_continues_it(self, storage: Storage) -> None:
        await asyncio.gather(*(storage.create(key(f"a{n}"), config("a"), META) for n in range(10)))
        page = await storage.list(PREFIX)
        later = await storage.create(key("b"), config("b"), META)
        assert [event.object for event in await collect(storage, page.version, 1)] == [later]

    async def test_a_watch_sees_its_prefix_only(self, storage: Storage) -> None:
        start = await storage.current_version()
        await storage.create(key("a", "other"), config("a"), META)
        stored = await storage.create(key("a", "mine"), config("a"), META)
        events = await collect(storage, start, 1, Key(f"{PREFIX}mine/"))
        assert [event.object for event in events] == [stored]

    async def test_a_deletion_has_the_version_that_watches_see(self, storage: Storage) -> None:
        start = await storage.current_version()
        await asyncio.gather(*(storage.create(key(f"a{n}"), config("a"), META) for n in range(30)))
        gone = await asyncio.gather(*(storage.delete(key(f"a{n}")) for n in range(30)))
        events = (await collect(storage, start, 60))[30:]
        assert {event.key: event.version for event in events} == {item.key: item.version for item in gone}

    async def test_a_watch_tells_progress(self, storage: Storage) -> None:
        await storage.create(Key("/registry/other/a"), config("a"), META)
        version = await storage.current_version()
        watch = storage.watch(PREFIX, after=Version(version - versions.SPAN))
        async with asyncio.timeout(10), aclosing(watch):
            waiting = asyncio.get_running_loop().create_task(anext_batch(watch))
            while not waiting.done():
                await storage.request_progress()
                await asyncio.wait([waiting], timeout=0.05)
            (event,) = waiting.result()
        assert (event.type, event.object) == (EventType.BOOKMARK, None)
        assert event.version >= version

    async def test_a_watch_from_a_compacted_version_is_expired(
        self, storage: Storage, harness: Harness
    ) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        third = await storage.update(key("a"), config("a", x="3"), META, expected=second.version)
        await harness.compact(second.version)
        for expired in (first.version, second.version, Version(second.version - versions.SPAN)):
            with pytest.raises(Expired):
                await collect(storage, expired, 1)
        whole = versions.whole(versions.revision_of(second.version))
        assert [event.object for event in await collect(storage, whole, 1)] == [third]

    async def test_a_key_with_a_time_to_live_ends(self, storage: Storage, harness: Harness) -> None:
        start = await storage.current_version()
        stored = await storage.create(key("a"), config("a"), META, ttl_seconds=2)
        kept = await storage.create(key("b"), config("b"), META)
        assert (await storage.get(key("a"))) == stored
        assert stored.ttl_seconds == 2
        watching = asyncio.get_running_loop().create_task(collect(storage, start, 3))
        await harness.advance(2)
        events = await watching
        assert short(events)[2:] == [("DELETED", "a", stored.data)]
        assert await storage.get(key("a")) is None
        assert await storage.get(key("b")) == kept


async def anext_events(watch: AsyncIterator[Sequence[StorageEvent]]) -> Sequence[StorageEvent]:
    """Return the next batch that is more than a bookmark."""
    async for batch in watch:
        if any(event.type is not EventType.BOOKMARK for event in batch):
            return batch
    raise AssertionError("the watch ended")


async def anext_batch(watch: AsyncIterator[Sequence[StorageEvent]]) -> Sequence[StorageEvent]:
    """Return the next batch."""
    return await anext(watch)
