"""What a kubelet costs: Pods beside the runtime's floor, ends, rest, a full node.

    python -m bench.kubelet --apiserver HOST:PORT [--node NAME] [--runtime docker|cri] [--case CASE ...]
        [-n 30] [--output bench/results/kubelet.json]

Cases: `one` and `twenty` (create to Running and deletion, one and 20 at once, interleaved with the floor:
`bench.pod_start`), `exit` (from a container's end, as its runtime tells it, to the status in the API),
`rest-http` and `rest-exec` (a kubelet at rest with 50 Pods and a probe each 10 s), `full` (100 Pods at once).
What is measured goes into the output beside what other cases left there, so that they may run one by one.
Targets are ours; nothing is asserted. Sends to one cluster on this machine only (`make bench-kubelet` brings
one up).
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import pod_start, report
from bench.pod_start import LABEL, NAMESPACE, Samples, make_pod, percentile
from cli.process import own_folder
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.errors import NotFound

REST_PODS, FULL_PODS = 50, 100
PROBE_SECONDS = 10
#: the kernel's clock ticks a second
TICKS = 100
CASES = ("one", "twenty", "exit", "rest-http", "rest-exec", "full")
#: Pods at once: the case's name -> in words, and how many
WIDTHS = {
    "one": ("one at a time", 1),
    "twenty": ("20 at once", 20),
    "full": (f"{FULL_PODS} at once", FULL_PODS),
}
FULL_ROUNDS = 1
#: of a start's p50 over the floor, and of its p50 on containerd in ms
START_RATIO = {"docker": 1.3, "cri": 1.5}
CRI_START_MS = 400.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Where:
    """What is measured."""

    clients: Clientset
    node: str
    runtime: str


async def until(clients: Clientset, accept: Any, seconds: float = 300.0) -> Sequence[pod_pb2.Pod]:
    """Look at the bench's Pods until they are as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            found = (await clients.pods.list(NAMESPACE, label_selector=LABEL)).items
            if accept(found):
                return found
            await asyncio.sleep(0.2)


async def exits(where: Where, count: int) -> list[Figure]:
    """Measure the time from each container's end to the API saying so."""
    clients, loop = where.clients, asyncio.get_running_loop()
    told: dict[str, asyncio.Future[float]] = {}
    synced = asyncio.Event()

    async def watch() -> None:
        async for batch in clients.pods.watch(NAMESPACE, label_selector=LABEL):
            now = time.time()
            synced.set()
            for event in batch.events:
                pod = event.object
                waiting = told.get(pod.metadata.name)
                ended = any(item.state.HasField("terminated") for item in pod.status.container_statuses)
                if ended and waiting is not None and not waiting.done():
                    waiting.set_result(now)

    seconds = []
    async with pod_start.floor(where.node, where.runtime) as below, asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await synced.wait()
        # What a bench that was cut off left there.
        await remove(clients)
        for number in range(count):
            pod = make_pod(f"bench-exit-{number}", where.node)
            pod.spec.restart_policy = "Never"
            told[pod.metadata.name] = loop.create_future()
            await clients.pods.create(pod)
            [running] = await until(
                clients, lambda found: len(found) == 1 and found[0].status.phase == "Running"
            )
            _, _, container = running.status.container_statuses[0].container_id.rpartition("://")
            at = await below.kill(container)
            async with asyncio.timeout(60):
                seconds.append(await told[pod.metadata.name] - at)
            await remove(clients)
        watching.cancel()
    return [
        Figure("exit to status: p50", "ms", 1000 * percentile(seconds, 0.5)),
        Figure("exit to status: p90", "ms", 1000 * percentile(seconds, 0.9)),
        Figure("exit to status: max", "ms", 1000 * max(seconds)),
        Figure("exit to status: n", "", len(seconds)),
    ]


async def remove(clients: Clientset) -> None:
    """Remove the bench's Pods and wait until they are gone."""
    await clients.pods.delete_collection(NAMESPACE, label_selector=LABEL, grace_period_seconds=1)
    await until(clients, lambda found: not found)


async def kubelet_usage(node: str) -> tuple[float, float]:
    """Return the CPU seconds that the node's kubelet has used, and its resident megabytes."""
    script = (
        'for p in /proc/[0-9]*; do if tr "\\0" " " <$p/cmdline 2>/dev/null | grep -q "^python -m kubelet"; then '
        "cut -d' ' -f14,15 $p/stat; grep VmRSS $p/status; fi; done"
    )
    process = await asyncio.create_subprocess_exec(
        "docker", "exec", node, "sh", "-c", script, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    times, memory = out.decode().splitlines()[:2]
    return sum(map(int, times.split())) / TICKS, int(memory.split()[1]) / 1024


async def rest(where: Where, kind: str, seconds: float) -> list[Figure]:
    """Measure a kubelet at rest whose Pods have a probe of a kind each."""
    clients = where.clients
    await remove(clients)
    for number in range(REST_PODS):
        pod = make_pod(f"bench-rest-{number}", where.node)
        main = pod.spec.containers[0]
        del main.command[:]
        main.command.extend(["sh", "-c", "trap 'exit 0' TERM; httpd -p 8080 -h /etc; sleep 86400 & wait"])
        main.readiness_probe.period_seconds = PROBE_SECONDS
        if kind == "exec":
            main.readiness_probe.handler.exec.command.append("true")
        else:
            main.readiness_probe.handler.http_get.path = "/passwd"
            main.readiness_probe.handler.http_get.port.int_val = 8080
        await clients.pods.create(pod)
    await until(clients, lambda found: len(found) == REST_PODS and all(map(_ready, found)))
    await asyncio.sleep(15)
    before, _ = await kubelet_usage(where.node)
    await asyncio.sleep(seconds)
    after, memory = await kubelet_usage(where.node)
    await remove(clients)
    words = f"at rest, {REST_PODS} Pods, {kind} probes each {PROBE_SECONDS} s"
    return [
        Figure(f"{words}: CPU", "% of a core", 100 * (after - before) / seconds),
        Figure(f"{words}: memory", "MB", memory),
    ]


def _ready(pod: pod_pb2.Pod) -> bool:
    return any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions)


