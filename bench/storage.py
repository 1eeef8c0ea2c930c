"""How fast storage writes and reads: group commit over a real etcd, and the watch cache before it.

    python -m bench.storage [-n 10000] [--repeat 3] [--output bench/results/storage.json] [--fsync]

Starts an etcd of its own on the loopback (without fsync, so that it is the code that is measured and not a
disk; `--fsync` for the disk as well). Objects are Pods of about 900 bytes. The table has writes a second, p50
and p99 of a write, CPU µs a write of etcd and of this process, and writes per transaction; medians of the
repeats. Nothing is asserted.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aetcd.rpc import rpc_pb2

from apiserver.storage.cacher import Cacher
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import Change, Key, Stored
from apiserver.storage.keys import REGISTRY, range_end
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Selection
from bench import report
from bench.etcd import EtcdProcess
from vaina.api.core.v1 import pod_pb2
from vaina.clock import SystemClock
from vaina.kinds import KINDS
from vaina.objects.selectors import parse_field_selector

PODS = Key("/registry/pods/")
META = ("v1", "Pod")


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table."""

    case: str
    #: operations a second
    rate: float
    p50_ms: float
    p99_ms: float
    etcd_us: float
    python_us: float
    #: writes per transaction
    batch: float


def pod(name: str) -> bytes:
    """Return an encoded Pod of about 900 bytes."""
    message = pod_pb2.Pod()
    message.metadata.name, message.metadata.namespace = name, "default"
    message.metadata.uid = "0b7f1c5e-7a0f-4a4e-9d0f-3f1d2b5c6a7e"
    message.metadata.labels.update({"app": "web", "pod-template-hash": "6d4cf56db6"})
    message.metadata.annotations["bench"] = "." * 400
    message.spec.containers.add(name="main", image="registry.example/web:1.2.3").env.add(
        name="A", value="b" * 200
    )
    message.spec.node_selector["kubernetes.io/os"] = "linux"
    message.spec.scheduler_name, message.spec.restart_policy = "default-scheduler", "Always"
    return message.SerializeToString(deterministic=True)


