"""The storage spec over a real etcd."""

from collections.abc import AsyncIterator

import pytest

from apiserver.storage import versions
from apiserver.storage.interface import Key, Version
from tests.conformance.storage_spec import Harness, StorageSpec
from tests.support.direct import Direct
from tests.support.etcd import EtcdServer, RawEtcd, etcd, etcd_storage, shared_etcd

__all__ = ["etcd", "shared_etcd"]


@pytest.mark.component
class TestEtcd(StorageSpec):
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

        async with etcd_storage(etcd.target) as storage, etcd_storage(etcd.target, writer="other") as other:
            yield Harness(storage, Direct(storage), other, compact, advance, put_bytes)
