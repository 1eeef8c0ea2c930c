"""How the apiserver serves watches and lists, what it keeps in memory, and how fast it starts.

One run, all processes on the loopback.

    python -m bench.apiserver_reads [--case fanout] [--seconds 8] [--output bench/results/apiserver_reads.json]

  fanout    one writer, in batches of 10: 500 Pods created a second to 1, 100, 1,000 watchers of everything,
            and 500 statuses reported a second to 1, 100, 1,000, 5,000 of a node each, when all have opened
            their streams: how late events come, events delivered a second, CPU µs of the apiserver per event
            delivered; beside those of everything a server that only sends the same bytes
            (`bench.fanout_floor`): what gRPC itself allows
  lists     10,000 Pods: one list after another and 16 at once: first and last byte, MB/s, what the
            apiserver's memory grows by
  restart   20,000 Pods: from SIGKILL and start to serving, and the resident memory afterwards

etcd runs without fsync. Watchers are processes of their own (`bench.watchers`). Targets are printed with
whether they are met.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc

from bench import fanout_floor, report
from bench.etcd import ROOT, EtcdProcess
from bench.objects import make_pod
from bench.processes import ServiceProcess
from bench.watchers import MARK, node_name
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.channels import OPTIONS
from vaina.kinds import POD

WRITES_A_SECOND, BATCH = 500, 10
#: everything, and by node
FANOUTS: Final = ((1, False), (100, False), (1000, False), (1, True), (100, True), (1000, True), (5000, True))
LISTED, STORED = 10_000, 20_000
AT_ONCE = 16
_CALL_SECONDS: Final = 60.0


def _mark() -> str:
    """Return the time as watchers look for it, and what fills the object up to some 900 bytes."""
    return f"{MARK.decode()}{time.monotonic_ns()}" + "." * 380


class Bench:
    """The processes. Owned by one task."""

    def __init__(self, profile: Path | None = None) -> None:
        self.etcd = EtcdProcess("--quota-backend-bytes=8589934592", "--unsafe-no-fsync")
        self._profile = profile
        self.apiserver = self._start()
        self._channel = grpc.aio.insecure_channel(self.apiserver.target, options=OPTIONS)
        self._number = self._placed = 0

    def _start(self) -> ServiceProcess:
        flags = (f"--etcd-endpoints={self.etcd.target}", "--log-level=warning")
        server = ServiceProcess("apiserver", *flags, profile=self._profile)
        server.wait_healthy()
        return server

    async def restart(self) -> float:
        """Kill the apiserver and start another; return the seconds until it serves."""
        await self._channel.close(None)
        self.apiserver.kill()
        start = time.perf_counter()
        self.apiserver = self._start()
        seconds = time.perf_counter() - start
        self._channel = grpc.aio.insecure_channel(self.apiserver.target, options=OPTIONS)
        return seconds

    async def close(self) -> None:
        """End everything."""
        await self._channel.close(None)
        self.apiserver.close()
        self.etcd.close()

    async def call(self, verb: str, request: Any) -> bytes:
        """Call the Pod service."""
        method: Any = self._channel.unary_unary(POD.method(verb))  # type: ignore[call-arg]  # bytes in and out
        answer: bytes = await method(request.SerializeToString(), timeout=_CALL_SECONDS)
        return answer

    async def create(self, count: int) -> None:
        """Create Pods in one call, marked with the time."""
        batch = raw_pb2.RawCreateBatchRequest()
        for _ in range(count):
            self._number += 1
            pod = make_pod(f"pod-{self._number:07}")
            pod.metadata.annotations["bench"] = _mark()
            batch.requests.add(object=pod.SerializeToString())
        await self._batch("CreateBatch", batch)

    async def place(self, nodes: int) -> None:
        """Create a Pod on each of so many nodes, but a hundred in all.

        Nobody writes one object ten times in a call.
        """
        self._placed = max(nodes, 100)
        for first in range(0, self._placed, 100):
            batch = raw_pb2.RawCreateBatchRequest()
            for number in range(first, min(first + 100, self._placed)):
                pod = make_pod(f"placed-{number:05}")
                pod.spec.node_name = node_name(number % nodes)
                batch.requests.add(object=pod.SerializeToString())
            await self._batch("CreateBatch", batch)

    async def report(self, count: int) -> None:
        """Report the status of so many of the Pods that were placed, one node after the other, in one call,
        marked with the time.

        Creates with a node each would have specs of their own, each of them looked at as a whole: more of
        them the more nodes there are, and nothing of that is the fan-out.
        """
        batch = raw_pb2.RawUpdateBatchRequest()
        for _ in range(count):
            self._number += 1
            pod = make_pod(f"placed-{self._number % self._placed:05}")
            pod.status.message = _mark()
            update = batch.requests.add(object=pod.SerializeToString())
            update.status_mask.paths.append("message")
        await self._batch("UpdateStatusBatch", batch)

    async def _batch(self, verb: str, batch: Any) -> None:
        answer = raw_pb2.RawBatchResponse.FromString(await self.call(verb, batch))
        refused = next((result.error for result in answer.results if result.HasField("error")), None)
        assert refused is None, refused

    async def fill(self, count: int) -> None:
        """Create Pods until there are so many."""
        while self._number < count:
            await self.create(min(100, count - self._number))

    async def empty(self) -> None:
        """Delete all Pods."""
        request = request_pb2.DeleteCollectionRequest(namespace="default", grace_period_seconds=0)
        await self.call("DeleteCollection", request)


async def fanout(bench: Bench, seconds: float) -> tuple[list[report.Row], list[report.Target]]:
    """One writer and many watchers."""
    rows, targets = [], []
    for watchers, by_node in FANOUTS:
        row = await _fan(bench, watchers, by_node, seconds)
        rows.append(row)
        if not by_node:
            rows.append(await fanout_floor.measure(watchers, seconds))
        if (watchers, by_node) == (1000, False):
            targets.append(
                report.Target("1,000 watchers of everything: p99 ms", row.p99_ms, 500, at_most=True)
            )
        await bench.empty()
    return rows, targets


async def _fan(bench: Bench, watchers: int, by_node: bool, seconds: float) -> report.Row:
    if by_node:
        await bench.place(watchers)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.watchers", f"--target={bench.apiserver.target}", f"--watchers={watchers}",
        f"--connections={max(1, watchers // 50)}", *(["--by-node"] if by_node else []),
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    before, start = bench.apiserver.cpu_seconds(), time.perf_counter()
    for number in range(int(seconds * WRITES_A_SECOND / BATCH)):
        await asyncio.sleep(max(0.0, start + number * BATCH / WRITES_A_SECOND - time.perf_counter()))
        await (bench.report(BATCH) if by_node else bench.create(BATCH))
    took = time.perf_counter() - start
    wanted = int(seconds * WRITES_A_SECOND) * (1 if by_node else watchers)
    await asyncio.sleep(2.0)  # what is under way arrives; what does not is missing from the count
    used = bench.apiserver.cpu_seconds() - before
    process.stdin.close()
    found = json.loads(await process.stdout.readline())
    await process.wait()
    what = "a node each" if by_node else "everything"
    lost = "" if found["events"] == wanted else f" ({found['events'] / wanted:.0%} came, {found['cut']} cut)"
    cpu = {
        "apiserver": used / found["events"] * 1e6,
        "watchers": found["cpu_seconds"] / found["events"] * 1e6,
    }
    return report.Row(
        f"{watchers:,} of {what}{lost}", found["events"] / took, found["p50_ms"], found["p99_ms"], cpu
    )


async def lists(bench: Bench, _: float) -> tuple[list[report.Row], list[report.Target]]:
    """Lists of 10,000 Pods, by pages as the server cuts them."""
    await bench.fill(LISTED)
    await _list(bench)
    size, first, last = await _list(bench)
    settled = bench.apiserver.memory_bytes()
    bench.apiserver.reset_peak_memory()
    before, start = bench.apiserver.cpu_seconds(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_list(bench)) for _ in range(AT_ONCE)]
    took = time.perf_counter() - start
    used = bench.apiserver.cpu_seconds() - before
    grown = bench.apiserver.peak_memory_bytes() - settled
    ends = sorted(task.result()[2] for task in tasks)
    rows = [
        report.Row(f"list of {LISTED:,}: first byte", LISTED / last, first * 1e3, first * 1e3),
        report.Row(f"list of {LISTED:,}: last byte ({size / last / 1e6:.0f} MB/s)", LISTED / last, last * 1e3, last * 1e3),
        report.Row(
            f"{AT_ONCE} at once ({AT_ONCE * size / took / 1e6:.0f} MB/s)", AT_ONCE * LISTED / took,
            ends[len(ends) // 2] * 1e3, ends[-1] * 1e3, {"apiserver": used / AT_ONCE / LISTED * 1e6},
        ),
    ]  # fmt: skip
    return rows, [
        report.Target("16 lists at once: memory growth / encoded size", grown / size, 2.0, at_most=True)
    ]


async def _list(bench: Bench) -> tuple[int, float, float]:
    """Return bytes, and seconds to the first page and to the last."""
    request = request_pb2.ListRequest(namespace="default")
    start, size, first = time.perf_counter(), 0, 0.0
    while True:
        answer = await bench.call("List", request)
        size += len(answer)
        first = first or time.perf_counter() - start
        page = raw_pb2.RawList.FromString(answer)
        if not page.metadata.continue_token:
            return size, first, time.perf_counter() - start
        request.continue_token = page.metadata.continue_token


async def restart(bench: Bench, _: float) -> tuple[list[report.Row], list[report.Target]]:
    """Start over a full store."""
    await bench.fill(STORED)
    grown = bench.apiserver.memory_bytes() / 1e6
    seconds = await bench.restart()
    fresh = bench.apiserver.memory_bytes() / 1e6
    rows = [
        report.Row(f"restart with {STORED:,} Pods, to serving", STORED / seconds, seconds * 1e3, seconds * 1e3,
                   {"apiserver": bench.apiserver.cpu_seconds() / STORED * 1e6}),
    ]  # fmt: skip
    return rows, [
        report.Target(f"restart with {STORED:,} Pods: seconds to serving", seconds, 3.0, at_most=True),
        report.Target(f"memory with {STORED:,} Pods, after the restart: MB", fresh, 250, at_most=True),
        report.Target(f"memory with {STORED:,} Pods, after creating them: MB", grown, 250, at_most=True),
    ]


CASES: Final = {"fanout": fanout, "lists": lists, "restart": restart}


@asynccontextmanager
async def running(profile: Path | None) -> AsyncIterator[Bench]:
    """Have the processes while the block lasts."""
    bench = Bench(profile)
    try:
        yield bench
    finally:
        await bench.close()


async def run(options: argparse.Namespace) -> tuple[list[report.Row], list[report.Target]]:
    """Run each case over processes of its own."""
    rows: list[report.Row] = []
    targets: list[report.Target] = []
    for case in options.case or CASES:
        async with running(options.profile) as bench:
            found, wanted = await CASES[case](bench, options.seconds)
        rows += found
        targets += wanted
    return rows, targets


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--seconds", type=float, default=8.0, help="that the writer of a fan-out writes")
    parser.add_argument(
        "--profile", type=Path, help="where cProfile writes what it saw in the last apiserver"
    )
    parser.add_argument("--output", type=Path, default=Path("bench/results/apiserver_reads.json"))
    options = parser.parse_args()
    rows, targets = asyncio.run(run(options))
    report.show(rows, targets)
    report.write(options.output, "apiserver_reads", rows, targets, seconds=options.seconds)


if __name__ == "__main__":
    main()
