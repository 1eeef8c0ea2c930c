"""Columns, classes and increments decide as a plain scheduler would, one Pod at a time, whatever happened before."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from scheduler.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler
from scheduler.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.framework.status import Scheduled, Unschedulable
from tests.unit.scheduler.objects import node, pod, term
from tests.unit.scheduler.reference import ReferenceScheduler
from vaina.api.core.v1 import node_pb2, pod_pb2

GPU = "example.com/gpu"
NAMES = [f"n{number}" for number in range(7)]

taints = st.lists(
    st.tuples(
        st.sampled_from(["dedicated", "spot"]), st.sampled_from(["", "a"]),
        st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ), max_size=2,
)  # fmt: skip
labels = st.dictionaries(st.sampled_from(["zone", "size"]), st.sampled_from(["a", "b", "3", "9"]), max_size=2)
nodes = st.builds(
    node, st.sampled_from(NAMES), cpu=st.sampled_from(["0", "1", "2", "3500m"]),
    memory=st.sampled_from(["0", "1Gi", "2Gi", "3Gi"]), pods=st.sampled_from(["2", "5", "110"]), labels=labels,
    taints=taints, unschedulable=st.sampled_from([False, False, False, True]),
    extended=st.one_of(st.none(), st.just({GPU: "2"})),
)  # fmt: skip
terms = st.one_of(
    st.builds(
        lambda key, operator, value: term((key, operator, [value] if operator not in ("Exists", "DoesNotExist") else [])),
        st.sampled_from(["zone", "size", "nowhere"]),
        st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
        st.sampled_from(["3", "5", "9"]),
    ),
    st.builds(lambda names: term(name=names), st.lists(st.sampled_from(NAMES), min_size=1, max_size=2)),
    st.just(term()),
)  # fmt: skip
pods = st.builds(
    pod, st.just("p"),
    st.one_of(
        st.none(),
        st.dictionaries(
            st.sampled_from(["cpu", "memory"]), st.sampled_from(["0", "100m", "500m", "1"]), max_size=2
        ).map(lambda asked: {**asked, **({"memory": "300Mi"} if "memory" in asked else {})}),
        st.just({"cpu": "1", GPU: "1"}), st.just({"cpu": "9"}),
    ),
    selector=st.one_of(st.none(), st.none(), labels), required=st.one_of(st.none(), st.none(), st.lists(terms, max_size=2)),
    preferred=st.lists(st.tuples(st.integers(1, 100), terms), max_size=2),
    tolerations=st.lists(
        st.tuples(
            st.sampled_from(["", "dedicated", "node.kubernetes.io/unschedulable"]), st.sampled_from(["Exists", "Equal"]),
            st.sampled_from(["", "a"]), st.sampled_from(["", "NoSchedule"]),
        ), max_size=2,
    ),
    ports=st.lists(st.tuples(st.sampled_from([80, 81]), st.sampled_from(["", "10.0.0.1"])), max_size=1),
    priority=st.sampled_from([0, 0, 5]),
)  # fmt: skip


@dataclass
class World:
    """Ours and the reference, side by side."""

    cache: Cache = field(default_factory=Cache)
    reference: ReferenceScheduler = field(default_factory=ReferenceScheduler)
    compiler: PodCompiler = field(default_factory=PodCompiler)
    framework: Framework = field(default_factory=lambda: Framework(default_profile()))
    placed: dict[str, tuple[str, pod_pb2.Pod]] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        # Two classes at most are kept, so that being forgotten is tried too.
        self.cycles = Cycles(self.cache.table, self.framework, limit=2)

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


steps = st.lists(
    st.one_of(
        st.tuples(st.just("node"), nodes),
        st.tuples(st.just("drop node"), st.sampled_from(NAMES)),
        st.tuples(st.just("pod"), st.integers(0, 3), st.integers(0, 5)),
        st.tuples(st.just("pod"), st.integers(0, 3), st.integers(0, 5)),
        st.tuples(st.just("pods"), st.integers(0, 3), st.integers(1, 9)),
        st.tuples(st.just("drop pod"), st.integers(0, 50)),
    ),
    min_size=3, max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.lists(nodes, max_size=6), templates=st.lists(pods, min_size=4, max_size=4), steps=steps)
def test_a_class_at_a_time_decides_as_one_pod_at_a_time(
    first: list[node_pb2.Node], templates: list[pod_pb2.Pod], steps: list[tuple[object, ...]]
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
            case ("pod", int() as which, int() as choice):
                world.schedule(templates[which], choice)
            case ("pods", int() as which, int() as count):
                for choice in range(count):
                    world.schedule(templates[which], choice)
            case ("drop pod", int() as choice):
                world.remove_pod(choice)
