"""The storage spec over memory."""

import pytest

from apiserver.storage.interface import Key, Version
from apiserver.storage.memory import MemoryStorage
from tests.conformance.storage_spec import Harness, StorageSpec
from tests.support.direct import Direct
from vaina.testing.clock import FakeClock


class TestMemory(StorageSpec):
    @pytest.fixture
    def harness(self) -> Harness:
        clock = FakeClock()
        storage = MemoryStorage(clock)

        async def compact(version: Version) -> None:
            storage.compact(version)

        async def advance(seconds: float) -> None:
            await clock.advance(seconds)
            storage.expire()

        async def put_bytes(key: Key, value: bytes) -> None:
            storage.put_bytes(key, value)

        return Harness(storage, Direct(storage), storage, compact, advance, put_bytes)
