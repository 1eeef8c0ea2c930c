"""Random stories of many clients over memory, and over the cacher before it.

Everything they were told is what one storage could say (I4, I5, I6).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from random import Random
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import (
    CONSISTENT,
    Key,
    Page,
    Put,
    PutResult,
    Read,
    Storage,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from apiserver.storage.single_writes import SingleWrites
from tests.support.direct import Direct
from tests.support.storage_judge import judge
from tests.support.storage_story import Step, Teller, Way, make_programs
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.kinds import CONFIG_MAP
from vaina.testing.clock import FakeClock

#: many stories a test: seconds on an idle machine
pytestmark = pytest.mark.timeout(120)

T = TypeVar("T")

STEPS = st.builds(Step, st.sampled_from(list(Way)), st.integers(0, 2), st.integers(0, 999))
PROGRAMS = st.lists(st.lists(STEPS, min_size=1, max_size=15), min_size=2, max_size=5)


class Slow(SingleWrites):
    """A storage in memory with a line to it.

    Requests and answers are under way for some turns of the loop, so that calls overlap.
    """

    def __init__(self, memory: MemoryStorage, rng: Random) -> None:
        self._memory, self._rng = memory, rng
        self.current_version = lambda: self._over(memory.current_version)
        self.request_progress = memory.request_progress

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        return await self._over(lambda: self._memory.get(key, read))

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        return await self._over(
            lambda: self._memory.list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)
        )

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        return await self._over(lambda: self._memory.put_all(puts))

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        return await self._over(lambda: self._memory.delete(key, expected=expected))

    async def delete_unreadable(self, key: Key) -> Version:
        return await self._over(lambda: self._memory.delete_unreadable(key))

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async with aclosing(self._memory.watch(prefix, after=after, previous=previous)) as batches:
            async for batch in batches:
                await self._travel()
                yield batch

    async def _over(self, work: Callable[[], Awaitable[T]]) -> T:
        await self._travel()
        try:
            return await work()
        finally:
            await self._travel()

    async def _travel(self) -> None:
        for _ in range(self._rng.randrange(4)):
            await SystemClock().sleep(0)


async def tell(
    programs: Sequence[Sequence[Step]], seed: int, *, cached: bool, ring_capacity: int = 1000
) -> list[str]:
    """Run a story and return what is wrong with it."""
    memory, rng = MemoryStorage(FakeClock()), Random(seed)
    slow: Storage = Slow(memory, rng)

    async def compact(version: Version) -> None:
        memory.compact(version)

    if not cached:
        return judge(await Teller([slow], memory, compact, rng, Direct(slow)).tell(programs))
    cacher = Cacher(
        slow, [resource_of(CONFIG_MAP)], clock=SystemClock(), rng=rng, ring_capacity=ring_capacity
    )
    async with running(cacher.run()):
        await cacher.wait_ready()
        # Two ways to the same: by the cache and past it.
        return judge(
            await Teller([cacher, slow], memory, compact, rng, cacher).tell(programs), strict_expiry=False
        )


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS, st.integers(0, 1000))
def test_a_story_over_memory_is_what_one_storage_could_say(programs: list[list[Step]], seed: int) -> None:
    assert asyncio.run(tell(programs, seed, cached=False)) == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS, st.integers(0, 1000), st.sampled_from([4, 1000]))
def test_a_story_over_the_cacher_is_what_one_storage_could_say(
    programs: list[list[Step]], seed: int, ring_capacity: int
) -> None:
    assert asyncio.run(tell(programs, seed, cached=True, ring_capacity=ring_capacity)) == []


async def test_a_long_story_over_memory() -> None:
    assert await tell(make_programs(1, clients=8, steps=60), 1, cached=False) == []


async def test_a_long_story_over_the_cacher() -> None:
    assert await tell(make_programs(2, clients=8, steps=60), 2, cached=True) == []
