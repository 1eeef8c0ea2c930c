"""Pages: by count, by bytes, at one version, across writes and compactions."""

import asyncio

import pytest

from apiserver.storage.interface import Key, Page, Read, Storage, Stored, Version
from tests.conformance.storage.harness import (
    META,
    PODS,
    PREFIX,
    Harness,
    Spec,
    config,
    create_many,
    key,
    pods,
    put_pod,
)
from vaina.errors import Expired


async def rest_of(storage: Storage, page: Page, limit: int, prefix: Key = PREFIX) -> list[Stored]:
    """Return what follows a page at its version, page by page."""
    found: list[Stored] = []
    version = page.version
    while page.next_key is not None:
        page = await storage.list(prefix, Read(exact=version), limit=limit, after=page.next_key)
        assert page.version == version
        assert page.items
        assert len(page.items) <= limit
        found += page.items
    return found


class PagingSpec(Spec):
    """Lists in parts."""

    async def test_pages_are_of_one_version(self, storage: Storage) -> None:
        stored = [await storage.create(key(f"a{n}"), config("a"), META) for n in range(7)]
        page = await storage.list(PREFIX, limit=3)
        assert (list(page.items), page.remaining) == (stored[:3], 4)
        await storage.delete(key("a4"))
        await storage.create(key("a9"), config("a"), META)
        assert list(page.items) + await rest_of(storage, page, 3) == stored

    @pytest.mark.parametrize("limit", [1, 2, 5, 9, 10, 11])
    async def test_pages_together_are_the_list(self, storage: Storage, limit: int) -> None:
        stored = await create_many(storage, 10)
        page = await storage.list(PREFIX, limit=limit)
        assert len(page.items) == min(limit, 10)
        assert page.remaining == (10 - limit if limit < 10 else None)
        assert (page.next_key is None) == (limit >= 10)
        assert list(page.items) + await rest_of(storage, page, limit) == stored

    async def test_pages_of_a_namespace_end_with_it(self, storage: Storage) -> None:
        for namespace in ("a", "a-b", "b"):
            for n in range(4):
                await storage.create(key(f"x{n}", namespace), config("x"), META)
        prefix = Key(f"{PREFIX}a/")
        page = await storage.list(prefix, limit=3)
        assert (page.next_key, page.remaining) == (key("x2", "a"), 1)
        assert [item.key for item in await rest_of(storage, page, 3, prefix)] == [key("x3", "a")]

    async def test_pages_are_bounded_by_bytes(self, storage: Storage) -> None:
        stored = [await storage.create(key(f"a{n}"), config("a", x="." * 100), META) for n in range(4)]
        size = len(stored[0].data)
        page = await storage.list(PREFIX, max_bytes=2 * size + 10)
        assert list(page.items) == stored[:2]
        page = await storage.list(PREFIX, max_bytes=10, after=page.next_key)
        assert (list(page.items), page.next_key) == ([stored[2]], stored[2].key)

    async def test_a_page_that_is_exactly_full_ends_without_another(self, storage: Storage) -> None:
        stored = [await storage.create(key(f"a{n}"), config("a", x="." * 100), META) for n in range(4)]
        size = len(stored[0].data)
        page = await storage.list(PREFIX, max_bytes=4 * size)
        assert (list(page.items), page.next_key, page.remaining) == (stored, None, None)
        page = await storage.list(PREFIX, max_bytes=4 * size - 1)
        assert (list(page.items), page.next_key, page.remaining) == (stored[:3], stored[2].key, 1)

    async def test_the_narrower_of_count_and_bytes_ends_a_page(self, storage: Storage) -> None:
        stored = [await storage.create(key(f"a{n}"), config("a", x="." * 100), META) for n in range(6)]
        size = len(stored[0].data)
        assert list((await storage.list(PREFIX, limit=2, max_bytes=5 * size)).items) == stored[:2]
        assert list((await storage.list(PREFIX, limit=5, max_bytes=2 * size)).items) == stored[:2]

    async def test_large_objects_come_one_a_page(self, storage: Storage) -> None:
        stored = await create_many(storage, 3, "." * 900_000)
        page = await storage.list(PREFIX, max_bytes=1_000_000)
        found = list(page.items)
        while page.next_key is not None:
            page = await storage.list(
                PREFIX, Read(exact=page.version), max_bytes=1_000_000, after=page.next_key
            )
            assert len(page.items) == 1
            found += page.items
        assert found == stored

    async def test_a_list_longer_than_a_chunk_is_whole(self, storage: Storage) -> None:
        stored = await create_many(storage, 1_205)
        page = await storage.list(PREFIX)
        assert [item.key for item in page.items] == sorted(item.key for item in stored)
        page = await storage.list(PREFIX, limit=1_100)
        assert (len(page.items), page.remaining) == (1_100, 105)
        assert len(await rest_of(storage, page, 1_100)) == 105

    async def test_a_page_goes_on_after_a_key_that_is_gone(self, storage: Storage) -> None:
        stored = await create_many(storage, 6)
        page = await storage.list(PREFIX, limit=3)
        assert page.next_key is not None
        await storage.delete(page.next_key)
        assert await rest_of(storage, page, 3) == stored[3:]
        fresh = await storage.list(PREFIX, after=page.next_key)
        assert list(fresh.items) == stored[3:]

    async def test_a_page_after_the_last_key_is_empty(self, storage: Storage) -> None:
        stored = await create_many(storage, 2)
        page = await storage.list(PREFIX, limit=5, after=stored[-1].key)
        assert (list(page.items), page.next_key, page.remaining) == ([], None, None)

    async def test_a_page_after_a_key_before_the_prefix_is_the_first(self, storage: Storage) -> None:
        await storage.create(Key("/registry/aaa/x"), config("x"), META)
        stored = await create_many(storage, 2)
        page = await storage.list(PREFIX, after=Key("/registry/aaa/w"))
        assert list(page.items) == stored

    async def test_a_page_after_a_key_behind_the_prefix_is_empty(self, storage: Storage) -> None:
        await create_many(storage, 2)
        await storage.create(Key("/registry/zzz/x"), config("x"), META)
        page = await storage.list(PREFIX, limit=1, after=Key("/registry/zzz/a"))
        assert (list(page.items), page.next_key, page.remaining) == ([], None, None)

    async def test_a_list_cannot_be_continued_at_a_compacted_version(
        self, storage: Storage, harness: Harness
    ) -> None:
        stored = await create_many(storage, 6)
        page = await storage.list(PREFIX, limit=2)
        await storage.delete(stored[5].key)
        last = await storage.create(key("b"), config("b"), META)
        assert await storage.get(key("b")) == last  # a cache has moved on as well
        await harness.compact(last.version)
        with pytest.raises(Expired, match="The resourceVersion for the provided list is too old"):
            await storage.list(PREFIX, Read(exact=page.version), limit=2, after=page.next_key)
        # What the documented answer offers instead: the rest as it is now.
        rest = await storage.list(PREFIX, after=page.next_key)
        assert list(rest.items) == [*stored[2:5], last]
        assert rest.version > page.version

    async def test_a_list_is_continued_across_a_compaction_that_spares_it(
        self, storage: Storage, harness: Harness
    ) -> None:
        before = await storage.create(key("0"), config("0"), META)
        stored = await create_many(storage, 6)
        page = await storage.list(PREFIX, limit=4)
        await storage.delete(stored[5].key)
        await harness.compact(before.version)
        assert await rest_of(storage, page, 2) == stored[3:]

    async def test_a_list_that_was_not_overtaken_outlives_a_compaction(
        self, storage: Storage, harness: Harness
    ) -> None:
        stored = await create_many(storage, 6)
        page = await storage.list(PREFIX, limit=2)
        await harness.compact(page.version)
        assert await rest_of(storage, page, 2) == stored[2:]

    async def test_a_list_of_what_nobody_wrote_ends_with_its_version_all_the_same(
        self, storage: Storage, harness: Harness
    ) -> None:
        """A cache that knows the answer keeps no token longer than its storage would (chunking.go of e2e)."""
        stored = await create_many(storage, 6)
        page = await storage.list(PREFIX, limit=2)
        other = await storage.create(Key("/registry/zzz/x"), config("x"), META)
        # A cache has heard of it.
        await storage.list(PREFIX, limit=1)
        assert (
            list((await storage.list(PREFIX, Read(exact=page.version), limit=2, after=page.next_key)).items)
            == stored[2:4]
        )
        await harness.compact(other.version)
        with pytest.raises(Expired, match="The resourceVersion for the provided list is too old"):
            await storage.list(PREFIX, Read(exact=page.version), limit=2, after=page.next_key)
        rest = await storage.list(PREFIX, limit=2, after=page.next_key)
        assert (list(rest.items), rest.remaining) == (stored[2:4], 2)
        assert rest.version > page.version
        assert await rest_of(storage, rest, 2) == stored[4:]

    async def test_pages_of_a_selection_together_are_the_selection(self, harness: Harness) -> None:
        for n in range(12):
            await put_pod(harness.storage, f"p{n:02}", "web" if n % 3 else "db", f"node-{n % 2}")
        for selection, wanted in (
            (pods("app=db"), [0, 3, 6, 9]),
            (pods("app=web", "spec.nodeName=node-1"), [1, 5, 7, 11]),
            (pods("", "spec.nodeName=node-0"), [0, 2, 4, 6, 8, 10]),
        ):
            found: list[str] = []
            after, read, version = None, Read(), Version(0)
            while True:
                page = await harness.selecting.list_selection(selection, read, limit=2, after=after)
                assert version in (0, page.version)
                assert len(page.items) <= 2
                found += [item.key for item in page.items]
                if page.next_key is None:
                    break
                after, read, version = page.next_key, Read(exact=page.version), page.version
                # Something happens between two pages; what is being listed does not change.
                await put_pod(harness.storage, "z", "db", f"node-{len(found)}")
            assert found == [f"{PODS}default/p{n:02}" for n in wanted]
            await harness.storage.delete(Key(f"{PODS}default/z"))

    async def test_a_selection_is_bounded_by_its_own_bytes(self, harness: Harness) -> None:
        stored = [await put_pod(harness.storage, f"p{n}", "web" if n % 2 else "db") for n in range(8)]
        size = len(stored[0].data)
        page = await harness.selecting.list_selection(pods("app=db"), max_bytes=4 * size + 10)
        # 'web' is a byte longer; only what is selected counts.
        assert [item.key for item in page.items] == [stored[n].key for n in (0, 2, 4, 6)]
        assert page.next_key is None
        page = await harness.selecting.list_selection(pods("app=db"), max_bytes=2 * size + 10)
        assert [item.key for item in page.items] == [stored[n].key for n in (0, 2)]
        assert page.next_key is not None

    async def test_pages_are_listed_while_others_write(self, harness: Harness) -> None:
        stored = await create_many(harness.storage, 40)
        page = await harness.storage.list(PREFIX, limit=4)

        async def write() -> None:
            for item in stored:
                await harness.other.update(item.key, config("b"), META, expected=item.version)

        rest, _ = await asyncio.gather(rest_of(harness.storage, page, 4), write())
        assert [*page.items, *rest] == stored
