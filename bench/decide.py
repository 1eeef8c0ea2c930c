"""How long a decision takes, placing included: the cycle alone, in process, with nothing else of the scheduler.

    python -m bench.decide [--nodes 1000 5000 15000 50000] [--pods 1000] [--case "zone spread"] [--output FILE]

A row a case: Pods of one class, each placed before the next is decided, on nodes in three zones. `classes` is
twenty of them in turn, `own class` one for each Pod, `scratch` the first decision of a class. Medians, with
the tenth percentile beside them: on a busy machine that is the truer one. Nothing is asserted.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import report
from scheduler.columns.node_info import compile_node
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodCompiler
from scheduler.decide.ahead import Ahead
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled
from vaina.api.core.v1 import node_pb2, pod_pb2

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
ZONES, CLASSES, WARM = 3, 20, 50

Asks = Callable[[pod_pb2.Pod], None]


def make_node(number: int) -> node_pb2.Node:
    """Return a node of 32 cores, 256 GiB, 110 Pods, in one of three zones."""
    node = node_pb2.Node()
    node.metadata.name = f"node-{number:05}"
    node.metadata.labels[HOST] = node.metadata.name
    node.metadata.labels[ZONE] = f"zone-{number % ZONES}"
    for name, amount in (("cpu", "32"), ("memory", "256Gi"), ("pods", "110")):
        node.status.allocatable[name].string = amount
    return node


def make_pod(cpu: str = "100m") -> pod_pb2.Pod:
    """Return a plain Pod."""
    pod = pod_pb2.Pod()
    pod.metadata.namespace = "default"
    pod.metadata.labels["app"] = "web"
    requests = pod.spec.containers.add(name="main", image="registry.local/web:1").resources.requests
    requests["cpu"].string, requests["memory"].string = cpu, "500Mi"
    return pod


def _spread(key: str, when: str, skew: int) -> Asks:
    def ask(pod: pod_pb2.Pod) -> None:
        added = pod.spec.topology_spread_constraints.add(
            max_skew=skew, topology_key=key, when_unsatisfiable=when
        )
        added.label_selector.match_labels["app"] = "web"

    return ask


def _required(key: str, *, near: bool) -> Asks:
    def ask(pod: pod_pb2.Pod) -> None:
        affinity = pod.spec.affinity
        part = affinity.pod_affinity if near else affinity.pod_anti_affinity
        term = part.required_during_scheduling_ignored_during_execution.add(topology_key=key)
        term.label_selector.match_labels["app"] = "web"

    return ask


def _preferred(key: str, *, near: bool) -> Asks:
    def ask(pod: pod_pb2.Pod) -> None:
        affinity = pod.spec.affinity
        part = affinity.pod_affinity if near else affinity.pod_anti_affinity
        added = part.preferred_during_scheduling_ignored_during_execution.add(weight=1)
        added.pod_affinity_term.topology_key = key
        added.pod_affinity_term.label_selector.match_labels["app"] = "web"

    return ask


def _both(first: Asks, second: Asks) -> Asks:
    def ask(pod: pod_pb2.Pod) -> None:
        first(pod)
        second(pod)

    return ask


HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"
#: what each case's Pods ask besides resources; the skews are those of the reference's own benchmark
CASES: Final[dict[str, Asks]] = {
    "plain": lambda _pod: None,
    "hostname anti-affinity": _required(HOST, near=False),
    "zone affinity": _required(ZONE, near=True),
    "preferred hostname affinity": _preferred(HOST, near=True),
    "preferred hostname anti-affinity": _preferred(HOST, near=False),
    "zone spread": _spread(ZONE, HARD, 5),
    "zone spread, skew 1": _spread(ZONE, HARD, 1),
    "hostname spread": _spread(HOST, HARD, 1),
    "soft zone spread": _spread(ZONE, SOFT, 5),
    "soft zone and hostname spread": _both(_spread(ZONE, SOFT, 5), _spread(HOST, SOFT, 3)),
}


def decide_us(nodes: int, pods: int, cases: Sequence[str] = ()) -> Iterator[tuple[str, float, float]]:
    """Measure. Yields (case, median, tenth percentile) in µs a decision."""
    framework = Framework(default_profile())
    for name, ask in CASES.items():
        if cases and name not in cases:
            continue
        pod = make_pod()
        ask(pod)
        made = PodCompiler().compile(pod).pod_class
        table = _table(nodes)
        # No more than fit where a node takes one.
        yield (name, *_in_turn(table, framework, [made], min(pods, nodes // 2)))
        yield (f"{name}, scratch", *_scratch(table, framework, made))
    for name, count in ((f"{CLASSES} classes", CLASSES), ("own class", pods)):
        if not cases or name in cases:
            compiler = PodCompiler()
            classes = [compiler.compile(make_pod(f"{100 + item}m")).pod_class for item in range(count)]
            yield (name, *_in_turn(_table(nodes), framework, classes, pods))


def _table(nodes: int) -> NodeTable:
    table = NodeTable(capacity=nodes)
    for number in range(nodes):
        table.upsert(compile_node(make_node(number)))
    return table


def _in_turn(
    table: NodeTable, framework: Framework, classes: Sequence[PodClass], pods: int
) -> tuple[float, float]:
    cycles, tie_break = Cycles(table, framework, make_ahead=Ahead), random.Random(1).randrange
    took: list[float] = []
    for number in range(pods + WARM):
        pod = classes[number % len(classes)]
        start = time.perf_counter()
        decision = cycles.decide(pod, tie_break)
        assert isinstance(decision, Scheduled)
        table.add_pod(decision.row, pod)
        took.append(time.perf_counter() - start)
    return _summary(took[WARM:])


def _scratch(table: NodeTable, framework: Framework, pod: PodClass) -> tuple[float, float]:
    tie_break = random.Random(1).randrange
    took: list[float] = []
    for _ in range(WARM):
        start = time.perf_counter()
        schedule_pod(pod, table, framework, tie_break=tie_break)
        took.append(time.perf_counter() - start)
    return _summary(took)


def _summary(took: Sequence[float]) -> tuple[float, float]:
    return statistics.median(took) * 1e6, statistics.quantiles(took, n=10)[0] * 1e6


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 5000, 15000, 50000])
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument(
        "--case", action="append", default=[], choices=[*CASES, f"{CLASSES} classes", "own class"]
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, tuple[float, float]]] = {}
    print(f"{'µs a decision: median (p10)':42}" + "".join(f"{nodes:>18,}" for nodes in options.nodes))
    measured = [list(decide_us(nodes, options.pods, options.case)) for nodes in options.nodes]
    for rows in zip(*measured, strict=True):
        name = rows[0][0]
        found[name] = {str(nodes): (row[1], row[2]) for nodes, row in zip(options.nodes, rows, strict=True)}
        print(f"{name:42}" + "".join(f"{row[1]:10.1f} {f'({row[2]:.1f})':>7}" for row in rows))
    if options.output:
        report.write(options.output, "decide", (), (), us=found)


if __name__ == "__main__":
    main()
