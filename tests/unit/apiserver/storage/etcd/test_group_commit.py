"""What the group commit does when etcd's own history is not what it was (restored from an older copy), and
when etcd says nothing.
"""

import asyncio
import gc
import weakref
from random import Random
from typing import Any, cast

import pytest
from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage.etcd.batch import Write
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.failures import FutureRevision
from apiserver.storage.etcd.group_commit import GroupCommit
from apiserver.storage.interface import Key
from apiserver.storage.metrics import StorageMetrics
from tests.support.tasks import running
from vaina.errors import Timeout, Unavailable
from vaina.testing.clock import FakeClock, settle


class Restored:
    """Commits the first batch without saying so, and then no longer knows the revision in which it did."""

    def __init__(self) -> None:
        self._token = b""

    async def put(self, request: Any, operation: str) -> Any:
        return rpc_pb2.PutResponse(header=rpc_pb2.ResponseHeader(revision=10))

    async def txn(self, request: Any, operation: str, timeout_seconds: float | None = None) -> Any:
        if operation == "commit" and not self._token:
            self._token = request.success[0].request_put.value
            raise Timeout("etcd did not answer in time")
        if operation == "commit":
            return _answer([rpc_pb2.ResponseOp(), _nested()], succeeded=True)
        if request.compare:
            moved = kv_pb2.KeyValue(value=self._token, mod_revision=11)
            held = rpc_pb2.ResponseOp(response_range=rpc_pb2.RangeResponse(kvs=[moved]))
            return _answer([held], succeeded=False)
        raise FutureRevision("etcdserver: mvcc: required revision is a future revision")


def _answer(responses: list[Any], *, succeeded: bool) -> Any:
    header = rpc_pb2.ResponseHeader(revision=12)
    return rpc_pb2.TxnResponse(header=header, succeeded=succeeded, responses=responses)


def _nested() -> Any:
    return rpc_pb2.ResponseOp(response_txn=rpc_pb2.TxnResponse(succeeded=True))


async def test_a_batch_whose_revision_etcd_no_longer_has_is_unknown_and_the_next_goes_out() -> None:
    commit = GroupCommit(
        cast(EtcdClient, Restored()),
        "a",
        clock=FakeClock(),
        rng=Random(1),
        metrics=StorageMetrics(),
    )
    async with running(commit.run()):
        with pytest.raises(Unavailable, match="the outcome is unknown"):
            await commit.submit(Write(Key("/registry/pods/default/a"), 0, b"x"))
        outcome = await commit.submit(Write(Key("/registry/pods/default/b"), 0, b"x"))
    assert outcome.succeeded


class Silent:
    """Takes everything and answers nothing."""

    async def put(self, request: Any, operation: str) -> Any:
        return rpc_pb2.PutResponse(header=rpc_pb2.ResponseHeader(revision=10))

    async def txn(self, request: Any, operation: str) -> Any:
        await asyncio.get_running_loop().create_future()


class Weighed(Write):
    """A write that can be seen to be freed."""

    __slots__ = ("__weakref__",)


async def test_what_callers_who_gave_up_wanted_to_write_is_not_kept_while_etcd_says_nothing() -> None:
    commit = GroupCommit(
        cast(EtcdClient, Silent()),
        "a",
        clock=FakeClock(),
        rng=Random(1),
        metrics=StorageMetrics(),
    )
    kept = weakref.WeakSet[Weighed]()

    async def write(number: int) -> None:
        write = Weighed(Key(f"/registry/pods/default/{number}"), 0, b"x")
        kept.add(write)
        await commit.submit(write)

    async with running(commit.run()), asyncio.TaskGroup() as group:
        patient = group.create_task(write(-1))
        await settle()
        for number in range(1000):
            hasty = group.create_task(write(number))
            await settle()
            hasty.cancel()
        await settle()
        gc.collect()
        assert 1 <= len(kept) < 100
        patient.cancel()


class Away:
    """Lost the writer key while a batch was under way, and cannot put it again until it is back."""

    def __init__(self) -> None:
        self.is_back = True
        self.has_answered = asyncio.Event()
        self.batches = 0

    async def put(self, request: Any, operation: str) -> Any:
        if not self.is_back:
            raise Unavailable("etcd is not available")
        return rpc_pb2.PutResponse(header=rpc_pb2.ResponseHeader(revision=10))

    async def txn(self, request: Any, operation: str) -> Any:
        self.batches += 1
        await self.has_answered.wait()
        return _answer([rpc_pb2.ResponseOp()], succeeded=False)


async def test_what_was_refused_while_etcd_was_away_is_not_written_when_it_is_back() -> None:
    etcd, clock = Away(), FakeClock()
    commit = GroupCommit(
        cast(EtcdClient, etcd),
        "a",
        clock=clock,
        rng=Random(1),
        metrics=StorageMetrics(),
        patience_seconds=10.0,
    )
    refused: list[str] = []

    async def write() -> None:
        try:
            await commit.submit(Write(Key("/registry/pods/default/a"), 0, b"x"))
        except Unavailable as error:
            refused.append(str(error))

    async with running(commit.run()), asyncio.TaskGroup() as group:
        group.create_task(write())
        await settle()
        await clock.advance(9.5)
        etcd.is_back = False
        etcd.has_answered.set()
        await settle()
        await clock.advance(2.0)
        assert refused == ["etcd is not available; nothing was written"]
        etcd.is_back = True
        await clock.advance(10.0)
        await settle()
        assert etcd.batches == 1
