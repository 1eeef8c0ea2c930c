"""Transactions of others over many keys, seen through a real apiserver.

Their events share versions, none is lost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
from aetcd.rpc import rpc_pb2

from apiserver.storage import codec, versions
from apiserver.storage.interface import Key, Version
from apiserver.storage.keys import range_end
from tests.support.etcd import EtcdServer, RawEtcd
from tests.support.tasks import running
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import Expired
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

PREFIX = Key("/registry/configmaps/mine/")
#: more than a revision has positions
MANY = 1500


@pytest.fixture
async def raw(etcd: EtcdServer) -> AsyncIterator[RawEtcd]:
    async with RawEtcd(etcd.target) as raw:
        yield raw


def put(name: str) -> "rpc_pb2.RequestOp":
    data = make_config_map(name, "mine").SerializeToString()
    value = codec.encode_value(data, ("v1", "ConfigMap"), 0)
    return rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=f"{PREFIX}{name}".encode(), value=value))


async def fill(raw: RawEtcd, count: int) -> None:
    """Put objects, a hundred in a transaction."""
    for start in range(0, count, 100):
        puts = [put(f"a{number:04}") for number in range(start, start + 100)]
        await raw.kv.Txn(rpc_pb2.TxnRequest(success=puts))


async def delete_all(raw: RawEtcd) -> None:
    """Delete them in one transaction, as `etcdctl del --prefix` does."""
    await raw.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=PREFIX.encode(), range_end=range_end(PREFIX)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await SystemClock().sleep(0.01)


async def test_an_informer_has_what_one_transaction_of_many_writes_leaves(
    client: Clientset, raw: RawEtcd
) -> None:
    informer = Informer(client.config_maps, SystemClock())
    told: list[str] = []
    informer.add_handler(on_delete=lambda obj: told.append(obj.metadata.name))
    async with running(informer.run()):
        await informer.wait_synced()
        await fill(raw, MANY)
        await until(lambda: len(informer.lister.list()) == MANY)
        await delete_all(raw)
        last = await client.config_maps.create(make_config_map("last"))
        await until(lambda: informer.resource_version >= int(last.metadata.resource_version))
        assert [obj.metadata.name for obj in informer.lister.list()] == ["last"]
        assert sorted(told) == [f"a{number:04}" for number in range(MANY)]


async def test_a_watch_that_was_cut_within_such_a_transaction_resumes_exactly_or_is_told_to_list(
    client: Clientset, raw: RawEtcd
) -> None:
    await fill(raw, MANY)
    start = (await client.config_maps.list_page(limit=1)).resource_version
    await delete_all(raw)
    last = await client.config_maps.create(make_config_map("last"))

    async def names_after(version: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        watch = client.config_maps.watch(resource_version=version, allow_bookmarks=False)
        async with asyncio.timeout(60), aclosing(watch) as batches:
            async for batch in batches:
                found += [
                    (event.object.metadata.name, event.object.metadata.resource_version)
                    for event in batch.events
                ]
                if found[-1][0] == "last":
                    return found
        raise AssertionError("the watch ended")

    whole = await names_after(start)
    assert [name for name, _ in whole] == [*(f"a{number:04}" for number in range(MANY)), "last"]
    for place in (0, 500, versions.LAST - 1):
        assert await names_after(whole[place][1]) == whole[place + 1 :]
    # From here on all of them have one version, which does not say how many of them were seen.
    for place in (versions.LAST, MANY - 1):
        with pytest.raises(Expired):
            await names_after(whole[place][1])
    revision = versions.revision_of(Version(int(whole[0][1])))
    assert await names_after(str(versions.whole(revision))) == [("last", last.metadata.resource_version)]
