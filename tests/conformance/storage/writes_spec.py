"""Create, update and delete under every precondition (I4, I5)."""

import asyncio

import pytest

from apiserver.storage.interface import KeyConflict, KeyExists, KeyMissing, Put, Storage, Stored, Version
from tests.conformance.storage.harness import META, PREFIX, Harness, Spec, config, create_many, key
from vaina.errors import TooLarge


class WritesSpec(Spec):
    """Writes one by one, and at once."""

    async def test_a_created_object_is_read_back(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a", x="1"), META)
        assert stored == Stored(key("a"), config("a", x="1"), stored.version, META, 0)
        assert await storage.get(key("a")) == stored

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

    async def test_of_concurrent_creates_exactly_one_wins(self, storage: Storage) -> None:
        results = await asyncio.gather(
            *(storage.create(key("a"), config("a", x=str(n)), META) for n in range(20)),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, Stored)]
        assert len(won) == 1
        assert sum(isinstance(result, KeyExists) for result in results) == 19
        assert await storage.get(key("a")) == won[0]

    async def test_what_an_object_is_can_be_changed(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        other = ("vaina.dev/v1", "Other")
        second = await storage.update(key("a"), config("a"), other, expected=first.version)
        assert (await storage.get(key("a"))) == second
        assert second.type_meta == other

    async def test_versions_of_writes_grow(self, storage: Storage) -> None:
        found = [(await storage.create(key(f"a{n}"), config("a"), META)).version for n in range(5)]
        assert found == sorted(set(found))
        assert found[-1] <= await storage.current_version()

    async def test_versions_of_one_object_grow(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a", n="0"), META)
        found = [stored.version]
        for n in range(1, 20):
            stored = await storage.update(key("a"), config("a", n=str(n)), META, expected=stored.version)
            found.append(stored.version)
        assert found == sorted(set(found))
        assert await storage.get(key("a")) == stored

    async def test_concurrent_writes_have_versions_of_their_own(self, storage: Storage) -> None:
        stored = await create_many(storage, 300)
        assert len({item.version for item in stored}) == 300
        page = await storage.list(PREFIX)
        assert list(page.items) == stored
        assert all(item.version <= page.version for item in stored)

    async def test_writes_of_all_sorts_at_once_have_versions_of_their_own(self, storage: Storage) -> None:
        old = await create_many(storage, 60)
        results = await asyncio.gather(
            *(storage.create(key(f"b{n}"), config("b"), META) for n in range(30)),
            *(storage.update(i.key, config("c"), META, expected=i.version) for i in old[:30]),
            *(storage.delete(item.key, expected=item.version) for item in old[30:]),
        )
        assert len({item.version for item in [*old, *results]}) == 150
        assert min(item.version for item in results) > max(item.version for item in old)

    async def test_a_write_is_newer_than_all_that_were_answered_before_it(self, harness: Harness) -> None:
        for n in range(5):
            mine = await harness.storage.create(key(f"a{n}"), config("a"), META)
            theirs = await harness.other.create(key(f"b{n}"), config("b"), META)
            assert mine.version < theirs.version <= await harness.storage.current_version()

    async def test_many_puts_are_answered_each_for_itself(self, storage: Storage) -> None:
        old = await create_many(storage, 3)
        await storage.update(old[1].key, config("x"), META, expected=old[1].version)
        await storage.delete(old[2].key)
        results = await storage.put_all(
            [
                Put(key("new"), config("new"), META),
                Put(old[0].key, config("y"), META),
                Put(old[0].key, config("y"), META, old[0].version),
                Put(old[0].key, config("z"), META, old[0].version),
                Put(old[1].key, config("y"), META, old[1].version),
                Put(old[2].key, config("y"), META, old[2].version),
                Put(key("large"), config("a", x="." * 1_600_000), META),
                Put(key("zero"), config("zero"), META, Version(0)),
                Put(key("ends"), config("ends"), META, None, 3600),
            ]
        )
        assert [type(result).__name__ for result in results] == [
            "Stored", "KeyExists", "Stored", "KeyConflict", "KeyConflict", "KeyMissing", "TooLarge", "KeyMissing",
            "Stored",
        ]  # fmt: skip
        for result in results:
            if isinstance(result, Stored):
                assert await storage.get(result.key) == result
        assert len((await storage.list(PREFIX)).items) == 4
        assert await storage.put_all([]) == []

    async def test_of_very_many_puts_a_few_are_in_conflict(self, storage: Storage) -> None:
        names = [f"{number:03}" for number in range(40)]
        for taken in (7, 31):
            await storage.create(key(names[taken]), config("old"), META)
        for turn in range(3):
            wanted = [key(names[7]), *(key(f"{turn}{name}" if turn else name) for name in names)]
            results = await storage.put_all([Put(item, config("new"), META) for item in wanted])
            lost = [index for index, result in enumerate(results) if isinstance(result, KeyExists)]
            assert lost == ([0, 8, 32] if not turn else [0])
            done = [result for result in results if isinstance(result, Stored)]
            assert len(done) + len(lost) == len(wanted)
            assert [await storage.get(result.key) for result in done] == done
            assert [result.version for result in done] == sorted({result.version for result in done})

    async def test_of_many_puts_of_one_key_one_wins(self, storage: Storage) -> None:
        results = await storage.put_all([Put(key("a"), config("a", x=str(n)), META) for n in range(5)])
        assert [type(result) for result in results] == [Stored] + [KeyExists] * 4
        assert await storage.get(key("a")) == results[0]

    async def test_update_needs_the_expected_version(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        with pytest.raises(KeyConflict):
            await storage.update(key("a"), config("a", x="3"), META, expected=first.version)
        assert await storage.get(key("a")) == second
        assert second.version > first.version

    async def test_update_of_nothing_is_missing(self, storage: Storage) -> None:
        with pytest.raises(KeyMissing):
            await storage.update(key("a"), config("a"), META, expected=Version(1000))
        assert await storage.get(key("a")) is None

    @pytest.mark.parametrize("version", [0, 1, 999])
    async def test_no_object_ever_had_a_version_before_the_first(
        self, storage: Storage, version: int
    ) -> None:
        """0 means "there is no key" to etcd; to us it is a version like others, which nothing has."""
        with pytest.raises(KeyMissing):
            await storage.update(key("a"), config("a"), META, expected=Version(version))
        with pytest.raises(KeyMissing):
            await storage.delete(key("a"), expected=Version(version))
        assert await storage.get(key("a")) is None
        stored = await storage.create(key("a"), config("a"), META)
        with pytest.raises(KeyConflict):
            await storage.update(key("a"), config("a", x="1"), META, expected=Version(version))
        with pytest.raises(KeyConflict):
            await storage.delete(key("a"), expected=Version(version))
        assert await storage.get(key("a")) == stored

    async def test_update_of_what_was_deleted_is_missing(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        await storage.delete(key("a"))
        with pytest.raises(KeyMissing):
            await storage.update(key("a"), config("a", x="2"), META, expected=stored.version)
        assert await storage.get(key("a")) is None

    async def test_no_precondition_holds_for_a_namesake(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        await storage.delete(key("a"))
        second = await storage.create(key("a"), config("a"), META)
        with pytest.raises(KeyConflict):
            await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        with pytest.raises(KeyConflict):
            await storage.delete(key("a"), expected=first.version)
        assert await storage.get(key("a")) == second

    async def test_a_version_that_is_not_there_yet_is_no_precondition_that_holds(
        self, storage: Storage
    ) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        future = Version(stored.version + 1_000 * 1000)
        with pytest.raises(KeyConflict):
            await storage.update(key("a"), config("a", x="2"), META, expected=future)
        with pytest.raises(KeyConflict):
            await storage.delete(key("a"), expected=future)
        assert await storage.get(key("a")) == stored

    async def test_an_update_to_the_same_bytes_is_a_write(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a"), META)
        second = await storage.update(key("a"), config("a"), META, expected=first.version)
        assert second.version > first.version
        assert await storage.get(key("a")) == second

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

    async def test_delete_returns_the_last_state_at_the_version_of_the_deletion(
        self, storage: Storage
    ) -> None:
        stored = await storage.create(key("a"), config("a", x="1"), META)
        gone = await storage.delete(key("a"))
        assert (gone.data, gone.type_meta) == (stored.data, stored.type_meta)
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

    async def test_of_concurrent_deletions_exactly_one_wins(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        results = await asyncio.gather(
            *(storage.delete(key("a")) for _ in range(10)),
            *(storage.delete(key("a"), expected=stored.version) for _ in range(10)),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, Stored)]
        assert len(won) == 1
        assert sum(isinstance(result, KeyMissing) for result in results) == 19

    async def test_of_a_deletion_and_an_update_at_once_one_wins(self, storage: Storage) -> None:
        for n in range(10):
            stored = await storage.create(key(f"a{n}"), config("a"), META)
            updated, gone = await asyncio.gather(
                storage.update(stored.key, config("a", x="2"), META, expected=stored.version),
                storage.delete(stored.key, expected=stored.version),
                return_exceptions=True,
            )
            assert isinstance(updated, Stored) != isinstance(gone, Stored)
            assert isinstance(updated, Stored | KeyMissing)
            assert isinstance(gone, Stored | KeyConflict)
            assert await storage.get(stored.key) == (updated if isinstance(updated, Stored) else None)

    async def test_a_deletion_without_a_precondition_wins_over_updates(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        _, gone = await asyncio.gather(
            storage.update(key("a"), config("a", x="2"), META, expected=stored.version),
            storage.delete(key("a")),
            return_exceptions=True,
        )
        assert isinstance(gone, Stored)
        assert await storage.get(key("a")) is None

    async def test_what_is_refused_leaves_no_version_behind(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        refused = await asyncio.gather(
            *(storage.create(key("a"), config("a"), META) for _ in range(5)),
            *(storage.update(key("b"), config("a"), META, expected=stored.version) for _ in range(5)),
            *(storage.delete(key("a"), expected=Version(stored.version + 1000)) for _ in range(5)),
            return_exceptions=True,
        )
        assert {type(error) for error in refused} == {KeyExists, KeyMissing, KeyConflict}
        page = await storage.list(PREFIX)
        assert list(page.items) == [stored]

    async def test_a_large_object_is_kept_whole(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a", x="." * 1_400_000), META)
        assert await storage.get(key("a")) == stored
        assert list((await storage.list(PREFIX)).items) == [stored]

    async def test_what_is_too_large_is_refused_alone(self, storage: Storage) -> None:
        results = await asyncio.gather(
            storage.create(key("a"), config("a"), META),
            storage.create(key("b"), config("b", x="." * 1_600_000), META),
            storage.create(key("c"), config("c", x="." * 1_400_000), META),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [Stored, TooLarge, Stored]
        assert [item.key for item in (await storage.list(PREFIX)).items] == [key("a"), key("c")]

    async def test_nothing_grows_too_large(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        with pytest.raises(TooLarge):
            await storage.update(key("a"), config("a", x="." * 1_600_000), META, expected=stored.version)
        assert await storage.get(key("a")) == stored

    async def test_large_objects_at_once_are_all_kept(self, storage: Storage) -> None:
        stored = await create_many(storage, 12, "." * 400_000)
        assert len({item.version for item in stored}) == 12
        assert list((await storage.list(PREFIX)).items) == stored

    async def test_an_object_without_bytes_is_an_object(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), b"", META)
        assert await storage.get(key("a")) == stored
        assert list((await storage.list(PREFIX)).items) == [stored]
        gone = await storage.delete(key("a"), expected=stored.version)
        assert gone.data == b""
