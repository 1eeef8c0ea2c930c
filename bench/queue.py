"""What parked Pods cost those that can be scheduled: queue, hints, cache and cycle in process, nothing else.

    python -m bench.queue [--nodes 1000] [--parked 10000] [--pods 10000] [--repeat 3]

A Pod comes, is decided, and its watch event comes back; with churn an older Pod goes for each that comes.
Beside it a number of Pods are parked that fit nowhere. Time is counted as if so many Pods came a second
(--rate), so that back-offs end as they would.

Rows: who is parked and why. The table has CPU µs for each Pod that was placed, attempts of parked Pods among
them, and by how much that is more than with nobody parked. Target: at most a tenth more (rows of few classes;
classes of their own are shown beside).
"""

import argparse
import gc
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.objects import make_node, make_pod
from scheduler.cache.cache import Cache
from scheduler.cache.event_handlers import EventHandlers
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from scheduler.queue.scheduling_queue import SchedulingQueue
from scheduler.queue.unschedulable import screens, with_room
from vaina.api.core.v1 import pod_pb2
from vaina.testing.clock import FakeClock

Make = Callable[[int], pod_pb2.Pod]


@dataclass(frozen=True, slots=True)
class Row:
    """One case: CPU µs for each placed Pod, and what of it is more than with nobody parked."""

    case: str
    churn: bool
    parked: int
    micros: float
    #: attempts of parked Pods for each placed one
    attempts: float
    ratio: float = 1.0


def numbered(pod: pod_pb2.Pod, prefix: str, number: int) -> pod_pb2.Pod:
    """Give a Pod a name and a uid."""
    pod.metadata.name = pod.metadata.uid = f"{prefix}-{number}"
    return pod


def too_large(number: int) -> pod_pb2.Pod:
    """Asks for more CPU than any node has."""
    return make_pod("p", "64")


def full(number: int) -> pod_pb2.Pod:
    """Asks for what a node has when it is empty, which none is."""
    return make_pod("p", "31900m")


def full_of_many(number: int) -> pod_pb2.Pod:
    """The same, each a little different."""
    pod = make_pod("p", "31900m")
    pod.spec.containers[0].resources.requests["memory"].string = f"{500 + number % 1000}Mi"
    return pod


def each_labelled(number: int) -> pod_pb2.Pod:
    """Asks for too much, and has a label of its own, as Pods of Jobs have."""
    pod = make_pod("p", "64")
    pod.metadata.labels["job"] = str(number)
    return pod


def selective(number: int) -> pod_pb2.Pod:
    """Selects a node that is not there, each another."""
    pod = make_pod("p")
    pod.spec.node_selector["rack"] = str(number)
    return pod


def lonely(number: int) -> pod_pb2.Pod:
    """Wants to be beside a Pod that is not there."""
    pod = make_pod("p")
    term = pod.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution.add()
    term.topology_key = "kubernetes.io/hostname"
    term.label_selector.match_labels["app"] = "nobody"
    return pod


CASES: dict[str, Make | None] = {
    "nobody": None,
    "too large, one class": too_large,
    "no room, one class": full,
    "affinity, one class": lonely,
    "too large, labels of its own": each_labelled,
    "selector, classes of its own": selective,
    "no room, a thousand classes": full_of_many,
}
#: the rows that must reach the target
TARGET = ("too large, one class", "no room, one class", "affinity, one class")


class Nobody:
    """Stands for the one who is told of nominations."""

    def observe(self, info: PodInfo) -> None:
        """Nothing."""

    def placed(self, uid: str, node_name: str) -> None:
        """Nothing."""

    def gone(self, uid: str) -> None:
        """Nothing."""

    def room_on(self, node_name: str) -> None:
        """Nothing."""

    def node_gone(self, node_name: str) -> None:
        """Nothing."""


