"""Storage against what only a real etcd does.

Stored bytes, batches, foreign writers, fragments, leases, compaction.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from random import Random

import pytest
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from apiserver.storage import versions
from apiserver.storage.etcd.batch import MAX_WRITES, MAX_WRITES_BY_DEFAULT
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.compactor import Compactor
from apiserver.storage.etcd.group_commit import WRITERS
from apiserver.storage.etcd.leases import MAX_KEYS
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import EventType, KeyConflict, StorageEvent, Stored, Version
from apiserver.storage.keys import range_end
from apiserver.storage.metrics import StorageMetrics
from tests.component.storage_objects import META, PREFIX, config, key
from tests.support.etcd import EtcdServer, RawEtcd, etcd_storage
from vaina.api.core.v1 import config_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.clock import SystemClock
from vaina.errors import Expired, InternalError, TooLarge

pytestmark = pytest.mark.component


@pytest.fixture
async def storage(etcd: EtcdServer) -> AsyncIterator[EtcdStorage]:
    async with etcd_storage(etcd.target) as storage:
        yield storage


@pytest.fixture
async def raw(etcd: EtcdServer) -> AsyncIterator[RawEtcd]:
    async with RawEtcd(etcd.target) as raw:
        yield raw


async def take(storage: EtcdStorage, after: Version, count: int) -> list[StorageEvent]:
    found: list[StorageEvent] = []
    async with asyncio.timeout(60), aclosing(storage.watch(PREFIX, after=after)) as batches:
        async for batch in batches:
            found += [event for event in batch if event.type is not EventType.BOOKMARK]
            if len(found) >= count:
                return found
    raise AssertionError("the watch ended")


async def one_batch(storage: EtcdStorage, count: int, text: str = "") -> list[Stored]:
    """Create objects; all but the first (which does not wait) go in one batch."""
    return await asyncio.gather(
        *(storage.create(key(f"a{n:03}"), config(f"a{n:03}", x=text), META) for n in range(count))
    )


async def test_writes_that_come_together_share_a_revision_and_have_positions_of_their_own(
    storage: EtcdStorage, raw: RawEtcd
) -> None:
    stored = await one_batch(storage, 100)
    assert len({versions.revision_of(item.version) for item in stored}) == 1
    assert [versions.position_of(item.version) for item in stored] == list(range(100))
    for position in (0, 1, 99):
        value = await raw.value(stored[position].key)
        message = config_pb2.ConfigMap.FromString(runtime_pb2.Unknown.FromString(value[4:]).raw)
        assert message.metadata.resource_version == (str(position) if position else "")
        assert message.metadata.name == f"a{position:03}"


@pytest.mark.parametrize(
    ("operations", "most"),
    [(1024, MAX_WRITES), (128, MAX_WRITES_BY_DEFAULT)],
    ids=["as we start etcd", "as etcd comes"],
)
async def test_a_transaction_has_as_many_writes_as_etcd_takes(operations: int, most: int) -> None:
    etcd = EtcdServer(f"--max-txn-ops={operations}")
    try:
        async with etcd_storage(etcd.target) as storage:
            first = await one_batch(storage, 1 + MAX_WRITES)
            # Once more, by nested transactions: the first is in conflict with what is there.
            again = await asyncio.gather(
                *(
                    storage.update(
                        one.key, config("a", x="2"), META, expected=Version(one.version if n else 1)
                    )
                    for n, one in enumerate(first)
                ),
                return_exceptions=True,
            )
    finally:
        etcd.close()
    for written, failed in ((first, 0), (again, 1)):
        stored = [one for one in written if isinstance(one, Stored)]
        assert len(stored) == len(written) - failed
        sizes = Counter(versions.revision_of(one.version) for one in stored)
        # The one that failed had a place in its transaction.
        assert most - failed <= max(sizes.values()) <= most
        assert len({one.version for one in stored}) == len(stored)
    assert isinstance(again[0], KeyConflict)


async def test_an_object_that_somebody_else_wrote_is_at_position_0(
    storage: EtcdStorage, raw: RawEtcd
) -> None:
    (stored,) = await one_batch(storage, 1)
    put = await raw.kv.Put(rpc_pb2.PutRequest(key=key("b").encode(), value=await raw.value(stored.key)))
    found = await storage.get(key("b"))
    assert found == Stored(key("b"), stored.data, versions.version_of(put.header.revision, 0), META)


async def test_a_foreign_transaction_of_puts_and_deletions_keeps_its_order(
    storage: EtcdStorage, raw: RawEtcd
) -> None:
    stored = await one_batch(storage, 3)
    start = await storage.current_version()
    value = await raw.value(stored[0].key)
    answer = await raw.kv.Txn(
        rpc_pb2.TxnRequest(
            success=[
                rpc_pb2.RequestOp(
                    request_delete_range=rpc_pb2.DeleteRangeRequest(key=stored[0].key.encode())
                ),
                rpc_pb2.RequestOp(
                    request_delete_range=rpc_pb2.DeleteRangeRequest(key=stored[1].key.encode())
                ),
                rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key("z").encode(), value=value)),
            ]
        )
    )
    revision = answer.header.revision
    events = await take(storage, start, 3)
    assert [(event.type.value, event.version) for event in events] == [
        ("DELETED", versions.version_of(revision, 0)), ("DELETED", versions.version_of(revision, 1)),
        ("ADDED", versions.version_of(revision, 1)),
    ]  # fmt: skip
    assert events[-1].object is not None
    assert events[-1].object.version == versions.version_of(revision, 0)


async def test_a_foreign_deletion_of_more_keys_than_there_are_positions_loses_none(
    storage: EtcdStorage, raw: RawEtcd
) -> None:
    await one_batch(storage, 300)
    start = await storage.current_version()
    await raw.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=PREFIX.encode(), range_end=range_end(PREFIX)))
    events = await take(storage, start, 300)
    assert [event.key for event in events] == [key(f"a{n:03}") for n in range(300)]
    found = [event.version for event in events]
    assert found == sorted(found)


async def test_a_batch_that_etcd_sends_in_fragments_is_one_batch(storage: EtcdStorage) -> None:
    first = await one_batch(storage, 120, "." * 11_000)
    start = await storage.current_version()
    second = await asyncio.gather(
        *(
            storage.update(item.key, config("b", x="," * 11_000), META, expected=item.version)
            for item in first
        )
    )
    assert len({versions.revision_of(item.version) for item in second}) == 1
    async with asyncio.timeout(60), aclosing(storage.watch(PREFIX, after=start)) as batches:
        batch = await anext(batches)
    assert [event.object for event in batch] == second
    assert [event.previous for event in batch] == first


async def test_what_is_no_object_is_left_out_of_lists_has_none_in_its_event_and_is_named_when_it_is_read(
    storage: EtcdStorage, raw: RawEtcd
) -> None:
    (stored,) = await one_batch(storage, 1)
    start = await storage.current_version()
    await raw.kv.Put(rpc_pb2.PutRequest(key=key("bad").encode(), value=b"{}"))
    later = await storage.create(key("later"), config("later"), META)
    assert list((await storage.list(PREFIX)).items) == [stored, later]
    assert [event.object for event in await take(storage, start, 2)] == [None, later]
    with pytest.raises(InternalError, match=key("bad")):
        await storage.get(key("bad"))


async def test_an_object_that_is_too_large_is_refused_alone(storage: EtcdStorage) -> None:
    results = await asyncio.gather(
        storage.create(key("a"), config("a"), META),
        storage.create(key("b"), config("b", x="." * 1_600_000), META),
        storage.create(key("c"), config("c", x="." * 1_400_000), META),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Stored, TooLarge, Stored]


async def test_keys_with_a_time_to_live_share_leases_of_at_most_100_keys(
    storage: EtcdStorage, etcd: EtcdServer
) -> None:
    stored = await asyncio.gather(
        *(storage.create(key(f"a{n:03}"), config("a"), META, ttl_seconds=3600) for n in range(MAX_KEYS + 50))
    )
    assert {item.ttl_seconds for item in stored} == {3600}
    assert {item.ttl_seconds for item in (await storage.list(PREFIX)).items} == {3600}
    async with RawEtcd(etcd.target) as raw:
        answer = await raw.kv.Range(rpc_pb2.RangeRequest(key=PREFIX.encode(), range_end=range_end(PREFIX)))
    leases = [kv.lease for kv in answer.kvs]
    assert sorted(leases.count(lease) for lease in set(leases)) == [50, MAX_KEYS]


async def test_a_lease_that_has_ended_early_is_replaced(storage: EtcdStorage, etcd: EtcdServer) -> None:
    await storage.create(key("a"), config("a"), META, ttl_seconds=3600)
    async with RawEtcd(etcd.target) as raw:
        answer = await raw.kv.Range(rpc_pb2.RangeRequest(key=key("a").encode()))
        lease = rpc_pb2_grpc.LeaseStub(raw.channel)
        await lease.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=answer.kvs[0].lease))
    with_lease, without = await asyncio.gather(
        storage.create(key("b"), config("b"), META, ttl_seconds=3600),
        storage.create(key("c"), config("c"), META),
    )
    assert await storage.get(key("b")) == with_lease
    assert await storage.get(key("c")) == without


class TestCompaction:
    @pytest.fixture
    async def client(self, own_etcd: EtcdServer) -> AsyncIterator[EtcdClient]:
        async with EtcdClient(own_etcd.target, clock=SystemClock(), metrics=StorageMetrics()) as client:
            yield client

    async def test_compactors_take_turns_and_compact_to_where_the_last_turn_was(
        self, own_etcd: EtcdServer, client: EtcdClient
    ) -> None:
        first, second = (Compactor(client, clock=SystemClock()) for _ in range(2))
        async with etcd_storage(own_etcd.target) as storage:
            old = await storage.create(key("a"), config("a"), META)
            assert await first.compact() == 0
            assert await second.compact() == 0
            seen = await storage.current_version()
            new = await storage.create(key("b"), config("b"), META)
            assert await first.compact() >= versions.revision_of(old.version)
            assert await second.compact() == 0
            with pytest.raises(Expired):
                await take(storage, old.version, 1)
            assert [event.object for event in await take(storage, seen, 1)] == [new]

    async def test_a_writer_that_was_idle_goes_on_after_its_key_was_tidied_away(
        self, own_etcd: EtcdServer, client: EtcdClient
    ) -> None:
        compactor = Compactor(client, clock=SystemClock())
        async with (
            etcd_storage(own_etcd.target) as idle,
            etcd_storage(own_etcd.target, writer="busy") as busy,
        ):
            await idle.create(key("a"), config("a"), META)
            await busy.create(key("b"), config("b"), META)
            for _ in range(3):
                await compactor.compact()
            request = rpc_pb2.RangeRequest(key=WRITERS.encode(), range_end=range_end(WRITERS))
            assert (await client.range(request, "test")).kvs == []
            stored = await idle.create(key("c"), config("c"), META)
            assert await idle.get(key("c")) == stored

    async def test_two_processes_of_one_name_do_no_harm(self, own_etcd: EtcdServer) -> None:
        async with etcd_storage(own_etcd.target) as one:
            async with EtcdClient(own_etcd.target, clock=SystemClock(), metrics=StorageMetrics()) as client:
                two = EtcdStorage(
                    client, "test", clock=SystemClock(), rng=Random(2), metrics=StorageMetrics()
                )
                task = asyncio.get_running_loop().create_task(two.run())
                for number in range(5):
                    await one.create(key(f"a{number}"), config("a"), META)
                    await two.create(key(f"b{number}"), config("b"), META)
                task.cancel()
                await asyncio.wait([task])
            assert len((await one.list(PREFIX)).items) == 10
