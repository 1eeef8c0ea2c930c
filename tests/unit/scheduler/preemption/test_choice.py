"""Who has to go, and on which node.

The cases of upstream's TestSelectNodesForPreemption and TestPickOneNodeForPreemption, and more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.preemption.worlds import Cluster, There, nodes
from vaina.api.core.v1 import pod_pb2

SYSTEM = 2_000_001_000


@dataclass(frozen=True)
class Case:
    """Nodes of four cores unless `cpu` says otherwise.

    The Pod that comes asks for `wants` thousandths at priority 10.
    """

    name: str
    there: Mapping[str, Sequence[There]]
    wants: int
    node: str
    victims: tuple[str, ...] = ()
    priority: int = 10
    cpu: str = "4"
    pods: str = "110"
    ports: Sequence[tuple[int, str]] = ()
    #: allowed disruptions of Pods with the label app=<name>
    budgets: Mapping[str, int] = field(default_factory=dict)


def app(name: str, cpu: int, of: str, priority: int = 0, start: int | None = 1) -> There:
    return There(name, cpu, priority, start, {"app": of})


CASES = [
    Case("one goes for one", {"a": [There("x", 3000)]}, 2000, "a", ("x",)),
    Case("only as many as needed go", {"a": [There("x", 1000), There("y", 1000), There("z", 2000)]}, 1000, "a", ("z",)),
    Case("the longest running stays", {"a": [There("old", 2000, start=1), There("new", 2000, start=9)]}, 2000, "a", ("new",)),
    Case("one that was not started goes first", {"a": [There("old", 2000, start=9), There("new", 2000, start=None)]}, 2000, "a", ("new",)),
    Case("the higher priority stays", {"a": [There("low", 2000, 1), There("high", 2000, 5)]}, 2000, "a", ("low",)),
    Case("a higher one goes where lower ones are not enough",
         {"a": [There("low", 1000, 1), There("high", 3000, 5)]}, 2000, "a", ("high",)),
    Case("several go, the most important first", {"a": [There("x", 2000, 1), There("y", 2000, 2)]}, 4000, "a", ("y", "x")),
    Case("none of the same priority", {"a": [There("x", 3000, 10)], "b": [There("y", 3000, 9)]}, 2000, "b", ("y",)),
    Case("none of a higher priority", {"a": [There("x", 3000, 11)]}, 2000, ""),
    Case("a negative priority is lower than none", {"a": [There("x", 3000, -5)]}, 2000, "a", ("x",), priority=0),
    Case("the most important Pods of a cluster have their way", {"a": [There("x", 3000, 1_000_000_000)]}, 2000, "a", ("x",), priority=SYSTEM),
    Case("nobody goes where it would not help", {"a": [There("x", 1000), There("y", 3000, 20)]}, 2000, ""),
    Case("nobody goes where the empty node is too small", {"a": [There("x", 3000)]}, 5000, ""),
    Case("room that is there already is used", {"a": [There("x", 2000)]}, 2000, "a"),
    Case("the number of Pods counts", {"a": [There("x", 10), There("y", 10)]}, 10, "a", ("y",), pods="2"),
    Case("of equals of one start any goes", {"a": [There("x", 2000), There("y", 2000)]}, 2000, "a", ("y",)),
    Case("a port is made free",
         {"a": [There("x", 10, 1, ports=[(80, "")]), There("y", 10, 2, ports=[(81, "")])]}, 10, "a", ("x",), ports=[(80, "")]),
    Case("a port of a more important Pod is not", {"a": [There("x", 10, 20, ports=[(80, "")])]}, 10, "", ports=[(80, "")]),
    # The choice of the node.
    Case("the lowest of the highest priorities", {"a": [There("x", 3000, 5)], "b": [There("y", 3000, 4)]}, 2000, "b", ("y",)),
    Case("the lowest of the highest, though they are more",
         {"a": [There("x", 3000, 5)], "b": [There("y", 1500, 4), There("z", 1500, 4)]}, 3000, "b", ("y", "z")),
    Case("the smallest sum", {"a": [There("x", 1500, 4), There("y", 1500, 4)], "b": [There("v", 1500, 4), There("w", 1500, 3)]},
         3500, "b", ("v", "w")),
    Case("fewer of a negative priority", {"a": [There("x", 1500, -4), There("y", 1500, -4)], "b": [There("z", 3000, -4)]}, 3000, "b", ("z",)),
    Case("fewer at the same highest priority", {"a": [There("x", 1500), There("y", 1500)], "b": [There("z", 3000)]}, 3000, "b", ("z",)),
    Case("the one whose most important victim started last",
         {"a": [There("x", 3000, start=5)], "b": [There("y", 3000, start=7)], "c": [There("z", 3000, start=6)]}, 2000, "b", ("y",)),
    Case("of several victims the first start counts",
         {"a": [There("u", 1500, 1, 3), There("v", 1500, 1, 9)], "b": [There("w", 1500, 1, 4), There("x", 1500, 1, 5)]},
         3000, "b", ("w", "x")),
    Case("only the start of the most important victims counts",
         {"a": [There("u", 1500, 2, 5), There("v", 1500, 1, 1)], "b": [There("w", 1500, 2, 4), There("x", 1500, 1, 4)]},
         3000, "a", ("u", "v")),
    Case("one that was not started is the youngest",
         {"a": [There("x", 3000, start=1000)], "b": [There("y", 3000, start=None)]}, 2000, "b", ("y",)),
    Case("of equal nodes the first", {"a": [There("x", 3000)], "b": [There("y", 3000)]}, 2000, "a", ("x",)),
    Case("a node with room is better than any victim", {"a": [There("x", 3000)], "b": [There("y", 1000)]}, 2000, "b"),
    # Disruption budgets.
    Case("a budget is respected where there is another way",
         {"a": [app("x", 3000, "zk")], "b": [There("y", 3000, 9)]}, 2000, "b", ("y",), budgets={"zk": 0}),
    Case("a budget is broken where there is none", {"a": [app("x", 3000, "zk")]}, 2000, "a", ("x",), budgets={"zk": 0}),
    Case("a budget that allows it does not matter",
         {"a": [app("x", 3000, "zk")], "b": [There("y", 3000, 9)]}, 2000, "a", ("x",), budgets={"zk": 1}),
    Case("whom a budget protects is let back first",
         {"a": [app("x", 2000, "zk", 1), There("y", 2000, 5)]}, 2000, "a", ("y",), budgets={"zk": 0}),
    Case("the second of two is more than is allowed",
         {"a": [app("x", 2000, "zk", 1, 1), app("y", 2000, "zk", 1, 2)], "b": [There("z", 4000, 9)]}, 4000, "b", ("z",), budgets={"zk": 1}),
    Case("fewer broken budgets",
         {"a": [app("u", 1500, "zk"), app("v", 1500, "zk")], "b": [app("w", 1500, "zk", 9), There("x", 1500, 9)]},
         3500, "b", ("w", "x"), budgets={"zk": 0}),
    Case("a budget of others", {"a": [app("x", 3000, "zk")], "b": [There("y", 3000, 9)]}, 2000, "a", ("x",), budgets={"db": 0}),
    Case("two budgets of one Pod are broken together",
         {"a": [There("x", 3000, 0, 1, {"app": "zk", "tier": "zk"})], "b": [There("y", 3000, 9)]}, 2000, "b", ("y",), budgets={"zk": 0}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_who_has_to_go_and_where(case: Case) -> None:
    cluster = Cluster(*nodes(*case.there, cpu=case.cpu, pods=case.pods))
    for name, pods in case.there.items():
        cluster.put(name, *pods)
    for name, allowed in case.budgets.items():
        cluster.budget(allowed, name=name, app=name)
    before = [column.copy() for column in cluster.cache.table.snapshot().requested]
    coming = pod("new", {"cpu": f"{case.wants}m"}, priority=case.priority, ports=case.ports)
    found = cluster.decide(coming)
    assert (found.node, found.victims) == (case.node, case.victims)
    after = cluster.cache.table.snapshot().requested
    assert all((old == new).all() for old, new in zip(before, after, strict=True)), (
        "what was tried was not undone"
    )


def test_a_budget_that_counts_an_eviction_already_is_not_broken_by_it() -> None:
    cluster = Cluster(*nodes("a", "b"))
    cluster.put("a", app("x", 3000, "zk"))
    cluster.put("b", There("y", 3000, 9))
    cluster.budget(0, disrupted=["x"], app="zk")
    assert cluster.decide(pod("new", {"cpu": "2"}, priority=10)).victims == ("x",)


def test_a_budget_that_changes_counts_at_once() -> None:
    cluster = Cluster(*nodes("a", "b"))
    cluster.put("a", app("x", 3000, "zk"))
    cluster.put("b", There("y", 3000, 9))
    coming = pod("new", {"cpu": "2"}, priority=10)
    assert cluster.decide(coming).victims == ("x",)
    cluster.budget(0, app="zk")
    # Something happens, so that what was said before is not said again.
    cluster.put("b", There("z", 1, 20))
    assert cluster.decide(coming).victims == ("y",)


def test_the_search_begins_anywhere_and_looks_at_a_tenth_of_the_nodes_but_at_least_a_hundred() -> None:
    names = [f"n{number:03}" for number in range(150)]
    for offset, wanted in ((0, "n020"), (30, "n110")):
        cluster = Cluster(*nodes(*names), offset=offset)
        for number, name in enumerate(names):
            # Two nodes are better than the others: which is seen depends on where the search begins.
            cluster.put(name, There(f"p{number}", 3000, 1 if number in (20, 110) else 5, start=number))
        assert cluster.decide(pod("new", {"cpu": "2"}, priority=10)).node == wanted


def test_the_next_pod_of_a_class_takes_the_next_best_node() -> None:
    cluster = Cluster(*nodes("a", "b", "c"))
    for number, name in enumerate("abc"):
        cluster.put(name, There(f"x{number}", 3000, 3 - number))
    coming = [cluster.info(pod("new", {"cpu": "3"}, priority=10, uid=f"u{number}")) for number in range(4)]
    seen = []
    for info in coming:
        found = cluster.decide(info.pod)
        seen.append((found.node, found.victims))
        if found.node:
            cluster.cache.nominations.put(info, found.node)
    assert seen == [("c", ("x2",)), ("b", ("x1",)), ("a", ("x0",)), ("", ())]


WORDS = {
    "no victims, and no help": (
        [node("a"), node("b"), node("c"), node("d", cpu="1"), node("e", cpu="1")],
        {name: [There(f"p{name}", 3000, 20)] for name in "abc"},
        "0/5 nodes are available: 5 Insufficient cpu. preemption: 0/5 nodes are available: "
        "2 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod.",
    ),
    "not enough though all went": (
        [node("a"), node("b", taints=[("gpu", "", "NoSchedule")])],
        {"a": [There("p", 1000, 1), There("q", 3000, 20)]},
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: 0/2 nodes are "
        "available: 1 Insufficient cpu, 1 Preemption is not helpful for scheduling.",
    ),
    "victims were found": (
        [node("a")],
        {"a": [There("p", 3000, 1)]},
        "0/1 nodes are available: 1 Insufficient cpu.",
    ),
}


@pytest.mark.parametrize("case", WORDS)
def test_what_is_said(case: str) -> None:
    made, there, words = WORDS[case]
    cluster = Cluster(*made)
    for name, pods in there.items():
        cluster.put(name, *pods)
    assert cluster.decide(pod("new", {"cpu": "2"}, priority=10)).message == words


def test_who_never_preempts_does_not() -> None:
    cluster = Cluster(*nodes("a"))
    cluster.put("a", There("x", 3000, 1))
    coming = pod("new", {"cpu": "2"}, priority=10)
    coming.spec.preemption_policy = "Never"
    found = cluster.decide(coming)
    assert (found.node, found.victims) == ("", ())
    assert found.message == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    )


NOMINATED = [
    ("it waits for those who are ending", [There("x", 3000, 1, ending=True)], "", (), True),
    ("it does not wait for those of its own priority", [There("x", 1000, 10, ending=True), There("y", 3000, 1)], "a", ("y",), False),
    ("it does not wait when nobody is ending", [There("x", 3000, 1)], "a", ("x",), False),
    ("it goes when the node does", [There("x", 1000, 1, ending=True)], "a", (), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("there", "node_name", "victims", "waits"), [case[1:] for case in NOMINATED], ids=[case[0] for case in NOMINATED]
)  # fmt: skip
def test_a_pod_that_has_a_node_in_view(
    there: list[There], node_name: str, victims: tuple[str, ...], waits: bool
) -> None:
    cluster = Cluster(*nodes("a"))
    cluster.put("a", *there)
    found = cluster.decide(pod("new", {"cpu": "2"}, priority=10), in_view="a")
    assert (found.node, found.victims, found.waits) == (node_name, victims, waits)
    if waits:
        assert found.message.endswith(
            "preemption: not eligible due to a terminating pod on the nominated node."
        )


def test_the_node_in_view_is_taken_though_another_is_better() -> None:
    cluster = Cluster(*nodes("a", "b"))
    cluster.put("b", There("x", 1000, 1))
    coming = pod("new", {"cpu": "2"}, priority=10)
    assert cluster.decide(coming).node == "a"
    assert cluster.decide(coming, in_view="b").node == "b"


def test_room_is_kept_against_pods_of_no_higher_priority() -> None:
    for priority, wanted in ((5, "b"), (10, "b"), (11, "a")):
        cluster = Cluster(*nodes("a", "b"))
        cluster.put("b", There("x", 1000, 20))
        cluster.cache.nominations.put(cluster.info(pod("first", {"cpu": "3"}, priority=10, uid="first")), "a")
        assert cluster.decide(pod("new", {"cpu": "2"}, priority=priority)).node == wanted


def test_a_port_is_kept_too() -> None:
    cluster = Cluster(*nodes("a"))
    first = cluster.info(pod("first", {"cpu": "1"}, priority=10, uid="first", ports=[(80, "")]))
    cluster.cache.nominations.put(first, "a")
    other = pod("new", {"cpu": "1"}, priority=5, ports=[(80, "")])
    assert "1 node(s) didn't have free ports" in cluster.decide(other).message
    cluster.cache.nominations.remove("first")
    assert cluster.decide(other).node == "a"


def apart(made: pod_pb2.Pod, key: str) -> pod_pb2.Pod:
    """Let a Pod keep away from those with the label app=zk."""
    term = made.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add()
    term.topology_key = key
    term.label_selector.match_labels["app"] = "zk"
    return made


def test_who_must_not_be_near_goes() -> None:
    cluster = Cluster(node("a", labels={"kubernetes.io/hostname": "a"}))
    cluster.put("a", There("other", 1000), There("x", 1000, 1, labels={"app": "zk"}))
    found = cluster.decide(apart(pod("new", {"cpu": "1"}, priority=10), "kubernetes.io/hostname"))
    assert (found.node, found.victims) == ("a", ("x",))


def test_who_is_in_the_zone_but_not_on_the_node_cannot_be_helped() -> None:
    zoned = [node(name, labels={"zone": "z"}) for name in ("a", "b")]
    cluster = Cluster(*zoned)
    for name in ("a", "b"):
        cluster.put(name, There(f"x{name}", 1000, 1, labels={"app": "zk"}))
    found = cluster.decide(apart(pod("new", {"cpu": "1"}, priority=10), "zone"))
    assert (found.node, found.victims) == ("", ())
    cluster.remove("xb")
    found = cluster.decide(apart(pod("new", {"cpu": "1"}, priority=10), "zone"))
    assert (found.node, found.victims) == ("a", ("xa",))


def test_spreading_makes_room_where_too_many_are() -> None:
    cluster = Cluster(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}, cpu="1"))
    cluster.put("a", There("x1", 500, 1, 1, {"app": "zk"}), There("x2", 500, 1, 2, {"app": "zk"}))
    cluster.put("b", There("big", 1000, 20, 1, {"app": "zk"}))
    coming = pod("new", {"cpu": "500m"}, priority=10)
    coming.metadata.labels["app"] = "zk"
    constraint = coming.spec.topology_spread_constraints.add(
        max_skew=1, topology_key="zone", when_unsatisfiable="DoNotSchedule"
    )
    constraint.label_selector.match_labels["app"] = "zk"
    found = cluster.decide(coming)
    assert (found.node, found.victims) == ("a", ("x2",))
