"""Get and list: consistent, not older than, exactly as of; in order and below a prefix."""

import asyncio

import pytest

from apiserver.storage import versions
from apiserver.storage.interface import Key, Read, Storage, Version
from tests.conformance.storage.harness import META, PREFIX, Harness, Spec, config, create_many, key, number
from vaina.errors import ApiError, Expired, Timeout


async def refused(reading: object) -> ApiError:
    """Return the error that a read ends with."""
    with pytest.raises(ApiError) as caught:
        await reading  # type: ignore[misc]  # coroutines of several types
    return caught.value


class ReadsSpec(Spec):
    """Reads of all kinds."""

    async def test_what_is_not_there_is_none(self, storage: Storage) -> None:
        assert await storage.get(key("none")) is None

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

    async def test_a_list_of_nothing_has_a_version(self, storage: Storage) -> None:
        page = await storage.list(PREFIX)
        assert (list(page.items), page.next_key, page.remaining) == ([], None, None)
        stored = await storage.create(key("a"), config("a"), META)
        assert page.version < stored.version

    async def test_a_list_carries_the_version_of_a_whole_revision(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        page = await storage.list(PREFIX)
        assert versions.position_of(page.version) == versions.WHOLE
        assert page.version > stored.version

    async def test_names_that_begin_alike_are_kept_apart(self, storage: Storage) -> None:
        """A dash and a dot sort before the slash, a letter after it; neither is below the other's prefix."""
        names = ["a", "a-b", "a.b", "a0", "ab", "b"]
        for namespace in names:
            for name in ("a", "a-b", "a.b"):
                await storage.create(key(name, namespace), config(name), META)
        everything = [item.key for item in (await storage.list(PREFIX)).items]
        assert everything == sorted(everything)
        assert len(everything) == 18
        for namespace in names:
            page = await storage.list(Key(f"{PREFIX}{namespace}/"))
            assert [item.key for item in page.items] == [
                key("a", namespace), key("a-b", namespace), key("a.b", namespace),
            ]  # fmt: skip
        assert await storage.get(key("b", "a")) is None
        await storage.delete(key("a", "a"))
        assert await storage.get(key("a-b", "a")) is not None
        assert await storage.get(key("a", "a-b")) is not None

    async def test_names_in_any_script_are_names(self, storage: Storage) -> None:
        """The registry refuses them; what somebody else wrote under them is served all the same, in the order
        of bytes.
        """
        names = ["a b", "a%2Fb", "Zürich", "名前", "~", "\U0001f433"]
        stored = [await storage.create(key(name), config(name), META) for name in names]
        page = await storage.list(PREFIX)
        assert list(page.items) == sorted(stored, key=lambda item: item.key.encode())
        assert [await storage.get(item.key) for item in stored] == stored
        assert (await storage.list(PREFIX, limit=2, after=key("Zürich"))).items == page.items[1:3]

    async def test_a_long_name_is_a_name(self, storage: Storage) -> None:
        stored = await storage.create(key("a" * 253, "n" * 63), config("a"), META)
        assert await storage.get(stored.key) == stored
        assert list((await storage.list(PREFIX)).items) == [stored]

    async def test_a_consistent_read_sees_what_others_were_told_is_written(self, harness: Harness) -> None:
        for n in range(10):
            stored = await harness.other.create(key(f"a{n}"), config("a"), META)
            assert await harness.storage.get(stored.key) == stored
            page = await harness.storage.list(PREFIX)
            assert stored in page.items
            assert page.version >= stored.version
            assert await harness.storage.current_version() >= stored.version
            await harness.other.delete(stored.key)
            assert await harness.storage.get(stored.key) is None

    async def test_many_readers_at_once_see_the_same(self, storage: Storage) -> None:
        stored = await create_many(storage, 5)
        pages = await asyncio.gather(*(storage.list(PREFIX) for _ in range(50)))
        assert all(list(page.items) == stored for page in pages)

    async def test_a_list_is_of_one_moment(self, harness: Harness) -> None:
        """`first` is always written before `second`, so no list has a `second` that is ahead of its `first`."""
        storage, stop = harness.storage, asyncio.Event()
        one = await harness.other.create(key("first"), config("a", n="0"), META)
        two = await harness.other.create(key("second"), config("a", n="0"), META)

        async def write() -> None:
            nonlocal one, two
            for n in range(1, 60):
                data = config("a", n=str(n))
                one = await harness.other.update(one.key, data, META, expected=one.version)
                two = await harness.other.update(two.key, data, META, expected=two.version)
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
            stop.set()

        async def read() -> int:
            looked = 0
            while not stop.is_set():
                first, second = (await storage.list(PREFIX)).items
                assert number(second) <= number(first) <= number(second) + 1
                looked += 1
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
            return looked

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            readers = [tasks.create_task(read()) for _ in range(3)]
        assert all(reader.result() > 0 for reader in readers)

    async def test_at_least_reads_are_not_older(self, harness: Harness) -> None:
        for n in range(5):
            stored = await harness.other.create(key(f"a{n}"), config("a"), META)
            assert await harness.storage.get(stored.key, Read(at_least=stored.version)) == stored
            page = await harness.storage.list(PREFIX, Read(at_least=stored.version))
            assert stored in page.items
            assert page.version >= stored.version

    async def test_any_version_is_fresh_enough_for_a_read_that_wants_none(self, storage: Storage) -> None:
        stored = await storage.create(key("a"), config("a"), META)
        assert await storage.get(key("a"), Read(at_least=stored.version)) == stored
        assert await storage.get(key("a"), Read(at_least=Version(0))) == stored
        assert list((await storage.list(PREFIX, Read(at_least=Version(0)))).items) == [stored]

    async def test_exact_reads_see_the_past(self, storage: Storage) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        version = (await storage.list(PREFIX)).version
        await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        await storage.create(key("b"), config("b"), META)
        page = await storage.list(PREFIX, Read(exact=version))
        assert (list(page.items), page.version) == ([first], version)
        assert await storage.get(key("a"), Read(exact=version)) == first
        assert await storage.get(key("b"), Read(exact=version)) is None

    async def test_every_version_of_the_past_can_be_read(self, storage: Storage) -> None:
        """One write after the other: created, changed, gone, created again."""
        begin = await storage.current_version()
        first = await storage.create(key("a"), config("a", x="1"), META)
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        gone = await storage.delete(key("a"))
        third = await storage.create(key("a"), config("a", x="3"), META)
        past = [(begin, None), (first.version, first), (second.version, second), (gone.version, None),
                (third.version, third)]  # fmt: skip
        for version, wanted in past:
            assert await storage.get(key("a"), Read(exact=version)) == wanted
            page = await storage.list(PREFIX, Read(exact=version))
            assert list(page.items) == ([wanted] if wanted else [])

    async def test_an_exact_list_names_the_whole_revision_that_it_shows(self, storage: Storage) -> None:
        """A list at the version of one write shows all writes of its batch, and says so.

        A watch goes on after them.
        """
        stored = await create_many(storage, 60)
        later = await storage.create(key("later"), config("later"), META)
        for version in (stored[0].version, stored[30].version, stored[59].version):
            revision = versions.revision_of(version)
            page = await storage.list(PREFIX, Read(exact=version))
            assert page.version == versions.whole(revision)
            assert list(page.items) == [s for s in stored if versions.revision_of(s.version) <= revision]
        page = await storage.list(PREFIX, Read(exact=later.version))
        assert (list(page.items), page.version) == (
            [*stored, later], versions.whole(versions.revision_of(later.version)),
        )  # fmt: skip

    async def test_a_version_that_does_not_exist_yet_is_refused(self, storage: Storage) -> None:
        """The words, the cause and the delay are those of Kubernetes (storage/errors.go,
        NewTooLargeResourceVersionError).
        """
        future = Version(await storage.current_version() + 100 * versions.SPAN)
        errors = await asyncio.gather(
            refused(storage.list(PREFIX, Read(exact=future))),
            refused(storage.get(key("a"), Read(exact=future))),
            refused(storage.list(PREFIX, Read(at_least=future))),
            refused(storage.get(key("a"), Read(at_least=future))),
        )
        for error in errors:
            assert type(error) is Timeout
            assert error.message.startswith(f"Too large resource version: {future}, current: ")
            assert [(cause.type, cause.detail) for cause in error.causes] == [
                ("ResourceVersionTooLarge", "Too large resource version")
            ]
            assert error.retry_seconds == 1

    async def test_a_read_waits_a_little_for_a_version_that_is_under_way(self, harness: Harness) -> None:
        """A client that got a version elsewhere is not refused because the event of it is still on its way."""
        stored = await harness.other.create(key("a"), config("a"), META)
        reads = [harness.storage.get(key("a"), Read(at_least=stored.version)) for _ in range(20)]
        assert await asyncio.gather(*reads) == [stored] * 20

    async def test_a_compacted_version_is_expired(self, storage: Storage, harness: Harness) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        version = (await storage.list(PREFIX)).version
        second = await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        later = await storage.create(key("b"), config("b"), META)
        assert await storage.get(key("b")) == later  # a cache has moved on as well
        await harness.compact(second.version)
        with pytest.raises(Expired, match="The resourceVersion for the provided list is too old"):
            await storage.list(PREFIX, Read(exact=version))
        with pytest.raises(Expired):
            await storage.get(key("a"), Read(exact=version))
        assert await storage.get(key("a")) == second

    async def test_the_version_of_a_compaction_can_still_be_read(
        self, storage: Storage, harness: Harness
    ) -> None:
        first = await storage.create(key("a"), config("a", x="1"), META)
        await storage.update(key("a"), config("a", x="2"), META, expected=first.version)
        await harness.compact(first.version)
        assert await storage.get(key("a"), Read(exact=first.version)) == first
        assert list((await storage.list(PREFIX, Read(exact=first.version))).items) == [first]

    @pytest.mark.parametrize("version", [0, 1, 999])
    async def test_nothing_can_be_read_as_of_before_the_first_version(
        self, storage: Storage, version: int
    ) -> None:
        await storage.create(key("a"), config("a"), META)
        with pytest.raises(Expired):
            await storage.list(PREFIX, Read(exact=Version(version)))
        with pytest.raises(Expired):
            await storage.get(key("a"), Read(exact=Version(version)))

    async def test_a_compaction_changes_nothing_that_is_stored(
        self, storage: Storage, harness: Harness
    ) -> None:
        stored = await create_many(storage, 20)
        await asyncio.gather(*(storage.delete(item.key) for item in stored[10:]))
        await harness.compact(await storage.current_version())
        assert list((await storage.list(PREFIX)).items) == stored[:10]
        assert await storage.get(stored[0].key) == stored[0]
        assert await storage.get(stored[15].key) is None
        assert list((await storage.list(PREFIX, Read(at_least=stored[0].version))).items) == stored[:10]
