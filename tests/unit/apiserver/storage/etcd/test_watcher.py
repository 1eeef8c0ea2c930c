"""The watch of etcd when its stream, its channel, or somebody who asks for progress ends at a bad moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from apiserver.storage import versions
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.watcher import Watcher
from apiserver.storage.interface import Key, Version
from apiserver.storage.metrics import StorageMetrics
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.errors import Timeout, Unavailable, is_version_too_large
from vaina.testing.clock import settle

PREFIX = Key("/registry/")


class Etcd(rpc_pb2_grpc.WatchServicer, rpc_pb2_grpc.KVServicer):  # type: ignore[misc]
    """Answers progress requests; its calls for keys are never answered."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.ends = asyncio.Event()
        #: what it is asked for beside each watch
        self.metadata: dict[str, str] = {}
        #: what the other members have, when `Range` is answered
        self.newest = 0

    async def Watch(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        self.metadata = dict(context.invocation_metadata())
        revision = 10
        async for request in requests:
            if request.HasField("create_request"):
                header = rpc_pb2.ResponseHeader(revision=revision)
                yield rpc_pb2.WatchResponse(header=header, created=True)
            if request.HasField("progress_request"):
                revision += 1
                yield rpc_pb2.WatchResponse(header=rpc_pb2.ResponseHeader(revision=revision))

    async def Range(self, request: Any, context: Any) -> Any:
        self.called.set()
        if not self.newest:
            await self.ends.wait()
        return rpc_pb2.RangeResponse(header=rpc_pb2.ResponseHeader(revision=self.newest))


@asynccontextmanager
async def etcd() -> AsyncIterator[tuple[Etcd, EtcdClient]]:
    server, servicer = grpc.aio.server(), Etcd()
    rpc_pb2_grpc.add_WatchServicer_to_server(servicer, server)
    rpc_pb2_grpc.add_KVServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = EtcdClient(
        f"127.0.0.1:{port}", clock=SystemClock(), metrics=StorageMetrics(), timeout_seconds=60.0
    )
    try:
        yield servicer, client
    finally:
        servicer.ends.set()
        await client.close()
        await server.stop(0)


def watcher_of(client: EtcdClient) -> Watcher:
    return Watcher(client, previous=False, unreadable=lambda key: None)


async def test_who_gives_up_asking_for_progress_does_not_end_the_watch_of_all() -> None:
    async with etcd() as (_, client):
        watcher = watcher_of(client)
        async with aclosing(watcher.events(PREFIX, Version(0))) as batches:
            first = await anext(batches)
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(watcher.request_progress())
                await settle(1)
                asking.cancel()
            await watcher.request_progress()
            second = await anext(batches)
            assert second[0].version > first[0].version


async def test_many_who_ask_for_progress_at_once_do_not_end_the_watch() -> None:
    async with etcd() as (_, client):
        watcher = watcher_of(client)
        async with aclosing(watcher.events(PREFIX, Version(0))) as batches:
            first = await anext(batches)
            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(watcher.request_progress())
            answers = [await anext(batches) for _ in range(20)]
            assert answers[-1][0].version > first[0].version


async def test_a_watch_on_a_member_that_lags_behind_the_others_goes_on() -> None:
    """Only a quorum knows what etcd has.

    A member that was away tells its clients of an older revision, and catches up.
    """
    async with etcd() as (servicer, client):
        servicer.newest = 13
        watcher = watcher_of(client)

        async def ask() -> None:
            while True:
                await watcher.request_progress()
                await settle(1)

        async with aclosing(watcher.events(PREFIX, versions.whole(13))) as batches, running(ask()):
            batch = await anext(batches)
            assert batch[0].version >= versions.whole(13)


async def test_a_watch_on_an_etcd_that_is_older_than_what_was_seen_is_refused() -> None:
    async with etcd() as (servicer, client):
        servicer.newest = 11
        async with aclosing(watcher_of(client).events(PREFIX, versions.whole(12))) as batches:
            with pytest.raises(Timeout, match="Too large resource version: 12999, current: 11999") as caught:
                await anext(batches)
            assert is_version_too_large(caught.value)


async def test_a_watch_wants_a_member_that_has_a_leader() -> None:
    async with etcd() as (servicer, client):
        async with aclosing(watcher_of(client).events(PREFIX, Version(0))) as batches:
            await anext(batches)
        assert servicer.metadata["hasleader"] == "true"


async def test_progress_of_a_watch_that_has_just_ended_is_refused_as_unavailable() -> None:
    async with etcd() as (_, client):
        watcher = watcher_of(client)
        async with aclosing(watcher.events(PREFIX, Version(0))) as batches:
            await anext(batches)
            assert watcher._call is not None
            watcher._call.cancel()
            with pytest.raises(Unavailable):
                await watcher.request_progress()


async def test_a_watch_whose_channel_is_closed_ends_as_unavailable_and_not_as_cancelled() -> None:
    async with etcd() as (_, client), aclosing(watcher_of(client).events(PREFIX, Version(0))) as batches:
        await anext(batches)
        await client.close()
        with pytest.raises(Unavailable):
            _ = [batch async for batch in batches]


async def test_a_call_whose_channel_is_closed_ends_as_unavailable_and_not_as_cancelled() -> None:
    async with etcd() as (servicer, client):

        async def close() -> None:
            await servicer.called.wait()
            await client.close()

        async with running(close()):
            with pytest.raises(Unavailable):
                await client.range(rpc_pb2.RangeRequest(key=b"a"), "get")


async def test_a_call_on_a_closed_channel_is_refused_as_unavailable() -> None:
    async with etcd() as (_, client):
        await client.close()
        with pytest.raises(Unavailable):
            await client.range(rpc_pb2.RangeRequest(key=b"a"), "get")
