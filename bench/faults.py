"""How fast the scheduler is back after a fault.

Etcd (slow through a proxy), apiserver and scheduler as processes, hollow nodes.

    python -m bench.faults [--nodes 500] [--seconds 20] [--rate 500] [--fault kill|restart|slow|refuse]
        [--output ...]

Pods come at a steady rate, open loop: what is late does not make the next one later. For `--seconds` all is
well, then comes the fault: the scheduler is killed and started again; the apiserver is killed and started
again; etcd answers 100 ms later for ten seconds; one binding in a hundred is refused from then on. The table
has bindings a second before the fault, the seconds until a window of two seconds had nine tenths of that
again, counted from the fault (slow: from its end), and how many Pods were behind at worst. Of a restart it
also says when the apiserver was healthy again, and when the first Pod was created and bound after that:
`steps`. Target: back within 30 s. At the end the history that etcd saw is judged as in the tests. Nothing is
asserted.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.etcd import EtcdProcess
from bench.objects import make_node, make_pod
from bench.processes import ServiceProcess
from tests.support.apiserver_process import ApiserverProcess
from tests.support.proxy import Proxy, proxy_to
from tests.support.scheduling_recorder import SchedulingRecorder
from vaina.client.clientset import Clientset
from vaina.errors import AlreadyExists, ApiError

WINDOW_SECONDS = 2.0
SLOW_SECONDS = 10.0
GIVE_UP_SECONDS = 90.0
FAULTS = ("kill", "restart", "slow", "refuse")
#: violations that are shown; the JSON has all
_TOLD = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One fault."""

    fault: str
    #: bindings a second before it
    before: float
    #: seconds until there were nine tenths of that again; -1: never
    back_after: float
    #: Pods that had come and were not bound, at worst
    behind: int
    pods: int
    #: what happened first after the fault: what -> seconds
    steps: dict[str, float]
    #: what was wrong in the history
    violations: list[str]


class Cluster:
    """The processes, a client, and somebody who writes down what happens."""

    def __init__(self, etcd: EtcdProcess, proxy: Proxy, module: str) -> None:
        self.etcd, self.proxy, self.module = etcd, proxy, module
        self.apiserver = ApiserverProcess(proxy.target)
        self.client: Clientset
        self.recorder: SchedulingRecorder
        self.scheduler: ServiceProcess | None = None
        self.came = 0
        #: whether no more Pods are to come
        self.is_enough = False
        #: when Pods were seen bound: (moment, how many altogether)
        self.seen: list[tuple[float, int]] = []

    def start_scheduler(self) -> ServiceProcess:
        """Start a scheduler, without waiting."""
        self.scheduler = ServiceProcess(
            self.module, f"--apiserver={self.apiserver.target}", "--leader-elect=false", "--log-level=warning"
        )
        return self.scheduler

    async def load(self, rate: float) -> None:
        """Let Pods come until it is enough, twenty times a second.

        Not until cancelled: a call under way would leave Pods that nobody counts.
        """
        began = time.perf_counter()
        while not self.is_enough:
            due = int((time.perf_counter() - began) * rate) - self.came
            if due > 0:
                batch = [
                    make_pod(f"pod-{number:06}") for number in range(self.came, self.came + min(due, 200))
                ]
                try:
                    results = await self.client.pods.create_batch(batch)
                except ApiError as error:
                    results = [error]
                # An answer may have been lost: those that are there are refused the next time, as they must be.
                if any(isinstance(one, ApiError) and not isinstance(one, AlreadyExists) for one in results):
                    await asyncio.sleep(0.2)
                    continue
                self.came += len(batch)
            await asyncio.sleep(0.05)

    async def watch(self) -> None:
        """Note how many are bound, ten times a second."""
        while True:
            self.seen.append((time.perf_counter(), len(self.recorder.bound)))
            await asyncio.sleep(0.1)

    def rate(self, until: float, seconds: float) -> float:
        """Return bindings a second in the seconds until a moment."""
        inside = [count for moment, count in self.seen if until - seconds <= moment <= until]
        return (inside[-1] - inside[0]) / seconds if inside else 0.0

    @property
    def behind(self) -> int:
        """How many Pods have come and are not bound."""
        return self.came - len(self.recorder.bound)


