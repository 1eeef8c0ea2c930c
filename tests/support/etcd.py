"""A real etcd for tests (`make test-component` fetches the binary), storage over it, and somebody else's
calls to it.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import grpc.aio
import pytest
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.values import PLAIN, Values
from bench.etcd import EtcdProcess, find_etcd
from tests.support.tasks import running
from vaina.clock import SystemClock

#: no fsync, and an election at once: the data of a test dies with it
FAST = ("--unsafe-no-fsync", "--heartbeat-interval=20", "--election-timeout=200")


class EtcdServer(EtcdProcess):
    """One etcd process for tests. It can be killed, stopped, continued and started again over the same data
    and ports.
    """

    def __init__(self, *arguments: str) -> None:
        """Start it. Args: further flags, as "--quota-backend-bytes=16777216"."""
        super().__init__(*FAST, *arguments)


@asynccontextmanager
async def etcd_storage(
    target: str | Sequence[str],
    *,
    writer: str = "test",
    timeout_seconds: float = 5.0,
    patience_seconds: float = 6.0,
    values: Values = PLAIN,
) -> AsyncIterator[EtcdStorage]:
    """Run a storage over an etcd, or over the members of a cluster."""
    clock, metrics = SystemClock(), StorageMetrics()
    async with EtcdClient(target, clock=clock, metrics=metrics, timeout_seconds=timeout_seconds) as client:
        storage = EtcdStorage(
            client, writer, clock=clock, rng=Random(1), metrics=metrics,
            patience_seconds=patience_seconds, values=values,
        )  # fmt: skip
        async with running(storage.run()):
            yield storage


class RawEtcd:
    """Calls to etcd as somebody else would make them."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.aio.insecure_channel(target)
        self.kv = rpc_pb2_grpc.KVStub(self.channel)
        self.maintenance = rpc_pb2_grpc.MaintenanceStub(self.channel)

    async def __aenter__(self) -> "RawEtcd":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close(None)

    async def wipe(self) -> None:
        """Delete every key."""
        await self.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0"))

    async def value(self, key: str) -> bytes:
        """Return the bytes stored under a key."""
        answer = await self.kv.Range(rpc_pb2.RangeRequest(key=key.encode()))
        return bytes(answer.kvs[0].value)

    async def put(self, key: str, value: bytes) -> None:
        """Store bytes under a key."""
        await self.kv.Put(rpc_pb2.PutRequest(key=key.encode(), value=value))

    async def compact(self, revision: int) -> None:
        """Compact to a revision."""
        await self.kv.Compact(rpc_pb2.CompactionRequest(revision=revision, physical=True))

    async def has_forgotten(self, revision: int) -> bool:
        """Say whether it was compacted to a later revision."""
        try:
            await self.kv.Range(rpc_pb2.RangeRequest(key=b"a", revision=revision))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                return True
            raise
        return False

    async def make_room(self, revision: int) -> None:
        """Do what an operator does when etcd is full: compact, defragment, disarm."""
        await self.compact(revision)
        await self.maintenance.Defragment(rpc_pb2.DefragmentRequest())
        alarms = await self.maintenance.Alarm(rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET))
        for alarm in alarms.alarms:
            await self.maintenance.Alarm(
                rpc_pb2.AlarmRequest(
                    action=rpc_pb2.AlarmRequest.DEACTIVATE, alarm=alarm.alarm, memberID=alarm.memberID
                )
            )


@pytest.fixture(scope="session")
def shared_etcd() -> Iterator[EtcdServer]:
    """An etcd for all tests of the session that leave it running."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    server = EtcdServer()
    yield server
    server.close()


async def wipe(server: EtcdServer) -> None:
    """Take away what other tests left in an etcd."""
    async with RawEtcd(server.target) as raw:
        await raw.wipe()


@pytest.fixture
async def etcd(shared_etcd: EtcdServer) -> EtcdServer:
    """The shared etcd, empty."""
    await wipe(shared_etcd)
    return shared_etcd


@pytest.fixture
def own_etcd() -> Iterator[EtcdServer]:
    """An etcd of the test's own, which it may kill."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    server = EtcdServer()
    yield server
    server.close()
