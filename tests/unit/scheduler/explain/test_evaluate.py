"""What every plugin says of every node.

The same decision as the cycle's, and all reasons instead of the first.
"""

import random

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.decide.cycle import schedule_pod
from scheduler.explain.evaluate import evaluate
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable
from tests.unit.scheduler.objects import node, pod, pod_class, table, term
from vaina.api.core.v1 import node_pb2, pod_pb2

PROFILE = default_profile()
CPU, MEMORY, TAINT, SELECTOR, CORDON, PORTS = (
    "Insufficient cpu", "Insufficient memory", "node(s) had untolerated taint(s)",
    "node(s) didn't match Pod's node affinity/selector", "node(s) were unschedulable",
    "node(s) didn't have free ports for the requested pod ports",
)  # fmt: skip
TAINTED = [("a", "b", "NoSchedule")]


@pytest.mark.parametrize(
    ("nodes", "asks", "expected"),
    [
        ([node(taints=TAINTED, cpu="1")], pod(requests={"cpu": "2"}), {TAINT: 1, CPU: 1}),
        ([node(unschedulable=True, taints=TAINTED)], pod(), {CORDON: 1, TAINT: 1}),
        ([node(cpu="1", memory="1Gi")], pod(requests={"cpu": "2", "memory": "2Gi"}), {CPU: 1, MEMORY: 1}),
        ([node("a", cpu="1"), node("b", cpu="1")], pod(requests={"cpu": "2"}), {CPU: 2}),
        ([node(labels={"disk": "hdd"}, taints=TAINTED)], pod(selector={"disk": "ssd"}), {SELECTOR: 1, TAINT: 1}),
        ([node("a"), node("b", taints=TAINTED)], pod(), {TAINT: 1}),
        ([node("a"), node("b")], pod(), {}),
        ([node(pods="0", cpu="1")], pod(requests={"cpu": "2"}), {"Too many pods": 1, CPU: 1}),
        ([node()], pod(requests={"example.com/gpu": "1"}), {"Insufficient example.com/gpu": 1}),
        ([node("a"), node("b", cpu="1")], pod(required=[term(name=["b"])], requests={"cpu": "2"}), {SELECTOR: 1, CPU: 1}),
        ([], pod(), {}),
    ],
    ids=[
        "taint-and-cpu", "cordon-and-taint", "cpu-and-memory", "two-nodes", "selector-and-taint", "one-of-two",
        "nothing", "pods-and-cpu", "no-such-resource", "named-node", "no-nodes",
    ],
)  # fmt: skip
def test_all_reasons_of_all_nodes_are_counted(
    nodes: list[node_pb2.Node], asks: pod_pb2.Pod, expected: dict[str, int]
) -> None:
    seen = evaluate(pod_class(asks), table(*nodes), PROFILE)
    assert {reason: count for _, reason, count in seen.reason_counts()} == expected


def test_a_taken_port_is_a_reason_beside_the_others() -> None:
    nodes = table(node("a", cpu="1"))
    nodes.add_pod(0, pod_class(pod("x", ports=[(80, "")])))
    seen = evaluate(pod_class(pod(requests={"cpu": "2"}, ports=[(80, "")])), nodes, PROFILE)
    assert [(plugin, reason) for plugin, reason, _ in seen.reason_counts()] == [
        ("NodePorts", PORTS),
        ("NodeResourcesFit", CPU),
    ]
    assert seen.failing.tolist() == [2]


def test_a_pod_that_is_rejected_as_such_is_rejected_on_every_node_and_the_other_plugins_are_asked_too() -> (
    None
):
    asks = pod(required=[term(("zone", "In", ["a"]), name=["a"]), term(name=["b"])], requests={"cpu": "9"})
    conflict = pod(required=[term(name=[])], requests={"cpu": "9"})
    conflict.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[
        0
    ].CopyFrom(term(name=["a"]))
    extra = conflict.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    extra.node_selector_terms[0].match_fields.add(key="metadata.name", operator="In", values=["b"])
    nodes = table(node("a"), node("b"))
    seen = evaluate(pod_class(conflict), nodes, PROFILE)
    assert ("NodeAffinity", "pod affinity terms conflict", 2) in seen.reason_counts()
    assert ("NodeResourcesFit", CPU, 2) in seen.reason_counts()
    assert seen.message == "0/2 nodes are available: pod affinity terms conflict."
    assert evaluate(pod_class(asks), nodes, PROFILE).failing.tolist() == [2, 1]


