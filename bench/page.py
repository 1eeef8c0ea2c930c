"""What the page costs: its service, and the apiserver that it reads, while browsers look at a large cluster.

    python -m bench.page [--clients 20] [--nodes 5000] [--pods 50000] [--changes 300] [--seconds 20] [--rounds 3]

All processes on the loopback, in the clear; etcd without fsync. Nodes are objects, Pods are bound to them, and
a writer turns their Ready condition over, so many a second. Each round is measured without the page, and then
with it, everybody looking at the whole cluster; what the apiserver takes more is the page's. Readers are this
process, and count nothing but frames.

Targets are printed with whether they are met.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench import report
from bench.etcd import EtcdProcess
from bench.processes import ServiceProcess
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.client.transport import GrpcTransport
from vaina.clock import timestamp
from vaina.pki.login import login_link

_SECRET: Final = "the-secret-of-the-login-link-of-a-benchmark"
_BATCH, _TURNS = 500, 10
PATIENCE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What processes used of a core in one stretch, and what readers got."""

    apiserver: float
    page: float = 0.0
    changes: float = 0.0
    frames: float = 0.0
    frame_bytes: float = 0.0


class Cluster:
    """Nodes, Pods, and who turns them over."""

    def __init__(self, client: Clientset, options: argparse.Namespace) -> None:
        self._client, self._options = client, options
        self._next = 0
        self._turn = False

    async def make(self) -> None:
        """Create Nodes and Pods."""
        nodes = [_node(number) for number in range(self._options.nodes)]
        pods = [_pod(number, self._options.nodes) for number in range(self._options.pods)]
        await _create(self._client.nodes, nodes)
        await _create(self._client.pods, pods)

    async def change(self, seconds: float) -> float:
        """Turn Pods over at the rate that is asked for; return how many a second it was."""
        begun, done = time.monotonic(), 0
        each = self._options.changes // _TURNS
        while (passed := time.monotonic() - begun) < seconds:
            pods = [self._status(self._next + offset) for offset in range(each)]
            self._next += each
            for result in await self._client.pods.update_status_batch([(pod, ()) for pod in pods]):
                if isinstance(result, Exception):
                    raise result
            done += each
            await asyncio.sleep(max(0.0, done / self._options.changes - (time.monotonic() - begun)))
        return done / passed

    def _status(self, number: int) -> pod_pb2.Pod:
        turn, place = divmod(number, self._options.pods)
        pod = _pod(place, self._options.nodes)
        pod.status.phase = "Running"
        is_ready = turn % 2 == 0
        pod.status.conditions.add(
            type="Ready", status="True" if is_ready else "False", last_transition_time=timestamp(time.time())
        )
        pod.status.container_statuses.add(name="app", ready=is_ready, image="app").state.running.SetInParent()
        return pod


async def _create(
    client: ResourceClient[pod_pb2.Pod] | ResourceClient[node_pb2.Node], objects: Sequence[object]
) -> None:
    for start in range(0, len(objects), _BATCH):
        for result in await client.create_batch(objects[start : start + _BATCH]):  # type: ignore[arg-type]  # of the client's kind
            if isinstance(result, Exception):
                raise result


def _node(number: int) -> node_pb2.Node:
    node = node_pb2.Node()
    node.metadata.name = f"node-{number:05}"
    for amounts in (node.status.capacity, node.status.allocatable):
        amounts["cpu"].string, amounts["memory"].string, amounts["pods"].string = "16", "64Gi", "110"
    node.status.conditions.add(type="Ready", status="True")
    return node


def _pod(number: int, nodes: int) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = f"web-7d9f8c6b5-{number:05x}", "default"
    pod.metadata.labels.update({"app": f"web-{number % 500}", "pod-template-hash": "7d9f8c6b5"})
    pod.spec.node_name = f"node-{number % nodes:05}"
    container = pod.spec.containers.add(name="app", image="app")
    container.resources.requests["cpu"].string = f"{100 + 100 * (number % 8)}m"
    container.resources.requests["memory"].string = f"{256 + 256 * (number % 4)}Mi"
    return pod


class Reader:
    """One browser's WebSocket: counts what comes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.first_bytes = self.frames = self.bytes = 0
        self.has_snapshot = asyncio.Event()

    async def read(self) -> None:
        await self._socket.send_json({"subscribe": "cluster"})
        async for message in self._socket:
            if not self.has_snapshot.is_set():
                self.first_bytes = len(message.data)
                self.has_snapshot.set()
            self.frames += 1
            self.bytes += len(message.data)


class Looking:
    """The page's service, and all who look at it."""

    def __init__(self, process: ServiceProcess) -> None:
        self.process = process
        self.readers: list[Reader] = []
        self.first_seconds = self.all_seconds = self.first_cpu = 0.0


