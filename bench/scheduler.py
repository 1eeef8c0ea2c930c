"""How fast Pods get nodes: etcd, apiserver and scheduler as processes of their own, hollow nodes, one load generator.

    python -m bench.scheduler [--nodes 1000] [--pods 5000] [--repeat 3] [--case pending] [--profile scheduler|apiserver]

Cases, each over a new cluster:
  pending     all Pods are there when the scheduler starts: from the first binding to the last
  batches     Pods are created meanwhile, in batches of 100, four in flight: from the first create to the last binding
  callers     Pods are created meanwhile by 32 callers, one Pod a call
  decide      the cycle alone, without any process: placements of one class, of twenty classes, and from scratch

The table has Pods a second and CPU µs a Pod of each process; medians of the repeats. etcd runs without fsync. Every case is bounded in
time. Nothing is asserted, and nothing is sent anywhere but to the loopback.
"""

import argparse
import asyncio
import json
import platform
import pstats
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.etcd import EtcdProcess
from bench.processes import ServiceProcess
from scheduler.columns.node_info import compile_node
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodCompiler
from scheduler.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.errors import ApiError
from vaina.kinds import POD

CASE_SECONDS = 120
BATCH, IN_FLIGHT, CALLERS = 100, 4, 32


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table."""

    case: str
    #: Pods bound a second
    rate: float
    seconds: float
    #: CPU µs a Pod
    etcd_us: float
    apiserver_us: float
    scheduler_us: float
    load_us: float
    #: bindings in one call, on average
    batch: float
    scheduler_mb: float
    apiserver_mb: float


def make_node(name: str) -> node_pb2.Node:
    """Return a hollow node: 32 cores, 256 GiB, 110 Pods."""
    node = node_pb2.Node()
    node.metadata.name = name
    node.metadata.labels["kubernetes.io/hostname"] = name
    for amounts in (node.status.capacity, node.status.allocatable):
        amounts["cpu"].string, amounts["memory"].string, amounts["pods"].string = "32", "256Gi", "110"
    node.status.conditions.add(type="Ready", status="True", reason="KubeletReady")
    return node


def make_pod(name: str, cpu: str = "100m") -> pod_pb2.Pod:
    """Return a Pod of about 900 bytes."""
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "default"
    pod.metadata.labels.update({"app": "web", "pod-template-hash": "6d4cf56db6"})
    pod.metadata.annotations["bench"] = "." * 400
    container = pod.spec.containers.add(name="main", image="registry.example/web:1.2.3")
    container.env.add(name="A", value="b" * 200)
    container.resources.requests["cpu"].string = cpu
    container.resources.requests["memory"].string = "500Mi"
    return pod


class Cluster:
    """The three processes and a client. Owned by one task."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.etcd = EtcdProcess("--unsafe-no-fsync", "--quota-backend-bytes=4294967296")
        self.apiserver = ServiceProcess(
            "apiserver", f"--etcd-endpoints={self.etcd.target}", "--log-level=warning",
            profile=Path("/tmp/vaina-bench.prof") if options.profile == "apiserver" else None,
        )  # fmt: skip
        self.scheduler: ServiceProcess | None = None
        self.apiserver.wait_healthy()
        self.client = Clientset(GrpcTransport(self.apiserver.target), timeout=60.0)

    def start_scheduler(self) -> ServiceProcess:
        """Start the scheduler, without waiting."""
        self.scheduler = ServiceProcess(
            "scheduler", f"--apiserver={self.apiserver.target}", "--log-level=warning",
            profile=Path("/tmp/vaina-bench.prof") if self.options.profile == "scheduler" else None,
        )  # fmt: skip
        return self.scheduler

    async def make_nodes(self) -> None:
        """Make the hollow nodes."""
        names = [f"node-{number:05}" for number in range(self.options.nodes)]
        for name in names:
            await self.client.nodes.create(make_node(name))

    async def create(self, first: int, last: int) -> None:
        """Create Pods, in batches, four in flight."""
        starts = iter(range(first, last, BATCH))

        async def caller() -> None:
            for start in starts:
                batch = [make_pod(f"pod-{number:06}") for number in range(start, min(start + BATCH, last))]
                for result in await self.client.pods.create_batch(batch):
                    if isinstance(result, ApiError):
                        raise result

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(caller())

    async def create_alone(self, first: int, last: int) -> None:
        """Create Pods, one a call, by 32 callers."""
        numbers = iter(range(first, last))

        async def caller() -> None:
            for number in numbers:
                await self.client.pods.create(make_pod(f"pod-{number:06}"))

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(caller())

    async def bound(self, count: int, ready: asyncio.Event) -> tuple[float, float]:
        """Return when the first Pod was seen bound, and when so many were. Counts without parsing."""
        request = request_pb2.WatchRequest(field_selector="spec.nodeName!=", send_initial_events=True)
        stream = self.client.transport.stream(POD.method("Watch"), request.SerializeToString())
        seen, start = 0, 0.0
        async with aclosing(stream) as answers:
            async for answer in answers:
                ready.set()
                batch = raw_pb2.RawWatchResponse.FromString(answer)
                new = sum(event.type == "ADDED" for event in batch.events)
                if new and not seen:
                    start = time.perf_counter()
                seen += new
                if seen >= count:
                    return start, time.perf_counter()
        raise RuntimeError("the watch ended")

    def cpu(self) -> tuple[float, float, float, float]:
        """Return the CPU seconds of etcd, apiserver, scheduler and this process."""
        scheduler = self.scheduler.cpu_seconds() if self.scheduler else 0.0
        return self.etcd.cpu_seconds(), self.apiserver.cpu_seconds(), scheduler, time.process_time()

    async def close(self) -> None:
        """End everything."""
        await self.client.close()
        if self.scheduler is not None:
            self.scheduler.close()
        self.apiserver.close()
        self.etcd.close()


