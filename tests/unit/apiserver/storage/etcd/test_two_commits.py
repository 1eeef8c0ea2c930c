"""What goes out when: Events beside the rest, a lone write at once, under load what has gathered for a
moment.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, cast

from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.batch import Write
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.group_commit import GroupCommit
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import Key, Put
from apiserver.storage.metrics import StorageMetrics
from tests.support.tasks import running
from vaina.testing.clock import FakeClock, settle

META = ("v1", "Thing")
_PODS, _EVENTS = "/registry/pods/default/", "/registry/events/default/"


class Etcd:
    """Commits at once, or what has a lease only when it is told to."""

    def __init__(self) -> None:
        self.leased = asyncio.Event()
        self.sizes: list[int] = []
        self._revision = 10

    async def put(self, request: Any, operation: str) -> Any:
        return rpc_pb2.PutResponse(header=self._header())

    async def grant(self, lease: int, ttl_seconds: int) -> None: ...

    async def txn(self, request: Any, operation: str) -> Any:
        puts = [
            part.request_put if part.HasField("request_put") else part.request_txn.success[0].request_put
            for part in request.success
        ]
        self.sizes.append(len(puts) - 1)
        if any(put.lease for put in puts):
            await self.leased.wait()
        nested = rpc_pb2.ResponseOp(response_txn=rpc_pb2.TxnResponse(succeeded=True))
        return rpc_pb2.TxnResponse(
            header=self._header(),
            succeeded=True,
            responses=[rpc_pb2.ResponseOp(), *[nested] * (len(puts) - 1)],
        )

    def _header(self) -> Any:
        self._revision += 1
        return rpc_pb2.ResponseHeader(revision=self._revision)


async def test_who_creates_a_pod_does_not_wait_for_events() -> None:
    etcd, clock = Etcd(), FakeClock()
    storage = EtcdStorage(cast(EtcdClient, etcd), "a", clock=clock, rng=Random(1), metrics=StorageMetrics())
    events = [Put(Key(f"{_EVENTS}{number}"), b"x", META, None, 3600) for number in range(300)]
    async with running(storage.run()), asyncio.TaskGroup() as group:
        said = group.create_task(storage.put_all(events))
        await settle()
        assert etcd.sizes
        stored = await storage.create(Key(f"{_PODS}a"), b"x", META)
        assert stored.key == f"{_PODS}a"
        assert not said.done()
        etcd.leased.set()
        results = await said
    assert [result.key for result in results if not isinstance(result, Exception)] == [
        event.key for event in events
    ]


def _writes(first: int, count: int) -> Sequence[Write]:
    return [Write(Key(f"{_PODS}{number}"), 0, b"x", META) for number in range(first, first + count)]


async def test_under_load_writes_gather_for_a_moment_and_many_or_a_lone_one_go_at_once() -> None:
    etcd, clock = Etcd(), FakeClock()
    commit = GroupCommit(
        cast(EtcdClient, etcd),
        "a",
        clock=clock,
        rng=Random(1),
        metrics=StorageMetrics(),
    )
    async with running(commit.run()), asyncio.TaskGroup() as group:

        async def submit(first: int, count: int) -> None:
            group.create_task(commit.submit_all(_writes(first, count)))
            await settle()

        await submit(0, 1)
        assert etcd.sizes == [1]
        await submit(10, 20)
        assert etcd.sizes == [1, 20]
        # There is load now: two wait for more, but not for long.
        await submit(100, 2)
        assert etcd.sizes == [1, 20]
        await clock.advance(0.001)
        await submit(200, 3)
        await clock.advance(0.001)
        assert etcd.sizes == [1, 20]
        await clock.advance(0.009)
        assert etcd.sizes == [1, 20, 5]
        await submit(300, 32)
        assert etcd.sizes == [1, 20, 5, 32]