class Bench:
    """A scheduler without its clients."""

    def __init__(self, nodes: int, rate: float) -> None:
        self.framework = Framework(default_profile())
        self.cache, self.clock, self.compiler = Cache(), FakeClock(), PodCompiler()
        self.queue = SchedulingQueue(
            hints=with_room(self.framework.hints, self.cache.table),
            gate=self.framework.gate,
            by_shape=self.framework.that_say("hints_ignore_labels"),
            by_class=self.framework.that_say("hints_read_class_only"),
            screens=screens(self.cache.table),
        )
        self.cycles = Cycles(self.cache.table, self.framework, residents=self.cache.on, make_ahead=Ahead)
        self.handlers = EventHandlers(
            self.cache, self.queue, compiler=self.compiler, clock=self.clock,
            scheduler_names=frozenset({"default-scheduler"}), heard=frozenset(self.framework.hints),
            settle=lambda _uid, _node_name: None, expectant=Nobody(), wake=lambda: None,
        )  # fmt: skip
        self.step = 1.0 / rate
        self.now, self.attempts = 0.0, 0
        self.tie_break = random.Random(1).randrange
        self.there: deque[pod_pb2.Pod] = deque()
        self.handlers.on_nodes([(None, make_node(f"node-{number:05}")) for number in range(nodes)])
        # None is empty: one small Pod on each.
        for number in range(nodes):
            pod = numbered(make_pod("p", "200m"), "first", number)
            pod.spec.node_name = f"node-{number:05}"
            self.handlers.on_pods([(None, pod)])

    def decide(self) -> None:
        """Decide for all Pods that are ready."""
        while (queued := self.queue.pop(now=self.now)) is not None:
            decision = self.cycles.decide(queued.info.pod_class, self.tie_break)
            if not isinstance(decision, Scheduled):
                self.attempts += 1
                self.queue.park(queued, decision.rejected_by, now=self.now)
                continue
            info = queued.info
            self.cache.assume(info, decision.node_name)
            self.queue.delete(info.uid)
            bound = pod_pb2.Pod()
            bound.CopyFrom(info.pod)
            bound.spec.node_name = decision.node_name
            bound.metadata.generation += 1
            self.there.append(bound)
            self.handlers.on_pods([(info.pod, bound)])

    def run(self, pods: int, *, churn: bool) -> float:
        """Let Pods come; returns CPU seconds."""
        made = [numbered(make_pod("p"), "pod", number) for number in range(pods)]
        self.attempts = 0
        began = time.process_time()
        for number, pod in enumerate(made):
            self.now += self.step
            if number % 20 == 0:
                self.queue.advance(self.now)
            self.handlers.on_pods([(None, pod)])
            self.decide()
            if churn and len(self.there) > 500:
                self.handlers.on_pods([(self.there.popleft(), None)])
        return time.process_time() - began


def measure(case: str, options: argparse.Namespace, *, churn: bool) -> Row:
    """Run a case once."""
    bench = Bench(options.nodes, options.rate)
    # The handlers stamp what they bring with the same time.
    bench.clock.monotonic = lambda: bench.now  # type: ignore[method-assign]  # a clock that is moved by hand, without sleepers
    make = CASES[case]
    if make is not None:
        parked = [numbered(make(number), "parked", number) for number in range(options.parked)]
        bench.handlers.on_pods([(None, pod) for pod in parked])
        bench.decide()
        bench.now += 60.0
    # As a service does that has filled its caches: the collector need not walk through what stays.
    gc.collect()
    gc.freeze()
    seconds = bench.run(options.pods, churn=churn)
    gc.unfreeze()
    return Row(
        case,
        churn,
        bench.queue.sizes()["unschedulable"],
        seconds / options.pods * 1e6,
        bench.attempts / options.pods,
    )


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--parked", type=int, default=10_000)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=2_000.0, help="Pods a second that come, for back-offs")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", action="append", choices=[*CASES])
    parser.add_argument("--output", type=Path, default=Path("bench/results/queue.json"))
    options = parser.parse_args()
    rows: list[Row] = []
    print(f"{'parked':34}{'churn':>7}{'µs a Pod':>10}{'attempts':>10}{'ratio':>8}  target ≤ 1.10")
    wanted = ["nobody", *(options.case or [case for case in CASES if case != "nobody"])]
    for churn in (False, True):
        # Each round has its own runs of all cases: others on this machine disturb all of them alike. The
        # least counts.
        runs = [[measure(case, options, churn=churn) for case in wanted] for _ in range(options.repeat)]
        for number, case in enumerate(wanted):
            one = min((run[number] for run in runs), key=lambda row: row.micros)
            base = min(run[0].micros for run in runs)
            one = Row(case, churn, one.parked, one.micros, one.attempts, one.micros / base)
            rows.append(one)
            verdict = ("met" if one.ratio <= 1.10 else "MISSED") if case in TARGET else ""
            print(
                f"{case:34}{'yes' if churn else 'no':>7}{one.micros:10.1f}{one.attempts:10.2f}{one.ratio:8.2f}  {verdict}",
                flush=True,
            )
    report.write(
        options.output,
        "queue",
        rows,
        (),
        nodes=options.nodes,
        parked=options.parked,
        pods=options.pods,
        rate=options.rate,
        repeat=options.repeat,
    )


if __name__ == "__main__":
    main()