@asynccontextmanager
async def cluster(options: argparse.Namespace) -> AsyncIterator[Cluster]:
    """Run a cluster with nodes."""
    made = Cluster(options)
    try:
        await made.make_nodes()
        yield made
    finally:
        await made.close()


async def pending(made: Cluster, count: int) -> Result:
    """All Pods are there when the scheduler starts."""
    await made.create(0, count)
    ready = asyncio.Event()
    watch = asyncio.get_running_loop().create_task(made.bound(count, ready))
    await ready.wait()
    scheduler = made.start_scheduler()
    await asyncio.to_thread(scheduler.wait_healthy)
    # What it cost to start and to list is not counted; a few bindings may be missed.
    before = made.cpu()
    start, end = await watch
    return await result(made, "pending", count, end - start, before)


async def meanwhile(
    made: Cluster, count: int, name: str, create: Callable[[int, int], Awaitable[None]]
) -> Result:
    """Pods are created while the scheduler runs."""
    scheduler = made.start_scheduler()
    await asyncio.to_thread(scheduler.wait_healthy)
    ready = asyncio.Event()
    watch = asyncio.get_running_loop().create_task(made.bound(count, ready))
    await ready.wait()
    before, start = made.cpu(), time.perf_counter()
    await create(0, count)
    _, end = await watch
    return await result(made, name, count, end - start, before)


async def result(
    made: Cluster, case: str, count: int, seconds: float, before: tuple[float, float, float, float]
) -> Result:
    """Make the row. Events and traces, which come after the bindings, are part of the price: wait for them."""
    await asyncio.sleep(1.0)
    used = [(after - was) / count * 1e6 for was, after in zip(before, made.cpu(), strict=True)]
    assert made.scheduler is not None
    calls = made.scheduler.metric("scheduler_bind_batch_size_count")
    return Result(
        case, count / seconds, seconds, used[0], used[1], used[2], used[3],
        count / calls if calls else 0.0, made.scheduler.memory_bytes() / 2**20, made.apiserver.memory_bytes() / 2**20,
    )  # fmt: skip