@asynccontextmanager
async def looking(process: ServiceProcess, clients: int) -> AsyncIterator[Looking]:
    """Let everybody look, one after the other; yields once all see the cluster."""
    made = Looking(process)
    url = f"http://127.0.0.1:{process.port}"
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        )
        async with session.get(login_link(url, _SECRET)) as answer:
            answer.raise_for_status()
        begun, used = time.monotonic(), process.cpu_seconds()
        tasks = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            for number in range(clients):
                socket = await stack.enter_async_context(
                    session.ws_connect(f"{url}/live", headers={"Origin": url}, max_msg_size=0)
                )
                made.readers.append(Reader(socket))
                tasks.append(group.create_task(made.readers[-1].read()))
                await made.readers[-1].has_snapshot.wait()
                if not number:
                    made.first_seconds, made.first_cpu = (
                        time.monotonic() - begun,
                        process.cpu_seconds() - used,
                    )
        made.all_seconds = time.monotonic() - begun
        yield made
        for task in tasks:
            task.cancel()


async def _stretch(
    cluster: Cluster, apiserver: ServiceProcess, look: Looking | None, seconds: float
) -> Measured:
    """Change things for a while; return what was used."""
    page = look.process if look is not None else None
    readers = look.readers if look is not None else []
    frames, got = sum(one.frames for one in readers), sum(one.bytes for one in readers)
    api, own, begun = apiserver.cpu_seconds(), page.cpu_seconds() if page else 0.0, time.monotonic()
    rate = await cluster.change(seconds)
    passed = time.monotonic() - begun
    count = sum(one.frames for one in readers) - frames
    return Measured(
        (apiserver.cpu_seconds() - api) / passed, (page.cpu_seconds() - own) / passed if page else 0.0, rate,
        count / max(1, len(readers)) / passed, (sum(one.bytes for one in readers) - got) / max(1, count),
    )  # fmt: skip


async def run(options: argparse.Namespace) -> list[report.Target]:
    """Measure, print a table, and return the targets."""
    etcd = EtcdProcess("--unsafe-no-fsync", "--quota-backend-bytes=4294967296")
    apiserver = ServiceProcess("apiserver", f"--etcd-endpoints={etcd.target}", "--log-level=warning")
    try:
        await asyncio.to_thread(apiserver.wait_healthy)
        async with Clientset(GrpcTransport(apiserver.target), timeout=PATIENCE_SECONDS) as client:
            cluster = Cluster(client, options)
            await cluster.make()
            return await _rounds(cluster, apiserver, options)
    finally:
        apiserver.close()
        etcd.close()


@asynccontextmanager
async def page_of(apiserver: ServiceProcess) -> AsyncIterator[ServiceProcess]:
    """Run the page's service. One for each round: it would go on watching for a minute."""
    with tempfile.TemporaryDirectory(prefix="vaina-page-") as folder:
        token = Path(folder) / "token"
        await asyncio.to_thread(token.write_text, _SECRET)
        process = ServiceProcess(
            "dashboard",
            f"--apiserver={apiserver.target}",
            f"--login-token-file={token}",
            "--log-level=warning",
        )
        try:
            await asyncio.to_thread(process.wait_healthy)
            yield process
        finally:
            await asyncio.to_thread(process.close)


async def _rounds(
    cluster: Cluster, apiserver: ServiceProcess, options: argparse.Namespace
) -> list[report.Target]:
    alone, looked = [], []
    print(
        f"{options.nodes:,} Nodes, {options.pods:,} Pods, {options.clients} readers, {options.changes} changes a second"
    )
    print(
        f"{'':18}{'changes/s':>10}{'apiserver':>11}{'page':>8}{'frames/s':>10}{'B a frame':>11}   cores used"
    )
    await cluster.change(options.seconds / 4)
    for _ in range(options.rounds):
        alone.append(await _stretch(cluster, apiserver, None, options.seconds))
        _show("without the page", alone[-1])
        async with page_of(apiserver) as page, looking(page, options.clients) as look:
            looked.append(await _stretch(cluster, apiserver, look, options.seconds))
            _show("with it", looked[-1])
            print(
                f"  snapshot {look.readers[0].first_bytes / 1e6:.1f} MB; the first reader sees it after "
                f"{look.first_seconds:.1f} s ({look.first_cpu:.2f} s of CPU), all after {look.all_seconds:.1f} s; "
                f"memory of the page {page.memory_bytes() / 2**20:.0f} MiB"
            )
    more = statistics.median(two.apiserver - one.apiserver for one, two in zip(alone, looked, strict=True))
    return [
        report.Target(
            "the page's service, cores", statistics.median(one.page for one in looked), 0.5, at_most=True
        ),
        report.Target("what the apiserver takes more for it, cores", more, 0.05, at_most=True),
    ]


def _show(name: str, one: Measured) -> None:
    print(
        f"{name:18}{one.changes:10.0f}{one.apiserver:11.3f}{one.page:8.3f}{one.frames:10.2f}{one.frame_bytes:11.0f}",
        flush=True,
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--pods", type=int, default=50_000)
    parser.add_argument("--changes", type=int, default=300, help="a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stretch")
    parser.add_argument("--rounds", type=int, default=3)
    report.show_targets(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
