"""The judge of storages finds out those that lie.

Each of these is wrong in one way, which some story brings to light.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from random import Random

import pytest
from msgspec import structs

from apiserver.storage import versions
from apiserver.storage.interface import (
    CONSISTENT,
    Change,
    EventType,
    Key,
    KeyConflict,
    KeyExists,
    KeyMissing,
    Page,
    Read,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.memory import MemoryStorage
from tests.support.storage_judge import judge
from tests.support.storage_story import Teller, make_programs
from vaina.clock import SystemClock
from vaina.errors import Expired, Unavailable
from vaina.testing.clock import FakeClock

#: many stories a test: seconds on an idle machine
pytestmark = pytest.mark.timeout(120)

META = ("v1", "ConfigMap")


async def pause() -> None:
    await SystemClock().sleep(0)


class Honest:
    """Memory behind a line: the base of all liars. It counts its calls, so that a lie is told now and then."""

    def __init__(self, memory: MemoryStorage) -> None:
        self.memory, self.calls = memory, 0
        self.current_version, self.request_progress = memory.current_version, memory.request_progress
        self.put_all = memory.put_all

    @property
    def lies_now(self) -> bool:
        self.calls += 1
        return self.calls % 3 == 0

    async def create(self, key: Key, data: bytes, meta: tuple[str, str], *, ttl_seconds: int = 0) -> Stored:
        await pause()
        stored = await self.memory.create(key, data, meta)
        await pause()
        return stored

    async def update(
        self, key: Key, data: bytes, meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        await pause()
        return await self.memory.update(key, data, meta, expected=expected)

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        await pause()
        return await self.memory.delete(key, expected=expected)

    async def guaranteed_update(
        self, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        await pause()
        return await self.memory.guaranteed_update(key, change)

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        await pause()
        return await self.memory.get(key, read)

    async def list(
        self, prefix: Key, read: Read = CONSISTENT, *, limit: int = 0, max_bytes: int = 0, after: Key | None = None
    ) -> Page:  # fmt: skip
        await pause()
        return await self.memory.list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async for batch in self.memory.watch(prefix, after=after):
            yield batch


class LosesUpdates(Honest):
    """Says that it wrote what it did not."""

    async def update(
        self, key: Key, data: bytes, meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        current = await self.memory.get(key)
        if current is not None and current.version == expected and self.lies_now:
            return structs.replace(current, data=data, version=Version(await self.current_version()))
        return await super().update(key, data, meta, expected=expected)


class IgnoresPreconditions(Honest):
    """Writes over what it does not know."""

    async def update(
        self, key: Key, data: bytes, meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        current = await self.memory.get(key)
        if current is not None:
            return await self.memory.update(key, data, meta, expected=current.version)
        return await super().update(key, data, meta, expected=expected)


class WritesTwice(Honest):
    """Sends again what had been done."""

    async def update(
        self, key: Key, data: bytes, meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        stored = await super().update(key, data, meta, expected=expected)
        return await self.memory.update(key, data, meta, expected=stored.version)


class RefusesWhatItDid(Honest):
    """Says conflict after the fact."""

    async def create(self, key: Key, data: bytes, meta: tuple[str, str], *, ttl_seconds: int = 0) -> Stored:
        stored = await super().create(key, data, meta)
        if self.lies_now:
            raise KeyExists(key)
        return stored


class CallsItNothing(Honest):
    """Says that nothing was written, when it was."""

    async def create(self, key: Key, data: bytes, meta: tuple[str, str], *, ttl_seconds: int = 0) -> Stored:
        stored = await super().create(key, data, meta)
        if self.lies_now:
            raise Unavailable("etcd is not available; nothing was written")
        return stored


class RefusesWithoutReason(Honest):
    """Says exists of what has never been."""

    async def create(self, key: Key, data: bytes, meta: tuple[str, str], *, ttl_seconds: int = 0) -> Stored:
        if await self.memory.get(key) is None and self.lies_now:
            raise KeyExists(key)
        return await super().create(key, data, meta)


class MissesWhatIsThere(Honest):
    """Says missing of what has been there all the time."""

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        if await self.memory.get(key) is not None and self.lies_now:
            raise KeyMissing(key)
        return await super().delete(key, expected=expected)


class ConflictsAtWill(Honest):
    """Says conflict though the version is the expected one."""

    async def update(
        self, key: Key, data: bytes, meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        current = await self.memory.get(key)
        if current is not None and current.version == expected and self.lies_now:
            raise KeyConflict
        return await super().update(key, data, meta, expected=expected)


class ReadsTheOld(Honest):
    """Answers consistent reads from some time ago."""

    def __init__(self, memory: MemoryStorage) -> None:
        super().__init__(memory)
        self.old: dict[Key, Stored | None] = {}

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        found = await super().get(key, read)
        if read is CONSISTENT:
            return self.old.setdefault(key, found)
        return found


class ListsTheOld(Honest):
    """Answers consistent lists from some time ago, at an honest version."""

    def __init__(self, memory: MemoryStorage) -> None:
        super().__init__(memory)
        self.old: Page | None = None

    async def list(
        self, prefix: Key, read: Read = CONSISTENT, *, limit: int = 0, max_bytes: int = 0, after: Key | None = None
    ) -> Page:  # fmt: skip
        page = await super().list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)
        if read is not CONSISTENT or limit:
            return page
        if self.old is None or self.lies_now:
            self.old = page
        return self.old


class MixesVersions(Honest):
    """Says that a list is newer than it is."""

    async def list(
        self, prefix: Key, read: Read = CONSISTENT, *, limit: int = 0, max_bytes: int = 0, after: Key | None = None
    ) -> Page:  # fmt: skip
        page = await super().list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)
        await pause()
        if read is CONSISTENT and not limit:
            return Page(page.items, await self.current_version())
        return page


class ShowsThePresentAsThePast(Honest):
    """Takes no notice of an exact version."""

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        await self.memory.get(key, read)
        return await self.memory.get(key)


class ExpiresAtWill(Honest):
    """Says expired of what is kept."""

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        if read.exact is not None:
            raise Expired("too old")
        return await super().get(key, read)


class SkipsEvents(Honest):
    """Leaves out an event now and then."""

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async for batch in self.memory.watch(prefix, after=after):
            if self.lies_now and not batch[-1].key.endswith("last"):
                continue
            yield batch


class RepeatsEvents(Honest):
    """Sends an event again now and then."""

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async for batch in self.memory.watch(prefix, after=after):
            yield batch
            if self.lies_now:
                yield batch


class MarksTooEarly(Honest):
    """Sends bookmarks of what it has not delivered."""

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async for batch in self.memory.watch(prefix, after=after):
            if self.lies_now and not batch[-1].key.endswith("last"):
                version = versions.whole(versions.revision_of(batch[-1].version))
                yield [StorageEvent(EventType.BOOKMARK, prefix, version, None)]
            yield batch


class ForgetsADeletion(Honest):
    """Leaves deletions out of watches, as some releases of etcd do after a compaction."""

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async for batch in self.memory.watch(prefix, after=after):
            kept = [event for event in batch if event.type is not EventType.DELETED]
            if kept:
                yield kept


class ChangesBlindly(Honest):
    """Decides on a state, and writes over another."""

    async def guaranteed_update(
        self, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        seen = await self.memory.get(key)
        if seen is None:
            raise KeyMissing(key)
        wanted = change(seen)
        for _ in range(5):
            await pause()
        current = await self.memory.get(key)
        if current is None or wanted.data is None or wanted.data == current.data:
            return await self.memory.guaranteed_update(key, change)
        return await self.memory.update(key, wanted.data, META, expected=current.version)


async def verdict(kind: type[Honest], seed: int) -> list[str]:
    memory, rng = MemoryStorage(FakeClock()), Random(seed)

    async def compact(version: Version) -> None:
        memory.compact(version)

    teller = Teller([kind(memory), kind(memory)], memory, compact, rng)
    return judge(await teller.tell(make_programs(seed, clients=5, steps=30)))


LIARS = sorted(Honest.__subclasses__(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("seed", range(3))
async def test_who_is_honest_is_believed(seed: int) -> None:
    assert await verdict(Honest, seed) == []


@pytest.mark.parametrize("kind", LIARS, ids=lambda kind: kind.__name__)
async def test_who_lies_is_found_out(kind: type[Honest]) -> None:
    found = [await verdict(kind, seed) for seed in range(4)]
    assert any(found)
