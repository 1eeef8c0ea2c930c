"""Columns, classes and increments decide as a plain scheduler would, one Pod at a time, whatever happened before."""

from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, example, given, settings

from scheduler.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler
from scheduler.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled, Unschedulable
from tests.unit.scheduler.objects import node, pod, term
from tests.unit.scheduler.reference import ReferenceScheduler
from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2

GPU = "example.com/gpu"
NAMES = [f"n{number}" for number in range(7)]


def mostly(usual: Any, strategy: st.SearchStrategy[Any], *, of: int = 4) -> st.SearchStrategy[Any]:
    """Draw the usual value, and something else once in `of` times: most Pods must fit, or nothing is tried."""
    return st.integers(1, of).flatmap(lambda number: strategy if number == of else st.just(usual))


taints = mostly(
    [],
    st.lists(
        st.tuples(
            st.sampled_from(["dedicated", "spot"]),
            st.sampled_from(["", "a"]),
            st.sampled_from(["PreferNoSchedule", "NoSchedule", "NoExecute"]),
        ),
        max_size=2,
    ),
    of=3,
)
labels = st.dictionaries(st.sampled_from(["zone", "size"]), st.sampled_from(["a", "b", "3", "9"]), max_size=2)


def node_named(name: str) -> st.SearchStrategy[node_pb2.Node]:
    return st.builds(
        node,
        st.just(name),
        cpu=mostly("4", st.sampled_from(["0", "1", "2", "3500m", "64"]), of=2),
        memory=mostly("8Gi", st.sampled_from(["0", "1Gi", "3Gi", "100Gi"]), of=2),
        pods=mostly("110", st.sampled_from(["2", "5"])),
        labels=labels,
        taints=taints,
        unschedulable=mostly(False, st.just(True), of=8),
        extended=mostly(None, st.just({GPU: "2"})),
    )


nodes = st.sampled_from(NAMES).flatmap(node_named)
clusters = st.lists(st.sampled_from(NAMES), unique=True, min_size=3).flatmap(
    lambda names: st.tuples(*map(node_named, names))
)


def expression(key: str, operator: str, value: str) -> reference_pb2.NodeSelectorTerm:
    return term((key, operator, [] if operator in ("Exists", "DoesNotExist") else [value]))


terms = st.one_of(
    st.builds(
        expression,
        st.sampled_from(["zone", "size", "nowhere"]),
        st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
        st.sampled_from(["3", "5", "9"]),
    ),
    st.builds(lambda names: term(name=names), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)),
    st.just(term()),
)
requests = mostly(
    {"cpu": "100m", "memory": "300Mi"},
    st.sampled_from(
        [
            None,
            {"cpu": "500m"},
            {"memory": "1Gi"},
            {"cpu": "0", "memory": "0"},
            {"cpu": "1", GPU: "1"},
            {"cpu": "9"},
        ]
    ),
    of=2,
)
pods = st.builds(
    pod,
    st.just("p"),
    requests,
    selector=mostly(None, labels),
    required=mostly(None, st.lists(terms, max_size=2)),
    preferred=mostly([], st.lists(st.tuples(st.integers(1, 100), terms), max_size=3), of=2),
    tolerations=st.lists(
        st.tuples(
            st.sampled_from(["", "dedicated", "node.kubernetes.io/unschedulable"]),
            st.sampled_from(["Exists", "Equal"]),
            st.sampled_from(["", "a"]),
            st.sampled_from(["", "NoSchedule"]),
        ),
        max_size=2,
    ),
    ports=mostly(
        [],
        st.lists(st.tuples(st.sampled_from([80, 81]), st.sampled_from(["", "10.0.0.1"])), max_size=2),
        of=3,
    ),
    priority=mostly(0, st.just(5)),
)


