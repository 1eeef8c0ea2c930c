"""A real etcd for tests: started on free loopback ports with its data in a temporary folder, stopped with the tests.

The binary is etcd 3.5.16 out of `.tools/bin` (deploy/trixie.sh etcd, which `make test-component` calls), else the one on PATH.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import grpc.aio
import pytest
from aetcd.rpc import rpc_pb2, rpc_pb2_grpc

from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.metrics import StorageMetrics
from tests.support.tasks import running
from vaina.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 20


def find_etcd() -> str | None:
    """Return the path of the etcd binary; None when there is none."""
    own = ROOT / ".tools" / "bin" / "etcd"
    return str(own) if own.exists() else shutil.which("etcd")


def free_port() -> int:
    """Return a port of the loopback that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class EtcdServer:
    """One etcd process. It can be killed, stopped (SIGSTOP), continued and started again over the same data and ports."""

    def __init__(self, *arguments: str) -> None:
        """Start it and wait until it is healthy.

        Args:
            *arguments: further flags: "--quota-backend-bytes=16777216".
        """
        self._folder = tempfile.TemporaryDirectory(prefix="vaina-etcd-")
        self.port, self._peer = free_port(), free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def target(self) -> str:
        """The gRPC target of its client port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process and wait until it is healthy."""
        binary = find_etcd()
        assert binary is not None
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self._peer}"
        with (Path(self._folder.name) / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    binary, "--name=test", f"--data-dir={self._folder.name}/data",
                    f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                    f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                    f"--initial-cluster=test={peer}", "--unsafe-no-fsync", "--heartbeat-interval=20",
                    "--election-timeout=200", "--log-level=warn", *self._arguments,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        pause = threading.Event()
        for _ in range(_START_SECONDS * 50):
            if self._is_healthy():
                return
            assert self._process.poll() is None, (Path(self._folder.name) / "log").read_text()[-2000:]
            pause.wait(0.02)
        raise TimeoutError((Path(self._folder.name) / "log").read_text()[-2000:])

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """Stop it: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `stop`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End the process and remove its data."""
        self.kill()
        self._folder.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False


@asynccontextmanager
async def etcd_storage(
    target: str, *, writer: str = "test", timeout_seconds: float = 5.0, patience_seconds: float = 6.0
) -> AsyncIterator[EtcdStorage]:
    """Run a storage over an etcd."""
    clock, metrics = SystemClock(), StorageMetrics()
    async with EtcdClient(target, clock=clock, metrics=metrics, timeout_seconds=timeout_seconds) as client:
        storage = EtcdStorage(
            client, writer, clock=clock, rng=Random(1), metrics=metrics, patience_seconds=patience_seconds
        )
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

    async def compact(self, revision: int) -> None:
        """Compact to a revision."""
        await self.kv.Compact(rpc_pb2.CompactionRequest(revision=revision, physical=True))

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


@pytest.fixture
async def etcd(shared_etcd: EtcdServer) -> EtcdServer:
    """The shared etcd, empty."""
    async with RawEtcd(shared_etcd.target) as raw:
        await raw.wipe()
    return shared_etcd


@pytest.fixture
def own_etcd() -> Iterator[EtcdServer]:
    """An etcd of the test's own, which it may kill."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    server = EtcdServer()
    yield server
    server.close()
