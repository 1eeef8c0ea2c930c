"""Columns, classes and increments decide as a plain scheduler would, one Pod at a time, whatever happened
before.
"""

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, example, given, settings

from tests.unit.scheduler.judge import Judge
from tests.unit.scheduler.objects import node, pod, term
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


def drop(judge: Judge, choice: int) -> None:
    """Let a Pod go."""
    if judge.placed:
        judge.remove_pod(sorted(judge.placed)[choice % len(judge.placed)])


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
    judge = Judge(scratch=True)
    for made in first:
        judge.set_node(made)
    for step in steps:
        match step:
            case ("node", node_pb2.Node() as made):
                judge.set_node(made)
            case ("drop node", str() as name):
                judge.remove_node(name)
            case ("pods", int() as which, int() as count):
                for _ in range(count):
                    judge.schedule(templates[which])
            case ("drop pod", int() as choice):
                drop(judge, choice)


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
        st.sampled_from([preferring, preferring, plain, with_port]),
        st.integers(0, 50),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(tight=tight_nodes, moves=moves)
def test_the_next_pod_of_a_class_goes_where_it_would_go_from_scratch(
    tight: list[tuple[str, str, str]], moves: list[pod_pb2.Pod | int]
) -> None:
    judge = Judge(classes=8, scratch=True)
    for number, (cpu, most, zone) in enumerate(tight):
        taint = [("spot", "", "PreferNoSchedule")] if number % 3 == 2 else []
        judge.set_node(node(f"n{number}", cpu=cpu, pods=most, labels={"zone": zone}, taints=taint))
    for move in moves:
        if isinstance(move, int):
            drop(judge, move)
        else:
            judge.schedule(move)
