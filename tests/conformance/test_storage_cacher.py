"""The storage spec over the watch cache, before memory and before a real etcd."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from apiserver.storage import versions
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import Key, Storage, Version
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from tests.conformance.storage_spec import Harness, StorageSpec
from tests.support.etcd import EtcdServer, RawEtcd, etcd, etcd_storage, shared_etcd
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.kinds import KINDS
from vaina.testing.clock import FakeClock

__all__ = ["etcd", "shared_etcd"]


@asynccontextmanager
async def cacher_over(storage: Storage) -> AsyncIterator[Cacher]:
    """Run a cacher."""
    cacher = Cacher(storage, map(resource_of, KINDS), clock=SystemClock(), rng=Random(1))
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield cacher


class TestCacherOverMemory(StorageSpec):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        clock = FakeClock()
        memory = MemoryStorage(clock)

        async def compact(version: Version) -> None:
            memory.compact(version)

        async def advance(seconds: float) -> None:
            await clock.advance(seconds)
            memory.expire()

        async def put_bytes(key: Key, value: bytes) -> None:
            memory.put_bytes(key, value)

        async with cacher_over(memory) as cacher:
            yield Harness(cacher, cacher, memory, compact, advance, put_bytes)


@pytest.mark.component
class TestCacherOverEtcd(StorageSpec):
    @pytest.fixture
    async def harness(self, etcd: EtcdServer) -> AsyncIterator[Harness]:
        async def compact(version: Version) -> None:
            async with RawEtcd(etcd.target) as raw:
                await raw.compact(versions.revision_of(version))

        async def advance(seconds: float) -> None:
            del seconds  # the lease ends by itself

        async def put_bytes(key: Key, value: bytes) -> None:
            async with RawEtcd(etcd.target) as raw:
                await raw.put(key, value)

        async with (
            etcd_storage(etcd.target) as storage,
            etcd_storage(etcd.target, writer="other") as other,
            cacher_over(storage) as cacher,
        ):
            yield Harness(cacher, cacher, other, compact, advance, put_bytes)
