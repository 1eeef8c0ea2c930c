"""Other writers and their objects, and callers that give up in the middle of a call."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from random import Random
from typing import Any

import pytest

from apiserver.storage.interface import (
    Change,
    EventType,
    KeyConflict,
    KeyMissing,
    Storage,
    StorageError,
    Stored,
)
from tests.conformance.storage.harness import (
    META,
    PREFIX,
    Harness,
    Spec,
    collect,
    config,
    create_many,
    key,
    next_events,
    number,
)

#: field 999 of a ConfigMap, which nobody knows
UNKNOWN = b"\xba\x3e\x05later"


async def give_up(coroutine: Coroutine[Any, Any, object], turns: int) -> object:
    """Start a call, cancel it after some turns of the loop, and return what it had to say."""
    task = asyncio.get_running_loop().create_task(coroutine)
    for _ in range(turns):
        await asyncio.wait([task], timeout=0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    return result


class OthersSpec(Spec):
    """Those who share the storage."""

    async def test_what_another_writer_does_is_seen(self, harness: Harness) -> None:
        start = await harness.storage.current_version()
        first = await harness.other.create(key("a"), config("a"), META)
        assert await harness.storage.get(key("a")) == first
        second = await harness.storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        gone = await harness.other.delete(key("a"), expected=second.version)
        assert await harness.storage.get(key("a")) is None
        events = await collect(harness.storage, start, 3)
        assert [event.version for event in events] == [first.version, second.version, gone.version]

    async def test_another_writer_wins_and_loses_like_any(self, harness: Harness) -> None:
        stored = await harness.storage.create(key("a"), config("a"), META)
        await harness.other.update(key("a"), config("a", x="1"), META, expected=stored.version)
        with pytest.raises(KeyConflict):
            await harness.storage.update(key("a"), config("a", x="2"), META, expected=stored.version)
        await harness.other.delete(key("a"))
        with pytest.raises(KeyMissing):
            await harness.storage.delete(key("a"))

    async def test_a_write_of_another_makes_a_hint_stale(self, harness: Harness) -> None:
        hint = await harness.storage.create(key("a"), config("a", n="1"), META)
        await harness.other.update(key("a"), config("a", n="10"), META, expected=hint.version)
        stored = await harness.storage.guaranteed_update(
            key("a"), lambda current: Change(config("a", n=str(number(current) + 1))), hint=hint
        )
        assert number(stored) == 11

    async def test_fields_that_nobody_knows_are_kept(self, harness: Harness) -> None:
        data = config("a", x="1") + UNKNOWN
        start = await harness.storage.current_version()
        stored = await harness.other.create(key("a"), data, META)
        assert stored.data == data
        assert await harness.storage.get(key("a")) == stored
        assert list((await harness.storage.list(PREFIX)).items) == [stored]
        assert [event.object for event in await collect(harness.storage, start, 1)] == [stored]
        changed = await harness.storage.guaranteed_update(
            key("a"), lambda current: Change(current.data + config("", y="2"))
        )
        assert changed.data == data + config("", y="2")
        assert (await harness.other.delete(key("a"))).data == changed.data

    async def test_a_kind_that_nobody_knows_is_stored_all_the_same(self, harness: Harness) -> None:
        where = key("a").replace("configmaps", "strangers")
        stored = await harness.other.create(
            type(key("a"))(where), b"\x00\x01", ("example.org/v1", "Stranger")
        )
        assert await harness.storage.get(stored.key) == stored
        page = await harness.storage.list(type(key("a"))("/registry/strangers/"))
        assert list(page.items) == [stored]

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
    async def test_a_write_that_was_given_up_happened_once_or_not_at_all(
        self, storage: Storage, turns: int
    ) -> None:
        start = await storage.current_version()
        stored = await storage.create(key("a"), config("a", n="0"), META)
        ways: list[Coroutine[Any, Any, object]] = [
            storage.create(key("b"), config("b"), META),
            storage.update(key("a"), config("a", n="1"), META, expected=stored.version),
            storage.guaranteed_update(
                key("a"), lambda current: Change(config("a", n=str(number(current) + 10)))
            ),
            storage.delete(key("a"), expected=stored.version),
        ]
        await asyncio.gather(*(give_up(way, turns) for way in ways))
        last = await storage.create(key("last"), config("last"), META)
        events = await collect(storage, start, 2)
        while events[-1].version < last.version:
            events = await collect(storage, start, len(events) + 1)
        assert [event.key for event in events].count(key("b")) <= 1
        changes = [event for event in events if event.key == key("a")]
        assert [event.type for event in changes].count(EventType.DELETED) <= 1
        state = {}
        for event in events:
            state[event.key] = None if event.type is EventType.DELETED else event.object
        assert await storage.get(key("a")) == state[key("a")]
        assert await storage.get(key("b")) == state.get(key("b"))

    async def test_writers_that_give_up_do_not_harm_those_that_wait(self, storage: Storage) -> None:
        rng = Random(1)

        async def patient(n: int) -> Stored:
            return await storage.create(key(f"a{n:03}"), config("a"), META)

        async def impatient(n: int) -> None:
            await give_up(storage.create(key(f"b{n:03}"), config("b"), META), rng.randrange(6))

        results = await asyncio.gather(
            *(patient(n) if n % 2 else impatient(n) for n in range(200)), return_exceptions=True
        )
        written = [result for result in results if isinstance(result, Stored)]
        assert len(written) == 100
        there = {item.key: item for item in (await storage.list(PREFIX)).items}
        assert all(there[item.key] == item for item in written)

    async def test_readers_that_give_up_do_not_harm_those_that_wait(self, storage: Storage) -> None:
        stored = await create_many(storage, 5)
        reads = [
            give_up(storage.list(PREFIX), turns) if turns % 2 else storage.list(PREFIX) for turns in range(20)
        ]
        pages = (await asyncio.gather(*reads))[::2]
        assert [list(page.items) for page in pages] == [stored] * 10  # type: ignore[attr-defined]  # pages, all of them
        gets = [
            give_up(storage.get(key("a000")), turns) if turns % 2 else storage.get(key("a000"))
            for turns in range(20)
        ]
        assert (await asyncio.gather(*gets))[::2] == [stored[0]] * 10

    async def test_a_watcher_that_gives_up_leaves_nothing_undone(self, storage: Storage) -> None:
        start = await storage.current_version()
        for turns in (0, 1, 2, 4):
            async with aclosing(storage.watch(PREFIX, after=start)) as watch:
                assert isinstance(await give_up(next_events(watch), turns), asyncio.CancelledError)
        stored = await storage.create(key("a"), config("a"), META)
        assert [event.object for event in await collect(storage, start, 1)] == [stored]

    async def test_many_at_once_on_few_keys_are_refused_or_done(self, harness: Harness) -> None:
        """Every caller is told one of the documented things, and what is there at the end is what the last
        one was told.
        """
        rng = Random(7)

        async def act(n: int) -> object:
            storage, name = (harness.storage, harness.other)[n % 2], key(f"a{rng.randrange(4)}")
            way = rng.randrange(4)
            if way == 0:
                return await storage.create(name, config("a", n=str(n)), META)
            if way == 1:
                return await storage.delete(name)
            if way == 2:
                return await storage.guaranteed_update(name, lambda _: Change(config("a", n=str(n))))
            current = await storage.get(name)
            if current is None:
                return None
            return await storage.update(name, config("a", n=str(n)), META, expected=current.version)

        results = await asyncio.gather(*(act(n) for n in range(150)), return_exceptions=True)
        assert all(isinstance(result, Stored | StorageError | None) for result in results)
        told = {item.version: item for item in results if isinstance(item, Stored)}
        for item in (await harness.storage.list(PREFIX)).items:
            assert told[item.version] == item
