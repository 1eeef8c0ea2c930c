"""The real controller process, over gRPC, a real apiserver and a real etcd, killed in the middle of its work."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from bench.etcd import ROOT, free_port
from tests.support.apiserver_process import ApiserverProcess
from tests.support.scheduler import SHORT_LEASE
from vaina.api.controller.v1 import controller_service_pb2 as pb
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.errors import ApiError
from vaina.serving.probe import probe
from vaina.testing.builders import make_node, make_replica_set

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

REPLICAS = 30
#: no lead is lost because an apiserver that comes back takes its time on a busy machine: who loses it ends
LONG_LEASE = ("--leader-elect-lease-duration-seconds=200", "--leader-elect-renew-deadline-seconds=150")


class ControllerProcess:
    """`python -m controller`, which can be killed and started again."""

    def __init__(self, apiserver: str, lease: Sequence[str]) -> None:
        self.port, self._metrics, self._apiserver = free_port(), free_port(), apiserver
        self._lease = lease
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        flags = [
            f"--apiserver={self._apiserver}",
            f"--listen=127.0.0.1:{self.port}",
            f"--metrics-listen=127.0.0.1:{self._metrics}",
            "--log-level=warning",
            *self._lease,
        ]
        self._process = subprocess.Popen([sys.executable, "-m", "controller", *flags], cwd=ROOT)

    async def wait_serving(self) -> None:
        async with asyncio.timeout(60):
            while await asyncio.to_thread(probe, f"127.0.0.1:{self.port}") != "SERVING":
                pass

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=60)


@asynccontextmanager
async def running(
    server: ApiserverProcess, lease: Sequence[str] = SHORT_LEASE
) -> AsyncIterator[ControllerProcess]:
    process = ControllerProcess(server.target, lease)
    process.start()
    try:
        yield process
    finally:
        process.kill()


async def until_status(client: Clientset, name: str, count: int) -> None:
    """Watch a ReplicaSet until it counts so many Pods, over interruptions of the watch."""
    async with asyncio.timeout(60):
        while True:
            watch = client.replica_sets.watch("default", send_initial_events=True, timeout_seconds=30)
            try:
                async with aclosing(watch) as batches:
                    async for batch in batches:
                        for event in batch.events:
                            if event.object.metadata.name == name and event.object.status.replicas == count:
                                return
            except ApiError:
                continue


async def test_the_service_says_what_its_controllers_do_and_ends_in_good_order(
    server: ApiserverProcess,
) -> None:
    async with running(server) as process:
        await process.wait_serving()
        client, own = server.client(), GrpcTransport(f"127.0.0.1:{process.port}")
        await client.replica_sets.create(make_replica_set("web", replicas=3))
        await client.nodes.create(make_node("n1"))
        await until_status(client, "web", 3)
        request = pb.ListControllersRequest().SerializeToString()
        answer = await own.unary("/vaina.api.controller.v1.ControllerService/ListControllers", request)
        found = pb.ListControllersResponse.FromString(answer)
        states = {state.name: state for state in found.controllers}
        [lease] = (await client.leases.list("kube-system")).items
        assert found.identity == lease.spec.holder_identity
        assert states["replicaset"].last_sync_key == "default/web"
        assert all(state.synced for state in states.values())
        await client.close()
        await own.close()
        assert process.end(signal.SIGTERM) == 0
        process.start()


async def test_killed_while_replicas_come_up_it_makes_exactly_as_many(server: ApiserverProcess) -> None:
    client = server.client()
    seen: set[str] = set()
    more = asyncio.Event()

    async def count_pods() -> None:
        async with aclosing(client.pods.watch("default", send_initial_events=True)) as batches:
            async for batch in batches:
                seen.update(event.object.metadata.uid for event in batch.events if event.type == "ADDED")
                more.set()

    async with running(server) as process, asyncio.TaskGroup() as group:
        await process.wait_serving()
        counting = group.create_task(count_pods())
        for number in range(4):
            more.clear()
            await client.replica_sets.create(make_replica_set(f"web-{number}", replicas=REPLICAS))
            await more.wait()
            process.kill()
            process.start()
        for number in range(4):
            await until_status(client, f"web-{number}", REPLICAS)
        assert len((await client.pods.list("default")).items) == 4 * REPLICAS
        async with asyncio.timeout(60):
            while len(seen) < 4 * REPLICAS:
                more.clear()
                await more.wait()
        assert len(seen) == 4 * REPLICAS
        counting.cancel()
    await client.close()


async def test_it_works_on_when_the_apiserver_comes_back(server: ApiserverProcess) -> None:
    async with running(server, LONG_LEASE) as process:
        await process.wait_serving()
        client = server.client()
        await client.replica_sets.create(make_replica_set("before", replicas=REPLICAS))
        server.kill()
        await server.start()
        await until_status(client, "before", REPLICAS)
        await client.replica_sets.create(make_replica_set("after", replicas=2))
        await until_status(client, "after", 2)
        pods = (await client.pods.list("default")).items
        assert len(pods) == REPLICAS + 2
        await client.close()
