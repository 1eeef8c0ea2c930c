"""How long a Pod takes from create to Running, beside the floor: the same Engine API calls made directly.

    python -m bench.pod_start --apiserver HOST:PORT [--node NAME] [-n 30] [--output bench/results/pod_start.json]

A Pod of one container whose image is there, one at a time and twenty at once, each round followed by a round
of the floor (`bench/floor.py`, run inside a node), so that both meet the same machine. The time of ours is
from the call of Create to the watch event that says Running. The share of each of the seven steps is from the
Pods' traces. Nothing is asserted. Sends to one cluster on this machine only.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.process import own_folder
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import seconds_of
from vaina.errors import NotFound
from vaina.steps import PodStep

#: by runtime
FLOORS = {
    "docker": Path(__file__).with_name("floor.py"),
    "cri": Path(__file__).with_name("floor_cri.py"),
}
NAMESPACE = "default"
IMAGE = "busybox:latest"
#: that of the floor: ends at once when it is asked to
SCRIPT = ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]
LABEL = "bench.vaina.dev/pod-start"
WAIT_SECONDS = 120.0


@dataclass(slots=True)
class Samples:
    """Seconds of each Pod, ours and the floor's, and of each step of ours."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    #: from the call of Delete to the object being gone, and the floor's stop and remove
    ends: list[float] = field(default_factory=list)
    floor_ends: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=lambda: {step.value: [] for step in PodStep})
    gaps: dict[str, list[float]] = field(default_factory=lambda: {step.value: [] for step in PodStep})


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile by the nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else 0.0


class Floor:
    """The other program, inside a node, that makes the engine's calls and nothing else."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    async def pods(self, count: int, samples: Samples | None = None) -> None:
        """Start `count` pairs of containers at once and end them at once, and note the seconds that each
        took.
        """
        answer = await self._ask(f"pods {count}")
        if samples is not None:
            samples.floor += answer["start"]
            samples.floor_ends += answer["end"]

    async def kill(self, container: str) -> float:
        """Kill a container; return when its engine says that it ended, in seconds since the epoch."""
        return float(await self._ask(f"kill {container}"))

    async def _ask(self, line: str) -> Any:
        self._stdin.write(f"{line}\n".encode())
        await self._stdin.drain()
        return json.loads(await self._stdout.readline())


@asynccontextmanager
async def floor(container: str, runtime: str = "docker") -> Any:
    """Run bench/floor.py (or that of CRI) in a node."""
    process = await asyncio.create_subprocess_exec(
        "docker", "exec", "-i", container, "python", "-c", FLOORS[runtime].read_text(), f"/vaina/{container}/floor",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Floor(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def make_pod(name: str, node: str) -> pod_pb2.Pod:
    """Make the Pod that is measured; the scheduler places it, on the floor's node when there is a name."""
    pod = pod_pb2.Pod(
        metadata=meta_pb2.ObjectMeta(name=name, namespace=NAMESPACE, labels={LABEL: "yes"}),
        spec=pod_pb2.PodSpec(
            containers=[
                pod_pb2.Container(name="main", image=IMAGE, image_pull_policy="IfNotPresent", command=SCRIPT)
            ],
            # Not 0: then the object is gone before anything has ended.
            termination_grace_period_seconds=1,
        ),
    )
    if node:
        pod.spec.node_selector["kubernetes.io/hostname"] = node
    return pod


class Bench:
    """Starts Pods and measures them. Owned by one task."""

    def __init__(self, clients: Clientset, node: str) -> None:
        self._clients, self._node = clients, node
        self._running: dict[str, asyncio.Future[float]] = {}
        self._gone: dict[str, asyncio.Future[float]] = {}
        self._number = 0

    async def watch(self, synced: asyncio.Event) -> None:
        """Note when each Pod runs and when it is gone."""
        async for batch in self._clients.pods.watch(NAMESPACE, label_selector=LABEL):
            now = time.monotonic()
            synced.set()
            for event in batch.events:
                name, phase = event.object.metadata.name, event.object.status.phase
                waiting = self._running.get(name)
                if phase == "Running" and waiting is not None and not waiting.done():
                    waiting.set_result(now)
                leaving = self._gone.get(name)
                if event.type == "DELETED" and leaving is not None and not leaving.done():
                    leaving.set_result(now)

    async def round(self, count: int, samples: Samples | None) -> None:
        """Start `count` Pods at once, wait until all run, note their times, and remove them."""
        loop = asyncio.get_running_loop()
        names = [f"bench-{self._number + n}" for n in range(count)]
        self._number += count
        for name in names:
            self._running[name], self._gone[name] = loop.create_future(), loop.create_future()
        begun = time.monotonic()
        made = await asyncio.gather(
            *(self._clients.pods.create(make_pod(name, self._node)) for name in names)
        )
        async with asyncio.timeout(WAIT_SECONDS):
            ended = await asyncio.gather(*(self._running[name] for name in names))
        if samples is not None:
            samples.ours += [at - begun for at in ended]
            for pod in made:
                await self._steps(pod.metadata.uid, samples)
        begun = time.monotonic()
        await asyncio.gather(*(self._clients.pods.delete(name, NAMESPACE) for name in names))
        async with asyncio.timeout(WAIT_SECONDS):
            gone = await asyncio.gather(*(self._gone[name] for name in names))
        if samples is not None:
            samples.ends += [at - begun for at in gone]

    async def _steps(self, uid: str, samples: Samples) -> None:
        """Note how long each step took, and how long the Pod waited before it."""
        async with asyncio.timeout(10):
            while True:
                try:
                    records = list((await self._clients.pod_traces.get(uid, NAMESPACE)).status.steps)
                except NotFound:
                    records = []
                if len(records) == len(PodStep):
                    break
                await asyncio.sleep(0.1)
        before = seconds_of(records[0].start_time)
        for record in records:
            start, end = seconds_of(record.start_time), seconds_of(record.end_time)
            samples.gaps[record.step].append(max(0.0, start - before))
            samples.steps[record.step].append(max(0.0, end - max(start, before)))
            before = max(before, end)