class Bench:
    """Runs cases over one etcd. Owned by one task."""

    def __init__(self, etcd: EtcdProcess, storage: EtcdStorage, metrics: StorageMetrics) -> None:
        self._etcd, self._storage, self._metrics = etcd, storage, metrics
        self._number = 0

    def name(self) -> Key:
        """Return a new key."""
        self._number += 1
        return Key(f"{PODS}default/pod-{self._number:07}")

    async def measure(
        self, case: str, count: int, in_flight: int, operation: Callable[[], Awaitable[object]]
    ) -> Result:
        """Run `count` operations with so many in flight."""
        times: list[float] = []
        left = iter(range(count))
        batches = self._batches()
        etcd, cpu, start = self._etcd.cpu_seconds(), time.process_time(), time.perf_counter()

        async def caller() -> None:
            for _ in left:
                begun = time.perf_counter()
                await operation()
                times.append(time.perf_counter() - begun)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(caller())
        seconds = time.perf_counter() - start
        cpu, etcd = time.process_time() - cpu, self._etcd.cpu_seconds() - etcd
        sent = self._batches() - batches
        times.sort()
        return Result(
            case, count / seconds, times[count // 2] * 1e3, times[int(count * 0.99)] * 1e3,
            etcd / count * 1e6, cpu / count * 1e6, count / sent if sent else 0.0,
        )  # fmt: skip

    def _batches(self) -> float:
        return next(
            sample.value
            for family in self._metrics.batch_writes.collect()
            for sample in family.samples
            if sample.name.endswith("_count")
        )


async def writes(bench: Bench, storage: EtcdStorage, count: int) -> list[Result]:
    """Creates and updates, alone and with many in flight."""
    data = pod("pod")
    results = []

    async def create() -> Stored:
        return await storage.create(bench.name(), data, META)

    for in_flight, share in ((1, 0.2), (2, 0.2), (32, 1.0), (256, 1.0), (1000, 1.0)):
        results.append(
            await bench.measure(f"create, {in_flight} in flight", int(count * share), in_flight, create)
        )
    stored = list((await storage.list(PODS, limit=count)).items)
    queue = iter(stored)

    async def bind() -> Stored:
        def change(current: Stored) -> Change:
            message = pod_pb2.Pod.FromString(current.data)
            message.spec.node_name = "node-1"
            return Change(message.SerializeToString(deterministic=True))

        item = next(queue)
        return await storage.guaranteed_update(item.key, change, hint=item)

    results.append(await bench.measure("bind by hint, 256 in flight", len(stored), 256, bind))
    return results


async def cached(bench: Bench, storage: EtcdStorage, cacher: Cacher, count: int) -> list[Result]:
    """Reads from the cache, and creates that watchers see."""
    key = (await storage.list(PODS, limit=1)).items[0].key

    async def read() -> Stored | None:
        return await cacher.get(key)

    results = [
        await bench.measure(f"consistent get, {n} in flight", int(count * share), n, read)
        for n, share in ((1, 0.2), (32, 1.0))
    ]
    data = pod("pod")
    seen = 0
    enough = asyncio.Event()

    async def watch(selection: Selection, *, counts: bool) -> None:
        nonlocal seen
        async with aclosing(cacher.watch_selection(selection, after=start)) as batches:
            async for batch in batches:
                if counts:
                    seen += batch.events
                    if seen >= count:
                        enough.set()

    async def create() -> Stored:
        return await cacher.create(bench.name(), data, META)

    start = await cacher.current_version()
    everything = [
        asyncio.get_running_loop().create_task(watch(Selection(PODS), counts=index == 0))
        for index in range(3)
    ]
    nodes = [
        asyncio.get_running_loop().create_task(watch(node(f"node-{index}"), counts=False))
        for index in range(1000)
    ]
    results.append(await bench.measure("create, 256 in flight, 3 + 1000 watchers", count, 256, create))
    await enough.wait()
    for task in (*everything, *nodes):
        task.cancel()
    await asyncio.wait([*everything, *nodes])
    return results


def node(name: str) -> Selection:
    """Return what a kubelet watches."""
    fields = parse_field_selector(f"spec.nodeName={name}")
    return Selection(PODS, fields=fields, index=("spec.nodeName", name))


@asynccontextmanager
async def background(*coroutines: Awaitable[None]) -> AsyncIterator[None]:
    """Run beside the block."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def run_once(count: int, arguments: Sequence[str]) -> list[Result]:
    """Run every case over a new etcd."""
    etcd = EtcdProcess("--quota-backend-bytes=4294967296", *arguments)
    clock, metrics = SystemClock(), StorageMetrics()
    try:
        async with EtcdClient(etcd.target, clock=clock, metrics=metrics) as client:
            storage = EtcdStorage(client, "bench", clock=clock, rng=Random(), metrics=metrics)
            cacher = Cacher(storage, map(resource_of, KINDS), clock=clock, rng=Random(), metrics=metrics)
            bench = Bench(etcd, storage, metrics)
            async with background(storage.run()):
                results = await writes(bench, storage, count)
                await client.txn(
                    rpc_pb2.TxnRequest(
                        success=[
                            rpc_pb2.RequestOp(
                                request_delete_range=rpc_pb2.DeleteRangeRequest(
                                    key=f"{PODS}default/pod-00".encode(), range_end=range_end(REGISTRY)
                                )
                            )
                        ]
                    ),
                    "bench",
                )
                await storage.create(bench.name(), pod("pod"), META)
                async with background(cacher.run()):
                    await cacher.wait_ready()
                    results += await cached(bench, storage, cacher, count)
            return results
    finally:
        etcd.close()


def median(rows: Sequence[Result]) -> Result:
    """Return the row with the medians."""
    values = {
        name: statistics.median(getattr(row, name) for row in rows)
        for name in ("rate", "p50_ms", "p99_ms", "etcd_us", "python_us", "batch")
    }
    return Result(rows[0].case, **values)


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=10_000, help="operations of each case")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--fsync", action="store_true", help="let etcd wait for the disk")
    parser.add_argument("--output", type=Path, default=Path("bench/results/storage.json"))
    options = parser.parse_args()
    arguments = () if options.fsync else ("--unsafe-no-fsync",)
    runs = [asyncio.run(run_once(options.n, arguments)) for _ in range(options.repeat)]
    rows = [median(case) for case in zip(*runs, strict=True)]
    print(f"{'case':44}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'etcd µs':>9}{'python µs':>11}{'batch':>7}")
    for row in rows:
        print(
            f"{row.case:44}{row.rate:10,.0f}{row.p50_ms:9.2f}{row.p99_ms:9.2f}{row.etcd_us:9.0f}"
            f"{row.python_us:11.0f}{row.batch:7.1f}"
        )
    report.write(options.output, "storage", rows, (), n=options.n, repeat=options.repeat, fsync=options.fsync)


if __name__ == "__main__":
    main()
