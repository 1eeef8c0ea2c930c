"""Many writes of which some must be sent again: each is told what became of itself."""

from random import Random
from typing import Any, cast

from aetcd.rpc import rpc_pb2

from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.failures import LeaseMissing
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import Key, Put, Stored
from apiserver.storage.metrics import StorageMetrics
from tests.support.tasks import running
from vaina.errors import TooManyRequests
from vaina.testing.clock import FakeClock


class Forgetful:
    """An etcd whose first lease ends at once, and which then has no other to give."""

    def __init__(self) -> None:
        self.granted = 0

    async def grant(self, lease: int, ttl_seconds: int) -> None:
        self.granted += 1
        if self.granted > 1:
            raise TooManyRequests("etcdserver: too many requests")

    async def put(self, request: Any, operation: str) -> Any:
        return rpc_pb2.PutResponse(header=rpc_pb2.ResponseHeader(revision=10))

    async def txn(self, request: Any, operation: str) -> Any:
        writes = [item.request_txn for item in request.success[1:]]
        if any(write.success[0].request_put.lease for write in writes):
            raise LeaseMissing("etcdserver: requested lease not found")
        done = rpc_pb2.ResponseOp(response_txn=rpc_pb2.TxnResponse(succeeded=True))
        header = rpc_pb2.ResponseHeader(revision=11)
        return rpc_pb2.TxnResponse(header=header, succeeded=True, responses=[rpc_pb2.ResponseOp(), done])


async def test_what_was_written_is_known_though_what_must_be_sent_again_cannot_be() -> None:
    storage = EtcdStorage(
        cast(EtcdClient, Forgetful()), "a", clock=FakeClock(), rng=Random(1), metrics=StorageMetrics()
    )
    kept = Put(Key("/registry/pods/default/a"), b"x", ("v1", "Pod"), None)
    short = Put(Key("/registry/events/default/b"), b"x", ("v1", "Event"), None, 60)
    async with running(storage.run()):
        first, second = await storage.put_all([kept, short])
    assert isinstance(first, Stored)
    assert isinstance(second, TooManyRequests)
