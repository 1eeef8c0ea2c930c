import random
from dataclasses import dataclass

import pytest

from controller.pods import DELETION_COST, choose_victims
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH

HOUR = 3600.0
NOW = EPOCH + 24 * HOUR


def running(name: str, **kwargs) -> pod_pb2.Pod:
    """A Pod that is as good as any: running, ready for a day, on a node of its own."""
    return make_pod(name, **{"node": f"node-{name}", "phase": "Running", "ready": True, **kwargs})


@dataclass(frozen=True)
class Case:
    name: str
    pods: tuple[pod_pb2.Pod, ...]
    #: in the order in which they go
    want: tuple[str, ...]


CASES = [
    Case(
        "a Pod without a node goes before one that has a node",
        (running("a"), running("b", node="")),
        ("b", "a"),
    ),
    Case(
        "Pending goes before Unknown, Unknown before Running",
        (running("a"), running("b", phase="Unknown"), running("c", phase="Pending")),
        ("c", "b", "a"),
    ),
    Case(
        "what is not ready goes before what is ready", (running("a"), running("b", ready=False)), ("b", "a")
    ),
    Case(
        "the lower deletion cost goes first, and one that cannot be read counts as zero",
        (
            running("a", annotations={DELETION_COST: "5"}),
            running("b", annotations={DELETION_COST: "-3"}),
            running("c", annotations={DELETION_COST: "cheap"}),
        ),
        ("b", "c", "a"),
    ),
    Case(
        "the node with more replicas gives one up first",
        (running("a", node="x"), running("b", node="y"), running("c", node="y")),
        ("b", "c", "a"),
    ),
    Case(
        "what has been ready for a much shorter time goes first",
        (running("a", ready_since=NOW - 20 * HOUR), running("b", ready_since=NOW - 60)),
        ("b", "a"),
    ),
    Case(
        "times of the same power of two are equal, and the uid decides",
        (running("b", ready_since=NOW - 100), running("a", ready_since=NOW - 101)),
        ("a", "b"),
    ),
    Case("more restarts go first", (running("a"), running("b", restarts=4)), ("b", "a")),
    Case("what was made much later goes first", (running("a"), running("b", created=NOW - 60)), ("b", "a")),
    Case(
        "a Pod that is not ready goes before one that is ready and costs less",
        (running("a", ready=False, annotations={DELETION_COST: "9"}), running("b")),
        ("a", "b"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_order(case):
    for pods in (case.pods, case.pods[::-1]):
        for count in range(1, len(pods) + 1):
            chosen = [pod.metadata.name for pod in choose_victims(pods, count, now=NOW)]
            assert sorted(chosen) == sorted(case.want[:count])


def test_replicas_of_siblings_count_for_how_crowded_a_node_is():
    pods = (running("a", node="x"), running("b", node="y"))
    related = (running("c", node="x"), running("a", node="x"))
    assert [pod.metadata.name for pod in choose_victims(pods, 1, now=NOW, related=related)] == ["a"]
    assert [
        pod.metadata.name for pod in choose_victims(pods, 1, now=NOW, related=(running("c", node="y"),))
    ] == ["b"]


@pytest.mark.parametrize("seed", range(20))
def test_those_that_go_are_the_first_of_all_in_order(seed):
    rng = random.Random(seed)
    pods = [
        running(
            f"p{number}", node=rng.choice(("", "n1", "n1", "n2", "n3")), phase=rng.choice(("Running", "Running", "Pending")),
            ready=rng.random() < 0.8, created=NOW - rng.choice((1, 5, HOUR)),
        )
        for number in range(30)
    ]  # fmt: skip
    everyone = choose_victims([*pods, running("last", node="alone")], 30, now=NOW)
    assert {pod.metadata.name for pod in everyone} == {pod.metadata.name for pod in pods}
    for count in (0, 1, 7, 29):
        shuffled = rng.sample([*pods, running("last", node="alone")], 31)
        assert choose_victims(shuffled, count, now=NOW) == everyone[:count]