def test_scores_are_raw_normalised_and_weighted_and_add_up() -> None:
    nodes = table(
        node("a", taints=[("x", "", "PreferNoSchedule")]),
        node("b", labels={"disk": "ssd"}),
        node("c", cpu="1"),
    )
    asks = pod(requests={"cpu": "2"}, preferred=[(10, term(("disk", "In", ["ssd"])))])
    seen = evaluate(pod_class(asks), nodes, PROFILE)
    by_name = {score.name: score for score in seen.scores}
    assert by_name["TaintToleration"].raw.tolist() == [1, 0, 0]
    assert by_name["TaintToleration"].normalised.tolist() == [0, 100, 0]
    assert by_name["NodeAffinity"].raw.tolist() == [0, 10, 0]
    assert by_name["NodeAffinity"].normalised.tolist() == [0, 100, 0]
    sums = [sum(int(score.normalised[index]) * score.weight for score in seen.scores) for index in range(2)]
    assert seen.total.tolist() == [*sums, -1]
    assert (seen.best(5), seen.ties()) == ([1, 0], [1])


def test_equally_good_nodes_are_ties() -> None:
    seen = evaluate(pod_class(pod(requests={"cpu": "1"})), table(node("a"), node("b"), node("c")), PROFILE)
    assert [seen.name(index) for index in seen.ties()] == ["a", "b", "c"]


def test_room_that_is_kept_for_a_nominated_pod_counts_but_not_against_itself_or_who_is_more_important() -> (
    None
):
    nodes = table(node("a", cpu="2"))
    other = pod_class(pod("other", {"cpu": "2"}, priority=5))
    nodes.nominate(0, other)
    for priority, feasible in ((4, 0), (5, 0), (6, 1)):
        seen = evaluate(pod_class(pod(requests={"cpu": "1"}, priority=priority)), nodes, PROFILE)
        assert seen.feasible == feasible, priority
    assert evaluate(other, nodes, PROFILE, but=other).feasible == 1
    assert nodes.snapshot().requested[0][0] == 0


def random_table(rng: random.Random) -> NodeTable:
    nodes = table(
        *(
            node(
                f"n{number}", cpu=rng.choice(["1", "2", "4"]), memory=rng.choice(["1Gi", "8Gi"]),
                labels={"disk": rng.choice(["ssd", "hdd"]), "zone": rng.choice("abc")},
                taints=rng.choice([[], [], TAINTED, [("p", "", "PreferNoSchedule")]]),
                unschedulable=rng.random() < 0.1,
            )
            for number in range(rng.randrange(1, 12))
        )
    )  # fmt: skip
    for row in range(len(nodes.rows)):
        for _ in range(rng.randrange(3)):
            nodes.add_pod(row, pod_class(pod("x", {"cpu": "500m"}, ports=rng.choice([[], [(80, "")]]))))
    return nodes


def random_pod(rng: random.Random) -> pod_pb2.Pod:
    return pod(
        requests={"cpu": rng.choice(["250m", "1", "3", "9"]), "memory": rng.choice(["1Gi", "2Gi"])},
        selector=rng.choice([None, None, {"disk": "ssd"}]),
        required=rng.choice([None, None, [term(("zone", "NotIn", ["a"]))], [term(name=["n0", "n1"])]]),
        preferred=rng.choice([(), [(5, term(("zone", "In", ["b"])))]]),
        tolerations=rng.choice([(), [("a", "Exists", "", "")]]),
        ports=rng.choice([(), [(80, "")]]),
    )


@pytest.mark.parametrize("seed", range(40))
def test_the_decision_and_its_words_are_the_cycles(seed: int) -> None:
    rng = random.Random(seed)
    nodes, asks = random_table(rng), pod_class(random_pod(rng))
    bare = Framework(Profile("x", filters=PROFILE.filters, scores=PROFILE.scores))
    seen = evaluate(asks, nodes, PROFILE)
    for pick in range(3):
        ties: list[int] = []

        def choose(count: int, pick: int = pick, ties: list[int] = ties) -> int:
            ties.append(count)
            return min(pick, count - 1)

        decision = schedule_pod(asks, nodes, bare, tie_break=choose)
        if isinstance(decision, Unschedulable):
            assert (seen.feasible, seen.message) == (0, decision.message)
            assert {plugin for plugin, _, _ in seen.reason_counts()} >= decision.rejected_by
        else:
            assert isinstance(decision, Scheduled)
            assert seen.message == ""
            assert seen.feasible == decision.feasible
            assert decision.node_name in [seen.name(index) for index in seen.ties()]
            assert len(seen.ties()) == (ties[0] if ties else 1)
