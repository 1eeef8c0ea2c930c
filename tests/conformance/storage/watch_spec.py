"""What a watch says of what happens: in order, once, without gaps, and how far it is (I6)."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from apiserver.storage import versions
from apiserver.storage.interface import Change, EventType, Key, Storage, StorageError, StorageEvent, Version
from tests.conformance.storage.harness import (
    META,
    PREFIX,
    Harness,
    Spec,
    collect,
    config,
    create_many,
    key,
    next_batch,
    next_events,
    short,
)
from tests.support.tasks import running
from tests.support.watch_validators import Recorded, Seen, check, check_history


def seen(events: Sequence[StorageEvent]) -> list[Seen]:
    """Return events as the validators take them."""
    return [
        Seen(event.type.value, "" if event.object is None else event.key, event.version, event.object and event.object.data)
        for event in events
    ]  # fmt: skip


async def record(storage: Storage, after: Version, events: list[StorageEvent]) -> None:
    """Write down everything until cancelled."""
    async with aclosing(storage.watch(PREFIX, after=after)) as batches:
        async for batch in batches:
            events += batch


async def reached(events: list[StorageEvent], version: Version) -> None:
    """Return when a recorder has got a version."""
    async with asyncio.timeout(60):
        while not events or events[-1].version < version:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.005)


class WatchSpec(Spec):
    """Watches from a version on."""

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
        watch = storage.watch(PREFIX, after=start)
        async with asyncio.timeout(60), aclosing(watch):
            for name in ("a", "b", "c"):
                waiting = asyncio.get_running_loop().create_task(next_events(watch))
                stored = await storage.create(key(name), config(name), META)
                assert [event.object for event in await waiting] == [stored]

    async def test_a_namesake_is_added_anew(self, storage: Storage) -> None:
        start = await storage.current_version()
        first = await storage.create(key("a"), config("a", x="1"), META)
        await storage.delete(key("a"))
        second = await storage.create(key("a"), config("a", x="2"), META)
        assert short(await collect(storage, start, 3)) == [
            ("ADDED", "a", first.data), ("DELETED", "a", first.data), ("ADDED", "a", second.data),
        ]  # fmt: skip

    async def test_what_writes_nothing_is_no_event(self, storage: Storage) -> None:
        start = await storage.current_version()
        first = await storage.create(key("a"), config("a"), META)
        await storage.guaranteed_update(key("a"), lambda current: Change(current.data))
        for refused in (
            storage.create(key("a"), config("a", x="1"), META),
            storage.update(
                key("a"), config("a", x="1"), META, expected=Version(first.version + versions.SPAN)
            ),
            storage.delete(key("b")),
        ):
            with pytest.raises(StorageError):
                await refused
        last = await storage.create(key("c"), config("c"), META)
        assert [event.object for event in await collect(storage, start, 2)] == [first, last]

    async def test_a_watch_sees_its_prefix_only(self, storage: Storage) -> None:
        start = await storage.current_version()
        await storage.create(key("a", "other"), config("a"), META)
        stored = await storage.create(key("a", "mine"), config("a"), META)
        events = await collect(storage, start, 1, Key(f"{PREFIX}mine/"))
        assert [event.object for event in events] == [stored]

    async def test_a_watch_does_not_see_names_that_begin_like_its_prefix(self, storage: Storage) -> None:
        start = await storage.current_version()
        for namespace in ("a-b", "a.b", "ab", "a0"):
            await storage.create(key("x", namespace), config("x"), META)
        await storage.create(Key("/registry/configmapsx/a/x"), config("x"), META)
        stored = await storage.create(key("x", "a"), config("x"), META)
        events = await collect(storage, start, 1, Key(f"{PREFIX}a/"))
        assert [event.object for event in events] == [stored]

    async def test_watchers_see_the_same(self, harness: Harness) -> None:
        start = await harness.storage.current_version()
        recorded: list[list[StorageEvent]] = [[], [], []]
        async with running(
            record(harness.storage, start, recorded[0]),
            record(harness.storage, start, recorded[1]),
            record(harness.other, start, recorded[2]),
        ):
            await create_many(harness.storage, 60)
            await asyncio.gather(*(harness.other.delete(key(f"a{n:03}")) for n in range(30)))
            last = await harness.storage.create(key("last"), config("last"), META)
            for events in recorded:
                await reached(events, last.version)
        found = [[e for e in events if e.type is not EventType.BOOKMARK] for events in recorded]
        assert len(found[0]) == 91
        assert found[0] == found[1] == found[2]

    async def test_a_deletion_has_the_version_that_watches_see(self, storage: Storage) -> None:
        start = await storage.current_version()
        await create_many(storage, 30)
        gone = await asyncio.gather(*(storage.delete(key(f"a{n:03}")) for n in range(30)))
        events = (await collect(storage, start, 60))[30:]
        assert {event.key: event.version for event in events} == {item.key: item.version for item in gone}
        assert len({item.version for item in gone}) == 30

    async def test_many_writes_at_once_are_seen_in_order(self, storage: Storage) -> None:
        start = await storage.current_version()
        stored = await create_many(storage, 400)
        events = await collect(storage, start, 400)
        assert [event.object for event in events] == sorted(stored, key=lambda item: item.version)
        assert check_history(seen(events)) == []

    async def test_large_events_are_seen(self, storage: Storage) -> None:
        start = await storage.current_version()
        stored = await create_many(storage, 6, "." * 1_000_000)
        changed = await asyncio.gather(
            *(storage.update(i.key, config("b", x="," * 1_000_000), META, expected=i.version) for i in stored)
        )
        events = await collect(storage, start, 12)
        assert [event.object for event in events] == [*stored, *changed]
        assert [event.previous for event in events[6:]] == stored

    async def test_a_watch_without_the_states_before_says_what_is_now(self, storage: Storage) -> None:
        start = await storage.current_version()
        first = await storage.create(key("a"), config("a", x="1"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        gone = await storage.delete(key("a"))
        found: list[StorageEvent] = []
        async with (
            asyncio.timeout(60),
            aclosing(storage.watch(PREFIX, after=start, previous=False)) as batches,
        ):
            async for batch in batches:
                found += [event for event in batch if event.type is not EventType.BOOKMARK]
                if len(found) == 3:
                    break
        assert [(e.type.value, e.version) for e in found] == [
            ("ADDED", first.version), ("MODIFIED", second.version), ("DELETED", gone.version),
        ]  # fmt: skip
        assert [event.object for event in found[:2]] == [first, second]

    async def test_a_watch_tells_progress(self, storage: Storage) -> None:
        await storage.create(Key("/registry/other/a"), config("a"), META)
        version = await storage.current_version()
        watch = storage.watch(PREFIX, after=Version(version - versions.SPAN))
        async with asyncio.timeout(60), aclosing(watch):
            waiting = asyncio.get_running_loop().create_task(next_batch(watch))
            while not waiting.done():
                await storage.request_progress()
                await asyncio.wait([waiting], timeout=0.05)
            (event,) = waiting.result()
        assert (event.type, event.key, event.object) == (EventType.BOOKMARK, PREFIX, None)
        assert event.version >= version
        assert versions.position_of(event.version) == versions.WHOLE

    async def test_a_watch_from_now_says_at_once_where_it_is(self, storage: Storage) -> None:
        """The feed of the caches takes it for the sign that the watch is open: nothing may happen for long."""
        await storage.create(key("a"), config("a"), META)
        version = await storage.current_version()
        async with asyncio.timeout(60), aclosing(storage.watch(PREFIX, after=version)) as watch:
            (event,) = await next_batch(watch)
        assert (event.type, event.key, event.object) == (EventType.BOOKMARK, PREFIX, None)
        assert event.version == version

    async def test_bookmarks_are_never_ahead_of_what_was_delivered(self, harness: Harness) -> None:
        storage = harness.storage
        start = await storage.current_version()
        truth: list[StorageEvent] = []
        streams: list[list[StorageEvent]] = [[], [], []]
        stop = asyncio.Event()
        written = 0

        async def nag() -> None:
            while not stop.is_set():
                await storage.request_progress()
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.002)

        def is_told() -> bool:
            return any(event.type is EventType.BOOKMARK for events in streams for event in events)

        async def write(writer: int) -> None:
            """Write until somebody was told how far it is.

            etcd answers no request for progress before a watch has caught up.

            It brings those that began behind up to date by a timer (etcd
            `server/storage/mvcc/watchable_store.go`, progressIfSync and syncWatchersLoop): forty writes may
            be over by then.
            """
            nonlocal written
            target, n = (harness.storage, harness.other)[writer % 2], 0
            while n < 40 or not is_told():
                stored = await target.create(key(f"w{writer}-{n}"), config("a"), META)
                written += 1
                if n % 3 == 0:
                    await target.delete(stored.key, expected=stored.version)
                    written += 1
                n += 1
                # Memory never waits by itself.
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)

        async with running(
            record(harness.other, start, truth), *(record(storage, start, events) for events in streams)
        ):
            async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
                nagging = tasks.create_task(nag())
                await asyncio.gather(*(write(writer) for writer in range(4)))
                stop.set()
                await nagging
            last = await storage.create(key("last"), config("last"), META)
            for events in (truth, *streams):
                await reached(events, last.version)
        history = [event for event in seen(truth) if event.type != "BOOKMARK"]
        assert len(history) == written + 1
        assert check_history(history) == []
        for events in streams:
            assert check(Recorded(start, seen(events), until=last.version), history) == []
        assert is_told()

    async def test_a_watch_can_be_left_in_the_middle_and_others_go_on(self, storage: Storage) -> None:
        start = await storage.current_version()
        events: list[StorageEvent] = []
        async with running(record(storage, start, events)):
            for n in range(5):
                stored = await storage.create(key(f"a{n}"), config("a"), META)
                async with asyncio.timeout(60), aclosing(storage.watch(PREFIX, after=start)) as watch:
                    await next_events(watch)
                await reached(events, stored.version)
        assert [event.key for event in events if event.object is not None] == [key(f"a{n}") for n in range(5)]

    async def test_a_compaction_does_not_disturb_who_follows(
        self, storage: Storage, harness: Harness
    ) -> None:
        start = await storage.current_version()
        events: list[StorageEvent] = []
        written = []
        async with running(record(storage, start, events)):
            for n in range(10):
                stored = await storage.create(key(f"a{n}"), config("a"), META)
                written.append(stored)
                await reached(events, stored.version)
                await harness.compact(stored.version)
        assert [event.object for event in events if event.object is not None] == written