@asynccontextmanager
async def cluster(options: argparse.Namespace, module: str = "scheduler") -> AsyncIterator[Cluster]:
    """Run a cluster with nodes. Args: module: the scheduler's."""
    etcd = EtcdProcess("--unsafe-no-fsync", "--quota-backend-bytes=4294967296")
    try:
        async with proxy_to(int(etcd.target.rpartition(":")[2])) as proxy:
            made = Cluster(etcd, proxy, module)
            try:
                await made.apiserver.start()
                made.client = made.apiserver.client()
                for number in range(options.nodes):
                    await made.client.nodes.create(make_node(f"node-{number:05}"))
                made.recorder = SchedulingRecorder(made.client)
                await asyncio.to_thread(made.start_scheduler().wait_healthy)
                try:
                    yield made
                finally:
                    await made.client.close()
            finally:
                if made.scheduler is not None:
                    made.scheduler.close()
                made.apiserver.close()
    finally:
        etcd.close()


async def strike(made: Cluster, fault: str) -> float:
    """Let a fault happen; returns the moment from which its end is counted."""
    match fault:
        case "kill":
            assert made.scheduler is not None
            made.scheduler.kill()
            made.scheduler.close()
            began = time.perf_counter()
            made.start_scheduler()
        case "restart":
            made.apiserver.kill()
            began = time.perf_counter()
            await asyncio.to_thread(made.apiserver.spawn)
        case "refuse":
            assert made.scheduler is not None
            began = time.perf_counter()
            os.kill(made.scheduler.pid, signal.SIGUSR1)
        case _:
            made.proxy.answers_late_seconds = 0.1
            await asyncio.sleep(SLOW_SECONDS)
            made.proxy.answers_late_seconds = 0.0
            began = time.perf_counter()
    return began


async def measure(fault: str, options: argparse.Namespace) -> Row:
    """Run one fault over a new cluster."""
    module = "bench.refused_scheduler" if fault == "refuse" else "scheduler"
    async with cluster(options, module) as made:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(made.recorder.run()), loop.create_task(made.watch())]
        loading = loop.create_task(made.load(options.rate))
        await asyncio.sleep(options.seconds)
        before = made.rate(time.perf_counter(), options.seconds / 2)
        began = await strike(made, fault)
        back, behind = -1.0, made.behind
        healthy = asyncio.create_task(made.apiserver.wait_healthy())
        came, bound, steps = made.came, len(made.recorder.bound), dict[str, float]()
        while time.perf_counter() - began < GIVE_UP_SECONDS:
            await asyncio.sleep(0.1)
            behind = max(behind, made.behind)
            now = time.perf_counter()
            happened = {
                "healthy": healthy.done(),
                "created": made.came > came,
                "bound": len(made.recorder.bound) > bound,
            }
            steps |= {what: now - began for what, yes in happened.items() if yes and what not in steps}
            if now - began >= WINDOW_SECONDS and made.rate(now, WINDOW_SECONDS) >= 0.9 * before:
                back = now - began
                break
        made.is_enough = True
        healthy.cancel()
        await loading
        try:
            await made.recorder.until(lambda: made.behind <= 0, seconds=60)
            await made.recorder.caught_up()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return Row(
            fault, before, back, behind, made.came, steps, [str(one) for one in made.recorder.violations()]
        )


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0, help="without a fault first")
    parser.add_argument("--rate", type=float, default=500.0, help="Pods a second that come")
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--output", type=Path, default=Path("bench/results/faults.json"))
    options = parser.parse_args()
    rows: list[Row] = []
    print(
        f"{'fault':10}{'before, Pods/s':>16}{'back after, s':>15}{'behind':>9}{'Pods':>8}{'violations':>12}  target: back ≤ 30 s"
    )
    for fault in options.fault or FAULTS:
        one = asyncio.run(measure(fault, options))
        rows.append(one)
        verdict = "met" if 0 <= one.back_after <= 30 else "MISSED"
        print(
            f"{one.fault:10}{one.before:16,.0f}{one.back_after:15.1f}{one.behind:9,}{one.pods:8,}{len(one.violations):12}  {verdict}",
            flush=True,
        )
        if one.fault == "restart":
            print("  " + ", ".join(f"{what} after {seconds:.1f} s" for what, seconds in one.steps.items()))
        for violation in one.violations[:_TOLD]:
            print(f"  {violation}", flush=True)
    report.write(
        options.output, "faults", rows, (), nodes=options.nodes, rate=options.rate, seconds=options.seconds
    )


if __name__ == "__main__":
    main()