#: Pods at once, in words
WIDTHS = (("one at a time", 1), ("20 at once", 20))


async def measure(
    clients: Clientset,
    node: str,
    count: int,
    widths: Sequence[tuple[str, int]] = WIDTHS,
    runtime: str = "docker",
) -> dict[str, Samples]:
    """Measure so many at once, each round interleaved with the floor.

    A first round of each, of twenty at most, warms up.
    """
    results: dict[str, Samples] = {}
    bench = Bench(clients, node)
    synced = asyncio.Event()
    async with floor(node, runtime) as below, asyncio.TaskGroup() as group:
        watching = group.create_task(bench.watch(synced))
        await synced.wait()
        for words, width in widths:
            samples = results[words] = Samples()
            await bench.round(min(width, 20), None)
            await below.pods(min(width, 20))
            for _ in range(-(-count // width)):
                await bench.round(width, samples)
                await below.pods(width, samples)
            print(f"measured: {words}", file=sys.stderr, flush=True)
        watching.cancel()
    return results


def summary(samples: Samples) -> dict[str, Any]:
    """Return figures in milliseconds, and each step's share of the whole."""

    def figures(values: Sequence[float]) -> dict[str, float]:
        return {
            "n": len(values),
            "p50_ms": round(percentile(values, 0.5) * 1000, 1),
            "p90_ms": round(percentile(values, 0.9) * 1000, 1),
            "max_ms": round(max(values, default=0.0) * 1000, 1),
        }

    whole = sum(sum(values) for values in (*samples.steps.values(), *samples.gaps.values())) or 1.0
    steps = {
        step: {
            "work_ms": round(statistics.median(samples.steps[step] or [0.0]) * 1000, 1),
            "waited_ms": round(statistics.median(samples.gaps[step] or [0.0]) * 1000, 1),
            "share": round((sum(samples.steps[step]) + sum(samples.gaps[step])) / whole, 3),
        }
        for step in samples.steps
    }

    def beside(values: Sequence[float], floor: Sequence[float]) -> dict[str, Any]:
        ours, below = figures(values), figures(floor)
        ratio = round(ours["p50_ms"] / below["p50_ms"], 2) if below["p50_ms"] else None
        return {"ours": ours, "floor": below, "ratio_p50": ratio}

    return {
        **beside(samples.ours, samples.floor),
        "steps": steps,
        "deletion": beside(samples.ends, samples.floor_ends),
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """Write the figures as tables."""
    lines = [
        "| create → Running | n | p50 ms | p90 ms | max ms | p50 / floor |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows = list(results.items())
    rows += [(f"deletion, {words}", one["deletion"]) for words, one in results.items()]
    for words, one in rows:
        for who, ratio in (("ours", one["ratio_p50"]), ("floor", "")):
            f = one[who]
            lines.append(
                f"| {words}, {who} | {f['n']} | {f['p50_ms']} | {f['p90_ms']} | {f['max_ms']} | {ratio} |"
            )
    lines += ["", "| step | " + " | ".join(f"{w}: waited + work ms (share)" for w in results) + " |",
              "| --- |" + " --- |" * len(results)]  # fmt: skip
    for step in PodStep:
        cells = [one["steps"][step.value] for one in results.values()]
        columns = [f"{c['waited_ms']} + {c['work_ms']} ({c['share']:.0%})" for c in cells]
        lines.append(f"| {step.number} {step.value} | {' | '.join(columns)} |")
    return "\n".join(lines)


async def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="create -> Running beside the engine's floor")
    parser.add_argument("--apiserver", default="127.0.0.1:6443")
    parser.add_argument(
        "--node", default="vaina-node-1", help="container of the node, which is also its name"
    )
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path("bench/results/pod_start.json"))
    given = parser.parse_args()
    clients = Clientset(GrpcTransport(given.apiserver, own_folder(os.environ), user_agent="vaina-bench"))
    try:
        results = {
            words: summary(one) for words, one in (await measure(clients, given.node, given.n)).items()
        }
    finally:
        await clients.close()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    given.output.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
