"""The storage spec over a real etcd."""

from collections.abc import AsyncIterator

import pytest
from aetcd.rpc import rpc_pb2

from apiserver.storage import codec, versions
from apiserver.storage.encryption.transform import IDENTITY, Transformer, aesgcm
from apiserver.storage.interface import Change, Key, Version
from apiserver.storage.keys import kind_prefix
from apiserver.storage.values import PLAIN, Values
from tests.conformance.storage.harness import META, config, key
from tests.conformance.storage_spec import Harness, StorageSpec
from tests.support.direct import Direct
from tests.support.etcd import EtcdServer, RawEtcd, etcd, etcd_storage, shared_etcd
from vaina.kinds import KINDS

__all__ = ["etcd", "shared_etcd"]


async def harness_over(etcd: EtcdServer, values: Values) -> AsyncIterator[Harness]:
    async def compact(version: Version) -> None:
        async with RawEtcd(etcd.target) as raw:
            await raw.compact(versions.revision_of(version))

    async def advance(seconds: float) -> None:
        del seconds  # the lease ends by itself

    async def put_bytes(key: Key, value: bytes) -> None:
        async with RawEtcd(etcd.target) as raw:
            await raw.put(key, value)

    async with (
        etcd_storage(etcd.target, values=values) as storage,
        etcd_storage(etcd.target, writer="other", values=values) as other,
    ):
        yield Harness(storage, Direct(storage), other, compact, advance, put_bytes)


@pytest.mark.component
class TestEtcd(StorageSpec):
    @pytest.fixture
    async def harness(self, etcd: EtcdServer) -> AsyncIterator[Harness]:
        async for harness in harness_over(etcd, PLAIN):
            yield harness


@pytest.mark.component
class TestEncryptedEtcd(StorageSpec):
    """Everything holds of what etcd holds encrypted; values of others are read as they are."""

    @pytest.fixture
    async def harness(self, etcd: EtcdServer) -> AsyncIterator[Harness]:
        transformer = Transformer([aesgcm("key1", bytes(32)), IDENTITY])
        async for harness in harness_over(etcd, Values({kind_prefix(kind): transformer for kind in KINDS})):
            yield harness

    async def test_what_is_stored_otherwise_is_written_again_though_nothing_changes(
        self, harness: Harness, etcd: EtcdServer
    ) -> None:
        await harness.put_bytes(key("a"), codec.encode_value(config("a"), META, 0))
        before = await harness.storage.get(key("a"))
        assert before is not None
        after = await harness.storage.guaranteed_update(key("a"), lambda stored: Change(stored.data))
        assert (after.version > before.version, after.data) == (True, before.data)
        async with RawEtcd(etcd.target) as raw:
            [kv] = (await raw.kv.Range(rpc_pb2.RangeRequest(key=key("a").encode()))).kvs
            assert kv.value.startswith(b"k8s:enc:aesgcm:v1:key1:")
        # Once is enough.
        again = await harness.storage.guaranteed_update(key("a"), lambda stored: Change(stored.data))
        assert again.version == after.version
