"""Storage of a simulated control plane: one memory that outlives its servers, and what each server has of it."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from apiserver.storage.interface import (
    CONSISTENT,
    Key,
    Page,
    Put,
    PutResult,
    Read,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.single_writes import SingleWrites
from tests.simulation.story import Faults
from vaina.clock import Clock
from vaina.errors import Unavailable


class CommittingStorage(MemoryStorage):
    """Tells of every commit, at the moment it happens."""

    def __init__(self, clock: Clock, on_commit: Callable[[StorageEvent], None]) -> None:
        super().__init__(clock)
        self._on_commit = on_commit

    def _record(self, event: StorageEvent) -> None:
        super()._record(event)
        self._on_commit(event)

    @property
    def revision(self) -> Version:
        """The newest version, without waiting."""
        return Version(self._revision * 1000 + 999)

    def behind(self, count: int) -> Version:
        """Return the version so many commits ago."""
        return Version(max(self._revision - count, 0) * 1000 + 999)

    @property
    def watches(self) -> int:
        """How many watch."""
        return len(self._watchers)


class ServersStorage(SingleWrites):
    """The way of one apiserver to the storage: takes time, loses what it carries, and ends with its server."""

    def __init__(
        self,
        inner: MemoryStorage,
        clock: Clock,
        rng: random.Random,
        faults: Callable[[], Faults],
        on_fault: Callable[[str, str], None],
    ) -> None:
        self._inner, self._clock, self._rng, self._faults, self._on_fault = (
            inner, clock, rng, faults, on_fault
        )  # fmt: skip
        self._dead = False
        #: deadlines of the waits of open watches; past ones cut them
        self._waits: dict[asyncio.Timeout, None] = {}

    def die(self) -> None:
        """The server has crashed: nothing of it reaches the storage any more."""
        self._dead = True

    def cut_watches(self) -> int:
        """Break all open watches; return how many."""
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            wait.reschedule(now)
        return len(self._waits)

    async def _travel(self) -> None:
        dice = self._rng.random()
        # Mostly quick, at times not: answers of calls that were made together come apart.
        await self._clock.sleep(
            0.0 if dice < 0.5 else 0.002 * dice if dice < 0.97 else 0.2 * self._rng.random()
        )
        if self._dead:
            await asyncio.get_running_loop().create_future()

    async def _call(self, what: str, operation: Callable[[], Any]) -> Any:
        await self._travel()
        if self._rng.random() < self._faults().storage_refuses:
            self._on_fault("storage-refuses", what)
            raise Unavailable("storage: no leader")
        result = await operation()
        await self._travel()
        if self._rng.random() < self._faults().storage_silent:
            self._on_fault("storage-silent", what)
            raise Unavailable("storage: the answer was lost")
        return result

    async def create(
        self, key: Key, data: bytes, type_meta: tuple[str, str], *, ttl_seconds: int = 0
    ) -> Stored:
        return await self._call(
            "create", lambda: self._inner.create(key, data, type_meta, ttl_seconds=ttl_seconds)
        )

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        return await self._call("get", lambda: self._inner.get(key, read))

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        return await self._call(
            "list", lambda: self._inner.list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)
        )

    async def update(
        self, key: Key, data: bytes, type_meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        return await self._call(
            "update",
            lambda: self._inner.update(key, data, type_meta, expected=expected, ttl_seconds=ttl_seconds),
        )

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        return await self._call("put_all", lambda: self._inner.put_all(puts))

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        return await self._call("delete", lambda: self._inner.delete(key, expected=expected))

    async def delete_unreadable(self, key: Key) -> Version:
        return await self._call("delete", lambda: self._inner.delete_unreadable(key))

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async with aclosing(self._inner.watch(prefix, after=after, previous=previous)) as batches:
            while True:
                wait = asyncio.timeout(None)
                try:
                    async with wait:
                        self._waits[wait] = None
                        batch = await anext(batches)
                except TimeoutError:
                    raise Unavailable("storage: the watch was cut") from None
                finally:
                    self._waits.pop(wait, None)
                await self._travel()
                yield batch

    async def current_version(self) -> Version:
        return await self._call("current_version", self._inner.current_version)

    async def request_progress(self) -> None:
        await self._travel()
        await self._inner.request_progress()
