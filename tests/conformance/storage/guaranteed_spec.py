"""`guaranteed_update`: read, change, write, and again when somebody else was faster."""

import asyncio

import pytest

from apiserver.storage.interface import Change, KeyMissing, Storage, Stored
from tests.conformance.storage.harness import META, Harness, Spec, config, key, number
from vaina.errors import TooLarge


def increment(current: Stored) -> Change:
    return Change(config("a", n=str(number(current) + 1)))


class GuaranteedSpec(Spec):
    """Changes under every condition."""

    async def test_guaranteed_update_changes_what_is_stored(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        second = await storage.guaranteed_update(key("a"), lambda _: Change(config("a", x="2")))
        assert second.version > first.version
        assert await storage.get(key("a")) == second

    async def test_a_change_sees_what_is_stored(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a", n="1"), META)
        seen: list[Stored] = []

        def change(current: Stored) -> Change:
            seen.append(current)
            return increment(current)

        await storage.guaranteed_update(key("a"), change)
        assert seen == [first]

    async def test_guaranteed_update_writes_nothing_when_nothing_changes(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        same = await storage.guaranteed_update(key("a"), lambda current: Change(current.data))
        assert same == first
        assert (await storage.get(key("a"))) == first

    async def test_guaranteed_updates_lose_no_increment(self, storage: Storage) -> None:
        await storage.create(key("a"), config("a", n="0"), META)
        await asyncio.gather(*(storage.guaranteed_update(key("a"), increment) for _ in range(10)))
        assert number(await storage.get(key("a"))) == 10

    async def test_two_writers_lose_no_increment(self, harness: Harness) -> None:
        await harness.storage.create(key("a"), config("a", n="0"), META)
        await asyncio.gather(
            *(harness.storage.guaranteed_update(key("a"), increment) for _ in range(8)),
            *(harness.other.guaranteed_update(key("a"), increment) for _ in range(8)),
        )
        assert number(await harness.storage.get(key("a"))) == 16

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

    async def test_a_hint_of_a_namesake_that_is_gone_is_not_believed(self, storage: Storage) -> None:
        gone = await storage.create(key("a"), config("a", n="1"), META)
        await storage.delete(key("a"))
        await storage.create(key("a"), config("a", n="50"), META)
        assert number(await storage.guaranteed_update(key("a"), increment, hint=gone)) == 51

    async def test_a_hint_of_what_was_deleted_is_missing(self, storage: Storage) -> None:
        gone = await storage.create(key("a"), config("a", n="1"), META)
        await storage.delete(key("a"))
        with pytest.raises(KeyMissing):
            await storage.guaranteed_update(key("a"), increment, hint=gone)
        with pytest.raises(KeyMissing):
            await storage.guaranteed_update(key("a"), lambda _: Change(None), hint=gone)
        assert await storage.get(key("a")) is None

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

    async def test_of_concurrent_conditional_deletions_one_wins(self, storage: Storage) -> None:
        await storage.create(key("a"), config("a"), META)
        results = await asyncio.gather(
            *(storage.guaranteed_update(key("a"), lambda _: Change(None)) for _ in range(5)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == ["KeyMissing"] * 4 + ["Stored"]

    async def test_a_condition_in_a_change_holds_when_it_is_written(self, storage: Storage) -> None:
        """Nobody takes more than there is: a compare-and-swap, not a look and a write."""
        await storage.create(key("a"), config("a", n="3"), META)

        def take(current: Stored) -> Change:
            if number(current) == 0:
                raise ValueError("none left")
            return Change(config("a", n=str(number(current) - 1)))

        results = await asyncio.gather(
            *(storage.guaranteed_update(key("a"), take) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(result, Stored) for result in results) == 3
        assert sum(isinstance(result, ValueError) for result in results) == 5
        assert number(await storage.get(key("a"))) == 0

    async def test_a_change_keeps_what_an_object_is(self, storage: Storage) -> None:
        await storage.create(key("a"), config("a", n="1"), ("vaina.dev/v1", "Counter"))
        stored = await storage.guaranteed_update(key("a"), increment)
        assert stored.type_meta == ("vaina.dev/v1", "Counter")
        assert await storage.get(key("a")) == stored

    async def test_a_change_to_what_is_too_large_is_refused(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        with pytest.raises(TooLarge):
            await storage.guaranteed_update(key("a"), lambda _: Change(config("a", x="." * 1_600_000)))
        assert await storage.get(key("a")) == stored

    async def test_updates_deletions_and_creations_at_once_are_one_history(self, harness: Harness) -> None:
        """Each increment is lost only where a deletion and a new beginning came between."""
        storage = harness.storage
        await storage.create(key("a"), config("a", n="0"), META)

        async def restart() -> int:
            """Return the count that was thrown away."""
            thrown = number(await harness.other.delete(key("a")))
            await harness.other.create(key("a"), config("a", n="0"), META)
            return thrown

        thrown, *results = await asyncio.gather(
            restart(), *(storage.guaranteed_update(key("a"), increment) for _ in range(12)),
            return_exceptions=True,
        )  # fmt: skip
        assert all(isinstance(result, Stored | KeyMissing) for result in results)
        done = sum(isinstance(result, Stored) for result in results)
        assert isinstance(thrown, int)
        assert thrown + number(await storage.get(key("a"))) == done
