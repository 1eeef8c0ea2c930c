"""What a preemption costs in the scheduler, without any process.

The search, the nomination, and the placement afterwards.

    python -m bench.preemption [--nodes 5000] [--pods 2000] [--output FILE]

Each node (4 cores) holds four Pods of 900m; Pods of a higher priority that ask for 3 cores come one after the
other, so three go for each. Cases: all alike; of twenty classes by turns; each of a class of its own (nothing
is shared). The floor is the placement of plain Pods of one class on as many empty nodes, in the same run. CPU
microseconds a Pod, the first one apart.
"""

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.objects import make_node, make_pod
from scheduler.cache.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.plugins.default_preemption import DefaultPreemption, PreemptionContext

CASES = {"alike": 1, "twenty classes": 20, "all different": 1000}


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table, in CPU microseconds."""

    case: str
    pods: int
    first: float
    #: search and nomination, of the others
    preempt: float
    #: three victims go, and the Pod is placed where it was nominated
    place: float


class World:
    """Nodes full of small Pods."""

    def __init__(self, nodes: int, *, full: bool) -> None:
        self.cache, self.compiler = Cache(), PodCompiler()
        framework = Framework(default_profile())
        rng = random.Random(1)
        for plugin in framework.profile.post_filters:
            if isinstance(plugin, DefaultPreemption):
                plugin.context = PreemptionContext(offset=rng.randrange)
        self.cycles = Cycles(self.cache.table, framework, residents=self.cache.on, make_ahead=Ahead)
        for number in range(nodes):
            node = make_node(f"n{number}")
            node.status.allocatable["cpu"].string = "4"
            self.cache.upsert_node(compile_node(node))
            for place in range(4 if full else 0):
                low = self.pod(f"low-{number}-{place}", "900m")
                self.cache.assume(low, f"n{number}")

    def pod(self, name: str, cpu: str, priority: int = 0) -> PodInfo:
        made = make_pod(name, cpu)
        made.metadata.uid, made.spec.priority = name, priority
        return self.compiler.compile(made)

    def preempt(self, info: PodInfo) -> None:
        decision = self.cycles.decide(info.pod_class, lambda _count: 0)
        assert isinstance(decision, Unschedulable)
        assert len(decision.victims) == 3
        self.cache.nominations.put(info, decision.nominated)

    def place(self, info: PodInfo) -> None:
        lifted = self.cache.nominations.lift(info.uid)
        assert lifted is not None
        low = [pod for pod in self.cache.on(lifted.node_name) if pod.pod_class.priority == 0]
        for victim in low[:3]:
            self.cache.remove(victim.uid)
        decision = self.cycles.decide(info.pod_class, lambda _count: 0, lifted.node_name)
        assert isinstance(decision, Scheduled)
        self.cache.assume(info, decision.node_name)

    def schedule(self, info: PodInfo) -> None:
        decision = self.cycles.decide(info.pod_class, lambda _count: 0)
        assert isinstance(decision, Scheduled)
        self.cache.assume(info, decision.node_name)


def each(act: Callable[[PodInfo], None], pods: list[PodInfo]) -> tuple[float, float]:
    """Return what the first cost, and one of the others on average."""
    began = time.process_time()
    act(pods[0])
    first = time.process_time()
    for info in pods[1:]:
        act(info)
    return (first - began) * 1e6, (time.process_time() - first) * 1e6 / max(len(pods) - 1, 1)


def run(nodes: int, pods: int) -> list[Result]:
    """Measure all cases."""
    results = []
    empty = World(nodes, full=False)
    first, others = each(empty.schedule, [empty.pod(f"plain-{number}", "3") for number in range(pods)])
    results.append(Result("floor: placed without preemption", pods, first, 0.0, others))
    for case, classes in CASES.items():
        world = World(nodes, full=True)
        count = pods if classes < len(CASES) * 100 else min(pods, 200)
        coming = [world.pod(f"high-{number}", f"{3000 - number % classes}m", 10) for number in range(count)]
        first, preempt = each(world.preempt, coming)
        _, place = each(world.place, coming)
        results.append(Result(case, count, first, preempt, place))
    return results


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    results = run(options.nodes, options.pods)
    print(
        f"{'case':34} {'pods':>6} {'first':>10} {'preempt':>9} {'place':>9}   CPU µs, {options.nodes} nodes"
    )
    for row in results:
        print(f"{row.case:34} {row.pods:>6} {row.first:>10.0f} {row.preempt:>9.0f} {row.place:>9.0f}")
    if options.output:
        report.write(options.output, "preemption", results, (), nodes=options.nodes)


if __name__ == "__main__":
    main()