def targets(runtime: str, starts: Mapping[str, Any], values: Mapping[str, float]) -> list[report.Target]:
    """Return the targets beside what was measured, as far as it was."""
    found = []
    for words, one in starts.items():
        found.append(
            report.Target(
                f"create to Running, {words}: p50 / floor",
                one["ratio_p50"],
                START_RATIO[runtime],
                at_most=True,
            )
        )
        if words == WIDTHS["one"][0]:
            found.append(
                report.Target("deletion: p50 / floor", one["deletion"]["ratio_p50"], 1.5, at_most=True)
            )
            if runtime == "cri":
                start = one["ours"]["p50_ms"]
                found.append(report.Target("create to Running: p50, ms", start, CRI_START_MS, at_most=True))
    bounds = {
        "exit to status: p50": 150.0,
        f"at rest, {REST_PODS} Pods, http probes each {PROBE_SECONDS} s: CPU": 3.0,
        f"at rest, {REST_PODS} Pods, http probes each {PROBE_SECONDS} s: memory": 120.0,
        f"at rest, {REST_PODS} Pods, exec probes each {PROBE_SECONDS} s: CPU": 3.0,
        f"at rest, {REST_PODS} Pods, exec probes each {PROBE_SECONDS} s: memory": 120.0,
    }
    return found + [
        report.Target(name, values[name], bound, at_most=True)
        for name, bound in bounds.items()
        if name in values
    ]


async def measure(
    where: Where, case: str, count: int, rest_seconds: float
) -> tuple[dict[str, Any], list[Figure]]:
    """Measure one case; return the starts that it has, and its figures."""
    if case == "exit":
        return {}, await exits(where, count)
    if case.startswith("rest-"):
        return {}, await rest(where, case.removeprefix("rest-"), rest_seconds)
    words, width = WIDTHS[case]
    count = FULL_ROUNDS * FULL_PODS if case == "full" else count
    samples: Samples = (
        await pod_start.measure(where.clients, where.node, count, ((words, width),), where.runtime)
    )[words]
    starts = {words: pod_start.summary(samples)}
    print(pod_start.table(starts), flush=True)
    if case != "full":
        return starts, []
    return starts, [
        Figure(f"{words}: the last runs after", "s", max(samples.ours)),
        Figure(f"{words}: the floor's last", "s", max(samples.floor)),
    ]


def merge(
    output: Path, runtime: str, starts: Mapping[str, Any], figures: Sequence[Figure]
) -> tuple[dict[str, Any], list[Figure]]:
    """Return what was measured now together with what the output has of other cases of the same runtime."""
    before = json.loads(output.read_text()) if output.exists() else {}
    if before.get("runtime", runtime) != runtime:
        before = {}
    rows = {row["name"]: Figure(**row) for row in before.get("rows", [])}
    rows |= {figure.name: figure for figure in figures}
    return {**before.get("starts", {}), **starts}, list(rows.values())


async def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="what a kubelet costs")
    parser.add_argument("--apiserver", default="127.0.0.1:6443")
    parser.add_argument(
        "--node", default="vaina-node-1", help="container of the node, which is also its name"
    )
    parser.add_argument("--runtime", choices=tuple(START_RATIO), default="docker")
    parser.add_argument("--case", choices=CASES, action="append", help="may be repeated; all when left out")
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--rest-seconds", type=float, default=60.0)
    parser.add_argument("--output", type=Path, help="bench/results/kubelet.json, or kubelet-cri.json")
    given = parser.parse_args()
    name = "kubelet" if given.runtime == "docker" else f"kubelet-{given.runtime}"
    output = given.output or Path(f"bench/results/{name}.json")
    clients = Clientset(GrpcTransport(given.apiserver, own_folder(os.environ), user_agent="vaina-bench"))
    where = Where(clients, given.node, given.runtime)
    goals: list[report.Target] = []
    try:
        for case in given.case or CASES:
            found = await measure(where, case, given.n, given.rest_seconds)
            starts, figures = merge(output, given.runtime, *found)
            goals = targets(given.runtime, starts, {one.name: one.value for one in figures})
            # After each: who runs out of time has what there is.
            report.write(output, "kubelet", figures, goals, starts=starts, runtime=given.runtime)
            for figure in found[1]:
                print(f"{figure.name:66}{figure.value:10,.2f} {figure.unit}", flush=True)
    except NotFound as error:
        print(f"there is no such node: {error.message}", file=sys.stderr)
        return 1
    finally:
        await clients.close()
    report.show_targets(goals)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