@dataclass
class World:
    """Ours and the reference, side by side."""

    cache: Cache = field(default_factory=Cache)
    reference: ReferenceScheduler = field(default_factory=ReferenceScheduler)
    compiler: PodCompiler = field(default_factory=PodCompiler)
    framework: Framework = field(default_factory=lambda: Framework(default_profile()))
    placed: dict[str, tuple[str, pod_pb2.Pod]] = field(default_factory=dict)
    #: two classes are kept by default, so that being forgotten is tried too
    classes: int = 2
    number: int = 0

    def __post_init__(self) -> None:
        self.cycles = Cycles(self.cache.table, self.framework, limit=self.classes)

    def set_node(self, made: node_pb2.Node) -> None:
        self.cache.upsert_node(compile_node(made))
        self.reference.nodes[made.metadata.name] = made

    def remove_node(self, name: str) -> None:
        if self.reference.nodes.pop(name, None) is not None:
            self.cache.remove_node(name)

    def schedule(self, template: pod_pb2.Pod, choice: int) -> None:
        """Decide in three ways, compare, and place the Pod."""
        self.number += 1
        made = pod_pb2.Pod()
        made.CopyFrom(template)
        made.metadata.name = made.metadata.uid = f"p{self.number}"
        info = self.compiler.compile(made)

        def tie_break(count: int) -> int:
            return choice % count

        decision = self.cycles.decide(info.pod_class, tie_break)
        scratch = schedule_pod(info.pod_class, self.cache.table, self.framework, tie_break=tie_break)
        assert decision == scratch
        verdict = self.reference.decide(made)
        if isinstance(decision, Unschedulable):
            assert verdict.best == set()
            assert decision.message == verdict.message
            assert decision.rejected_by == verdict.rejected_by
            return
        assert isinstance(decision, Scheduled)
        assert decision.node_name in verdict.best
        assert (decision.feasible, decision.evaluated) == (verdict.feasible, len(self.reference.nodes))
        self.cache.assume(info, decision.node_name)
        self.reference.pods.setdefault(decision.node_name, []).append(made)
        self.placed[made.metadata.uid] = (decision.node_name, made)

    def remove_pod(self, choice: int) -> None:
        if self.placed:
            uid = sorted(self.placed)[choice % len(self.placed)]
            name, made = self.placed.pop(uid)
            self.cache.remove(uid)
            self.reference.pods[name].remove(made)


many = st.tuples(st.just("pods"), st.integers(0, 3), st.integers(1, 12))
steps = st.lists(
    st.one_of(
        many, many, many,
        st.tuples(st.just("node"), nodes),
        st.tuples(st.just("drop node"), st.sampled_from(NAMES)),
        st.tuples(st.just("drop pod"), st.integers(0, 50)),
        st.tuples(st.just("drop pod"), st.integers(0, 50)),
    ),
    min_size=5, max_size=20,
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=clusters, templates=st.lists(pods, min_size=4, max_size=4), steps=steps)
@example(first=(), templates=[pod()] * 4, steps=[("pods", 0, 1), ("node", node()), ("pods", 0, 1)])
def test_a_class_at_a_time_decides_as_one_pod_at_a_time(
    first: tuple[node_pb2.Node, ...], templates: list[pod_pb2.Pod], steps: list[tuple[object, ...]]
) -> None:
    world = World()
    for made in first:
        world.set_node(made)
    for step in steps:
        match step:
            case ("node", node_pb2.Node() as made):
                world.set_node(made)
            case ("drop node", str() as name):
                world.remove_node(name)
            case ("pods", int() as which, int() as count):
                for choice in range(count):
                    world.schedule(templates[which], choice)
            case ("drop pod", int() as choice):
                world.remove_pod(choice)


tight_nodes = st.lists(
    st.tuples(st.sampled_from(["3", "4"]), st.sampled_from(["2", "110"]), st.sampled_from(["a", "b", "c"])),
    min_size=2,
    max_size=6,
)
preferring = pod(
    "prefers", {"cpu": "500m", "memory": "1Gi"},
    preferred=[(10, term(("zone", "In", ["a"]))), (7, term(("zone", "In", ["a", "b"])))],
)  # fmt: skip
plain = pod("plain", {"cpu": "500m", "memory": "1Gi"})
with_port = pod("port", {"cpu": "100m"}, ports=[(80, "")])
moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([preferring, preferring, plain, with_port]), st.integers(0, 5)),
        st.integers(0, 50),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(tight=tight_nodes, moves=moves)
def test_the_next_pod_of_a_class_goes_where_it_would_go_from_scratch(
    tight: list[tuple[str, str, str]], moves: list[tuple[pod_pb2.Pod, int] | int]
) -> None:
    world = World(classes=8)
    for number, (cpu, most, zone) in enumerate(tight):
        taint = [("spot", "", "PreferNoSchedule")] if number % 3 == 2 else []
        world.set_node(node(f"n{number}", cpu=cpu, pods=most, labels={"zone": zone}, taints=taint))
    for move in moves:
        if isinstance(move, int):
            world.remove_pod(move)
        else:
            world.schedule(*move)