async def run_case(case: str, options: argparse.Namespace) -> Result:
    """Run one case over a new cluster, bounded in time."""
    async with asyncio.timeout(CASE_SECONDS), cluster(options) as made:
        match case:
            case "pending":
                return await pending(made, options.pods)
            case "batches":
                return await meanwhile(made, options.pods, "batches", made.create)
            case _:
                return await meanwhile(made, options.pods, "callers", made.create_alone)


def decide(options: argparse.Namespace) -> dict[str, float]:
    """Return µs a decision, placing included."""
    compiler, framework = PodCompiler(), Framework(default_profile())
    tie_break = random.Random(1).randrange
    found: dict[str, float] = {}
    for name, classes, count in (("one class", 1, options.pods), ("twenty classes", 20, options.pods)):
        table = NodeTable()
        for number in range(options.nodes):
            table.upsert(compile_node(make_node(f"node-{number:05}")))
        cycles = Cycles(table, framework)
        pods = [compiler.class_of(make_pod("p", f"{100 + number}m").spec) for number in range(classes)]
        with timed(found, name, count):
            for number in range(count):
                pod = pods[number % classes]
                decision = cycles.decide(pod, tie_break)
                assert isinstance(decision, Scheduled)
                table.add_pod(decision.row, pod)
        with timed(found, f"{name}, from scratch", 200):
            for number in range(200):
                schedule_pod(pods[number % classes], table, framework, tie_break=tie_break)
    return found


@contextmanager
def timed(into: dict[str, float], name: str, count: int):  # type: ignore[no-untyped-def]
    """Note the µs of each of `count` things."""
    start = time.perf_counter()
    yield
    into[name] = (time.perf_counter() - start) / count * 1e6


def median(rows: list[Result]) -> Result:
    """Return the row of medians."""
    numbers = {
        field: statistics.median(getattr(row, field) for row in rows)
        for field in Result.__slots__
        if field != "case"
    }
    return Result(rows[0].case, **numbers)


def show(rows: list[Result], decisions: dict[str, float]) -> None:
    """Print the tables."""
    print(
        f"{'case':10}{'Pods/s':>9}{'etcd µs':>9}{'apiserver':>11}{'scheduler':>11}{'load':>7}{'binds/call':>12}"
        f"{'scheduler MB':>14}{'apiserver MB':>14}"
    )
    for row in rows:
        print(
            f"{row.case:10}{row.rate:9,.0f}{row.etcd_us:9.0f}{row.apiserver_us:11.0f}{row.scheduler_us:11.0f}"
            f"{row.load_us:7.0f}{row.batch:12.0f}{row.scheduler_mb:14.0f}{row.apiserver_mb:14.0f}"
        )
    for name, micros in decisions.items():
        print(f"decide, {name}: {micros:.1f} µs")


def main() -> None:
    """Run, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", action="append", choices=["pending", "batches", "callers", "decide"])
    parser.add_argument("--profile", choices=["scheduler", "apiserver"], help="show where its time goes")
    parser.add_argument("--output", type=Path, default=Path("bench/results/scheduler.json"))
    options = parser.parse_args()
    cases = options.case or ["pending", "batches", "callers", "decide"]
    decisions = decide(options) if "decide" in cases else {}
    rows = []
    for case in cases:
        if case != "decide":
            runs = [asyncio.run(run_case(case, options)) for _ in range(options.repeat)]
            rows.append(median(runs))
            if options.profile:
                pstats.Stats("/tmp/vaina-bench.prof").sort_stats("tottime").print_stats(35)
    show(rows, decisions)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(
        json.dumps(
            {
                "bench": "scheduler", "nodes": options.nodes, "pods": options.pods, "repeat": options.repeat,
                "python": platform.python_version(), "machine": platform.machine(),
                "rows": [asdict(row) for row in rows], "decide_us": decisions,
            },
            indent=2,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
