"""What a kubelet costs: Pods beside the engine's floor, ends, rest, a full node.

    python -m bench.kubelet --apiserver HOST:PORT [--node NAME] [-n 30] [--output bench/results/kubelet.json]

Create to Running and deletion, one and 20 at once, interleaved with the floor (`bench.pod_start`); from a container's end, as its engine tells it, to the status in
the API; what a kubelet at rest takes with 50 Pods and a probe each 10 s; 100 Pods at once. Targets are issue 5's; nothing is asserted. Sends to one cluster on this
machine only (`make bench-kubelet` brings one up).
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import pod_start, report
from bench.pod_start import LABEL, NAMESPACE, Samples, make_pod, percentile
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.errors import NotFound

REST_PODS, FULL_PODS = 50, 100
PROBE_SECONDS = 10
#: the kernel's clock ticks a second
TICKS = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    name: str
    unit: str
    value: float


async def until(clients: Clientset, accept: Any, seconds: float = 300.0) -> Sequence[pod_pb2.Pod]:
    """Look at the bench's Pods until they are as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            found = (await clients.pods.list(NAMESPACE, label_selector=LABEL)).items
            if accept(found):
                return found
            await asyncio.sleep(0.2)


async def exits(clients: Clientset, node: str, count: int) -> list[float]:
    """Return the seconds from each container's end to the API saying so."""
    loop = asyncio.get_running_loop()
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
    async with pod_start.floor(node) as below, asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await synced.wait()
        for number in range(count):
            pod = make_pod(f"bench-exit-{number}", node)
            pod.spec.restart_policy = "Never"
            told[pod.metadata.name] = loop.create_future()
            await clients.pods.create(pod)
            [running] = await until(clients, lambda found: found and found[0].status.phase == "Running")
            _, _, container = running.status.container_statuses[0].container_id.rpartition("://")
            at = await below.kill(container)
            async with asyncio.timeout(60):
                seconds.append(await told[pod.metadata.name] - at)
            await remove(clients)
        watching.cancel()
    return seconds


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


async def rest(clients: Clientset, node: str, kind: str, seconds: float) -> list[Figure]:
    """Measure a kubelet at rest whose Pods have a probe of a kind each."""
    for number in range(REST_PODS):
        pod = make_pod(f"bench-rest-{number}", node)
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
    before, _ = await kubelet_usage(node)
    await asyncio.sleep(seconds)
    after, memory = await kubelet_usage(node)
    await remove(clients)
    words = f"at rest, {REST_PODS} Pods, {kind} probes each {PROBE_SECONDS} s"
    return [
        Figure(f"{words}: CPU", "% of a core", 100 * (after - before) / seconds),
        Figure(f"{words}: memory", "MB", memory),
    ]


def _ready(pod: pod_pb2.Pod) -> bool:
    return any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions)


def targets(starts: dict[str, Any], figures: Sequence[Figure]) -> list[report.Target]:
    """Return issue 5's targets beside what was measured."""
    values = {figure.name: figure.value for figure in figures}
    one, twenty = starts["one at a time"], starts["20 at once"]
    found = [
        report.Target("create to Running, one at a time: p50 / floor", one["ratio_p50"], 1.3, at_most=True),
        report.Target("create to Running, 20 at once: p50 / floor", twenty["ratio_p50"], 1.3, at_most=True),
        report.Target("deletion: p50 / floor", one["deletion"]["ratio_p50"], 1.5, at_most=True),
    ]
    bounds = {
        "exit to status: p50": 150.0,
        f"at rest, {REST_PODS} Pods, http probes each {PROBE_SECONDS} s: CPU": 3.0,
        f"at rest, {REST_PODS} Pods, http probes each {PROBE_SECONDS} s: memory": 120.0,
    }
    return found + [
        report.Target(name, values[name], bound, at_most=True)
        for name, bound in bounds.items()
        if name in values
    ]


async def measure(
    clients: Clientset, node: str, count: int, rest_seconds: float
) -> tuple[dict[str, Any], list[Figure]]:
    """Measure everything, one after the other."""
    starts = {
        words: pod_start.summary(one)
        for words, one in (await pod_start.measure(clients, node, count)).items()
    }
    print(pod_start.table(starts), flush=True)
    seconds = await exits(clients, node, count)
    figures = [
        Figure("exit to status: p50", "ms", 1000 * percentile(seconds, 0.5)),
        Figure("exit to status: p90", "ms", 1000 * percentile(seconds, 0.9)),
    ]
    for kind in ("http", "exec") if rest_seconds else ():
        figures += await rest(clients, node, kind, rest_seconds)
    full = await pod_start.measure(clients, node, 1, ((f"{FULL_PODS} at once", FULL_PODS),))
    samples: Samples = full[f"{FULL_PODS} at once"]
    figures += [
        Figure(f"{FULL_PODS} Pods at once: the last runs after", "s", max(samples.ours)),
        Figure(f"{FULL_PODS} Pods at once: the floor's last", "s", max(samples.floor)),
    ]
    return starts, figures


async def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="what a kubelet costs")
    parser.add_argument("--apiserver", default="127.0.0.1:6443")
    parser.add_argument(
        "--node", default="vaina-node-1", help="container of the node, which is also its name"
    )
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--rest-seconds", type=float, default=60.0, help="0: not measured")
    parser.add_argument("--output", type=Path, default=Path("bench/results/kubelet.json"))
    given = parser.parse_args()
    clients = Clientset(GrpcTransport(given.apiserver, user_agent="vaina-bench"))
    try:
        starts, figures = await measure(clients, given.node, given.n, given.rest_seconds)
    except NotFound as error:
        print(f"there is no such node: {error.message}", file=sys.stderr)
        return 1
    finally:
        await clients.close()
    for figure in figures:
        print(f"{figure.name:66}{figure.value:10,.2f} {figure.unit}")
    goals = targets(starts, figures)
    report.show_targets(goals)
    report.write(given.output, "kubelet", figures, goals, starts=starts)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
