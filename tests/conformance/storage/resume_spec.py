"""Where a watch can begin: after every event, after lists, after nothing, after what is no longer or not yet
there (I6).
"""

import asyncio

import pytest

from apiserver.storage import versions
from apiserver.storage.interface import Read, Storage, Version
from tests.conformance.storage.harness import (
    META,
    PREFIX,
    Harness,
    Spec,
    collect,
    config,
    create_many,
    key,
)
from vaina.errors import Expired, Timeout


class ResumeSpec(Spec):
    """Beginnings."""

    async def test_a_watch_can_be_resumed_after_every_event_of_a_batch(self, storage: Storage) -> None:
        start = await storage.current_version()
        await create_many(storage, 40)
        await asyncio.gather(*(storage.delete(key(f"a{n:03}")) for n in range(15)))
        last = await storage.create(key("last"), config("last"), META)
        everything = await collect(storage, start, 56)
        assert [event.version for event in everything] == sorted({event.version for event in everything})
        assert everything[-1].object == last
        rests = await asyncio.gather(
            *(collect(storage, event.version, 55 - index) for index, event in enumerate(everything[:-1]))
        )
        for index, rest in enumerate(rests):
            assert rest == everything[index + 1 :]

    async def test_a_watch_after_a_list_continues_it(self, storage: Storage) -> None:
        await create_many(storage, 10)
        page = await storage.list(PREFIX)
        later = await storage.create(key("b"), config("b"), META)
        assert [event.object for event in await collect(storage, page.version, 1)] == [later]

    async def test_a_watch_after_the_current_version_sees_the_next_write(self, storage: Storage) -> None:
        await create_many(storage, 10)
        start = await storage.current_version()
        later = await storage.create(key("b"), config("b"), META)
        assert [event.object for event in await collect(storage, start, 1)] == [later]

    async def test_a_watch_after_a_deletion_sees_what_comes_next(self, storage: Storage) -> None:
        await storage.create(key("a"), config("a"), META)
        gone = await storage.delete(key("a"))
        later = await storage.create(key("a"), config("a", x="2"), META)
        assert [event.object for event in await collect(storage, gone.version, 1)] == [later]

    async def test_a_watch_after_the_last_of_a_batch_sees_the_next_one(self, storage: Storage) -> None:
        stored = await create_many(storage, 50)
        last = max(item.version for item in stored)
        later = await storage.create(key("b"), config("b"), META)
        assert [event.object for event in await collect(storage, last, 1)] == [later]

    async def test_a_watch_between_two_positions_that_were_not_used_loses_nothing(
        self, storage: Storage
    ) -> None:
        """A client may hold the version of an object of another kind, from the same batch."""
        stored = await storage.create(key("a"), config("a"), META)
        later = await storage.create(key("b"), config("b"), META)
        for version in range(stored.version, versions.whole(versions.revision_of(stored.version)) + 1):
            if version % 16 in (0, 15):
                assert [e.object for e in await collect(storage, Version(version), 1)] == [later]

    async def test_an_exact_list_and_a_watch_after_it_are_the_whole(self, storage: Storage) -> None:
        """At the version of any write of a batch.

        Nothing is missing between the two, and nothing comes twice.
        """
        start = await storage.current_version()
        stored = await create_many(storage, 30)
        await storage.create(key("last"), config("last"), META)
        everything = await collect(storage, start, 31)
        for item in stored[::7]:
            page = await storage.list(PREFIX)
            assert len(page.items) == 31
            page = await storage.list(PREFIX, Read(exact=item.version))
            rest = await collect(storage, page.version, 31 - len(page.items))
            listed = {entry.version for entry in page.items}
            assert listed.isdisjoint(event.version for event in rest)
            assert listed | {event.version for event in rest} == {event.version for event in everything}

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

    async def test_after_a_compaction_a_watch_from_the_beginning_is_expired(
        self, storage: Storage, harness: Harness
    ) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        await storage.create(key("b"), config("b"), META)
        await harness.compact(stored.version)
        for version in (0, 1, 999, 1000):
            with pytest.raises(Expired, match="The resourceVersion for the provided watch is too old"):
                await collect(storage, Version(version), 1)

    async def test_a_deletion_at_the_compaction_is_not_lost_in_silence(
        self, storage: Storage, harness: Harness
    ) -> None:
        """Some releases of etcd 3.5 drop a deletion at the very revision of a compaction.

        Who would need it is told.
        """
        stored = await storage.create(key("a"), config("a"), META)
        before = versions.whole(versions.revision_of(stored.version))
        gone = await storage.delete(key("a"))
        await storage.create(key("b"), config("b"), META)
        await harness.compact(gone.version)
        with pytest.raises(Expired):
            await collect(storage, stored.version, 2)
        with pytest.raises(Expired):
            await collect(storage, before, 2)

    @pytest.mark.parametrize("position", [0, 5, versions.WHOLE])
    async def test_a_watch_from_a_version_that_does_not_exist_yet_is_refused(
        self, storage: Storage, position: int
    ) -> None:
        """Whoever waited in silence could miss what comes before that version (an etcd restored from a copy)."""
        revision = versions.revision_of(await storage.current_version()) + 100
        future = versions.version_of(revision, position)
        with pytest.raises(Timeout, match=f"Too large resource version: {future}, current: ") as caught:
            await collect(storage, future, 1)
        assert caught.value.retry_seconds == 1
        assert [cause.type for cause in caught.value.causes] == ["ResourceVersionTooLarge"]
