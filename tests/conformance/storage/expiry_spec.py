"""Keys with a time to live."""

import asyncio

import pytest

from apiserver.storage.interface import Change, KeyMissing, Storage
from tests.conformance.storage.harness import META, PREFIX, Harness, Spec, collect, config, key, short


class ExpirySpec(Spec):
    """Over etcd the seconds are real ones, so these cases are few."""

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
        with pytest.raises(KeyMissing):
            await storage.guaranteed_update(key("a"), lambda _: Change(config("a", x="1")), hint=stored)
        again = await storage.create(key("a"), config("a"), META)
        assert again.version > events[-1].version

    async def test_keys_end_each_at_its_time_and_are_seen_to(
        self, storage: Storage, harness: Harness
    ) -> None:
        """Kept by an update without a time to live, given one by an update with, and two that end together."""
        start = await storage.current_version()
        kept = await storage.create(key("kept"), config("a"), META, ttl_seconds=1)
        kept = await storage.update(key("kept"), config("a", x="1"), META, expected=kept.version)
        ends = await storage.create(key("ends"), config("a"), META)
        ends = await storage.guaranteed_update(
            key("ends"), lambda _: Change(config("a", x="1"), ttl_seconds=1)
        )
        both = [await storage.create(key(f"both{n}"), config("a"), META, ttl_seconds=1) for n in range(2)]
        assert (kept.ttl_seconds, ends.ttl_seconds) == (0, 1)
        assert await storage.get(key("ends")) == ends
        watching = asyncio.get_running_loop().create_task(collect(storage, start, 9))
        await harness.advance(1)
        events = await watching
        gone = [event for event in events if event.type.value == "DELETED"]
        assert {event.key for event in gone} == {ends.key, *(item.key for item in both)}
        assert len({event.version for event in gone}) == 3
        assert list((await storage.list(PREFIX)).items) == [kept]

    async def test_the_time_to_live_is_read_back(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META, ttl_seconds=3600)
        assert await storage.get(key("a")) == stored
        assert list((await storage.list(PREFIX)).items) == [stored]
        assert stored.ttl_seconds == 3600
