"""PodTopologySpread, by tables: where one more would be too many, and where there are few.

The words are upstream's.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from scheduler.framework.events import ClusterEvent
from scheduler.plugins.pod_topology_spread import (
    NO_LABEL,
    SKEW,
    PodTopologySpread,
    PodTopologySpreadArgs,
    TopologySpreadConstraint,
)
from scheduler.spreading import weight
from tests.unit.scheduler.objects import node, node_info
from tests.unit.scheduler.plugins.topology_world import HOST, ZONE, World, a_pod, selector
from vaina.api.core.v1 import pod_pb2

SYSTEM_ZONE = "topology.kubernetes.io/zone"


def rule(
    key: str = ZONE,
    skew: int = 1,
    *,
    of: str | None = "app=web",
    soft: bool = False,
    least: int = 0,
    affinity: str = "",
    taints: str = "",
    keys: Sequence[str] = (),
) -> pod_pb2.TopologySpreadConstraint:
    """Make a constraint; what is empty or 0 is left out."""
    made = pod_pb2.TopologySpreadConstraint(
        topology_key=key, max_skew=skew, match_label_keys=keys,
        when_unsatisfiable="ScheduleAnyway" if soft else "DoNotSchedule",
    )  # fmt: skip
    if of is not None:
        made.label_selector.CopyFrom(selector(of))
    if least:
        made.min_domains = least
    if affinity:
        made.node_affinity_policy = affinity
    if taints:
        made.node_taints_policy = taints
    return made


def spread(
    *rules: pod_pb2.TopologySpreadConstraint, text: str = "app=web", namespace: str = "default"
) -> pod_pb2.Pod:
    made = a_pod(text, namespace)
    made.spec.topology_spread_constraints.extend(rules)
    return made


def world(counts: Mapping[str, int], *more: str) -> World:
    """Nodes with so many `app=web` each; `more` have none."""
    made = World(*counts, *more)
    for name, count in counts.items():
        made.place(name, a_pod("app=web"), count)
    return made


ABC = {"a1": 2, "a2": 1, "b1": 1, "c1": 0}


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        # zones hold 3, 1, 0
        ([rule()], "a1 a2 b1"),
        ([rule(skew=2)], "a1 a2"),
        ([rule(skew=3)], "a1 a2"),
        ([rule(skew=4)], ""),
        # hosts hold 2, 1, 1, 0
        ([rule(HOST)], "a1 a2 b1"),
        ([rule(HOST, 2)], "a1"),
        ([rule(HOST, 3)], ""),
        # others are counted, or nobody
        ([rule(of="app=db")], ""),
        ([rule(of="")], "a1 a2 b1"),
        ([rule(of=None)], ""),
        ([rule(of="app in (web,db)")], "a1 a2 b1"),
        ([rule(of="!app")], ""),
        # fewer domains than minDomains: the emptiest has none, whatever there is
        ([rule(skew=3, least=3)], "a1 a2"),
        ([rule(skew=4, least=5)], ""),
        ([rule(skew=3, least=5)], "a1 a2"),
        # both must hold
        ([rule(skew=4), rule(HOST, 2)], "a1"),
        ([rule(skew=2), rule(HOST, 3)], "a1 a2"),
        ([rule(skew=2), rule(HOST)], "a1 a2 b1"),
        # soft ones refuse nobody
        ([rule(soft=True)], ""),
        ([rule(soft=True), rule(HOST, 2)], "a1"),
    ],
)
def test_one_more_would_be_too_many(rules: list[pod_pb2.TopologySpreadConstraint], refused: str) -> None:
    found = world(ABC).refusals(PodTopologySpread(), spread(*rules))
    assert found == {name: [SKEW] for name in refused.split()}


def test_the_emptiest_counts_and_not_nothing() -> None:
    made = world({"a1": 3, "b1": 2})
    assert made.refusals(PodTopologySpread(), spread(rule())) == {"a1": [SKEW]}
    assert made.refusals(PodTopologySpread(), spread(rule(skew=2))) == {}
    # Until there are three domains the third is empty.
    assert set(made.refusals(PodTopologySpread(), spread(rule(skew=2, least=3)))) == {"a1", "b1"}


def test_a_pod_that_does_not_count_itself_may_go_further() -> None:
    made = world({"a1": 1, "b1": 0})
    assert set(made.refusals(PodTopologySpread(), spread(rule()))) == {"a1"}
    assert made.refusals(PodTopologySpread(), spread(rule(), text="app=else")) == {}


def test_nodes_without_the_key_are_refused_for_good() -> None:
    made = world({"a1": 0, "b1": 0}, "x")
    assert made.refusals(PodTopologySpread(), spread(rule())) == {"x": [NO_LABEL]}
    nobody = World("x", "y").refusals(PodTopologySpread(), spread(rule()))
    assert nobody == {"x": [NO_LABEL], "y": [NO_LABEL]}


def test_nodes_without_all_keys_are_not_counted() -> None:
    # a2 has a zone and no rack: its Pods do not count for the zone either.
    made = World("a1", "b1", a1={"rack": "1"}, b1={"rack": "2"})
    made.node("a2")
    made.place("a2", a_pod("app=web"), 5)
    assert made.refusals(PodTopologySpread(), spread(rule(), rule("rack", 9))) == {"a2": [NO_LABEL]}
    assert set(made.refusals(PodTopologySpread(), spread(rule()))) == {"a1", "a2"}


def test_who_counts() -> None:
    made = World("a1", "b1")
    made.place("a1", a_pod("app=web", "other"), 3)
    made.place("a1", a_pod("app=web", going=True), 3)
    made.place("a1", a_pod("app=db"), 3)
    assert made.refusals(PodTopologySpread(), spread(rule())) == {}
    made.place("a1", a_pod("app=web,tier=1"))
    assert set(made.refusals(PodTopologySpread(), spread(rule()))) == {"a1"}
    assert made.refusals(PodTopologySpread(), spread(rule(), namespace="third")) == {}


@pytest.mark.parametrize(
    ("text", "keys", "refused"),
    [
        ("app=web,version=1", ["version"], {"a1"}),
        ("app=web,version=2", ["version"], set[str]()),
        ("app=web,version=2", [], {"a1"}),
        # a key that the Pod has no label of is left out
        ("app=web", ["version"], {"a1"}),
        ("app=web,version=1,tier=x", ["version", "tier"], set[str]()),
    ],
)
def test_match_label_keys(text: str, keys: list[str], refused: set[str]) -> None:
    made = World("a1", "b1")
    made.place("a1", a_pod("app=web,version=1"))
    assert set(made.refusals(PodTopologySpread(), spread(rule(keys=keys), text=text))) == refused


@pytest.mark.parametrize(
    ("policies", "refused"),
    [
        # c is empty, and the Pod may not go there: by default it does not count
        ({}, ""),
        ({"affinity": "Honor"}, ""),
        ({"affinity": "Ignore"}, "a1 b1"),
    ],
)
def test_node_affinity_policy(policies: dict[str, Any], refused: str) -> None:
    made = World()
    for name, disk in (("a1", "ssd"), ("b1", "ssd"), ("c1", "hdd")):
        made.node(name, {"disk": disk})
    made.place("a1", a_pod("app=web"))
    made.place("b1", a_pod("app=web"))
    pod = spread(rule(**policies))
    pod.spec.node_selector["disk"] = "ssd"
    found = made.refusals(PodTopologySpread(), pod)
    assert set(found) - {"c1"} == set(refused.split())


@pytest.mark.parametrize(
    ("policies", "tolerates", "refused"),
    [
        # c is empty and tainted: by default it counts
        ({}, False, "a1 b1"),
        ({"taints": "Ignore"}, False, "a1 b1"),
        ({"taints": "Honor"}, False, ""),
        ({"taints": "Honor"}, True, "a1 b1"),
    ],
)
def test_node_taints_policy(policies: dict[str, Any], tolerates: bool, refused: str) -> None:
    made = World("a1", "b1")
    made.node("c1", taints=[("dedicated", "", "NoSchedule")])
    made.place("a1", a_pod("app=web"))
    made.place("b1", a_pod("app=web"))
    pod = spread(rule(**policies))
    if tolerates:
        pod.spec.tolerations.add(key="dedicated", operator="Exists")
    assert set(made.refusals(PodTopologySpread(), pod)) - {"c1"} == set(refused.split())


def test_a_node_that_moves_or_goes_takes_its_pods_with_it() -> None:
    made = world({"a1": 2, "a2": 0, "b1": 0})
    assert set(made.refusals(PodTopologySpread(), spread(rule()))) == {"a1", "a2"}
    made.table.upsert(node_info(node("a1", labels={ZONE: "b", HOST: "a1"})))
    assert set(made.refusals(PodTopologySpread(), spread(rule()))) == {"a1", "b1"}
    made.table.remove("a1")
    assert set(made.refusals(PodTopologySpread(), spread(rule()))) - {""} == set()


@pytest.mark.parametrize(
    ("counts", "rules", "scores"),
    [
        # 100 * (most + fewest - own) // most, of rounded counts times ln(domains + 2), plus maxSkew - 1
        ({"a1": 2, "b1": 1, "c1": 0}, [rule(soft=True)], [0, 33, 100]),
        ({"a1": 0, "b1": 0, "c1": 0}, [rule(soft=True)], [100, 100, 100]),
        ({"a1": 5, "b1": 5, "c1": 5}, [rule(soft=True)], [100, 100, 100]),
        ({"a1": 2, "b1": 1, "c1": 0}, [rule(skew=5, soft=True)], [57, 71, 100]),
        ({"a1": 2, "a2": 0, "b1": 1}, [rule(soft=True)], [33, 33, 100]),
        ({"a1": 2, "a2": 0, "b1": 1}, [rule(HOST, soft=True)], [0, 100, 33]),
        ({"a1": 2, "a2": 0, "b1": 1}, [rule(soft=True), rule(HOST, soft=True)], [50, 100, 100]),
        ({"a1": 2, "b1": 1}, [rule(soft=True, of="app=db")], [100, 100]),
        ({"a1": 2, "b1": 1}, [rule(soft=True, of=None)], [100, 100]),
        ({"a1": 3}, [rule(soft=True)], [100]),
    ],
)
def test_the_fewer_the_better(
    counts: dict[str, int], rules: list[pod_pb2.TopologySpreadConstraint], scores: list[int]
) -> None:
    made, pod = world(counts), spread(*rules)
    found = made.scores(PodTopologySpread(), pod)
    raw = made.raw(PodTopologySpread(), pod)
    assert raw is not None
    expected = _by_hand(counts, rules)
    assert raw == expected
    low, high = min(expected), max(expected)
    assert found == [100 * (high + low - value) // high if high else 100 for value in expected]
    assert found == scores


def _by_hand(counts: dict[str, int], rules: list[pod_pb2.TopologySpreadConstraint]) -> list[int]:
    totals = dict.fromkeys(counts, 0.0)
    for item in rules:
        known = item.HasField("label_selector") and item.label_selector.match_labels["app"] == "web"
        zones = {name[0] for name in counts}
        size = len(counts) if item.topology_key == HOST else len(zones)
        for name in counts:
            there = (
                [name] if item.topology_key == HOST else [other for other in counts if other[0] == name[0]]
            )
            number = sum(counts[other] for other in there) if known else 0
            totals[name] += number * math.log(size + 2) + (item.max_skew - 1)
    return [math.floor(total + 0.5) for total in totals.values()]


def test_hard_rules_score_nothing() -> None:
    assert world(ABC).scores(PodTopologySpread(), spread(rule())) is None
    assert world(ABC).scores(PodTopologySpread(), a_pod()) is None


def test_nodes_without_a_key_get_nothing_and_do_not_count() -> None:
    made = world({"a1": 2, "b1": 1}, "x")
    assert made.scores(PodTopologySpread(), spread(rule(soft=True))) == [33, 100, 0]
    made = World("x", "y")
    assert made.scores(PodTopologySpread(), spread(rule(soft=True))) == [0, 0]


def test_how_much_a_zone_counts_depends_on_the_zones_that_are_feasible() -> None:
    made, pod = world({"a1": 4, "b1": 1, "c1": 2}), spread(rule(soft=True))
    # 4, 1 and 2 times ln 5; without c 4 and 1 times ln 4
    assert made.scores(PodTopologySpread(), pod) == [33, 100, 83]
    scores = made.scores(PodTopologySpread(), pod, [True, True, False])
    assert scores is not None
    assert scores[:2] == [16, 100]


def test_hosts_count_their_own_pods_whether_they_are_eligible_or_not() -> None:
    made = World()
    made.node("a1", {"disk": "ssd"})
    made.node("b1", {"disk": "hdd"})
    made.place("b1", a_pod("app=web"), 2)
    pod = spread(rule(HOST, soft=True))
    pod.spec.node_selector["disk"] = "ssd"
    assert made.scores(PodTopologySpread(), pod) == [100, 0]
    zonal = spread(rule(soft=True))
    zonal.spec.node_selector["disk"] = "ssd"
    assert made.scores(PodTopologySpread(), zonal) == [100, 100]


@pytest.mark.parametrize(("domains", "value"), [(0, math.log(2)), (1, math.log(3)), (5000, math.log(5002))])
def test_weight(domains: int, value: float) -> None:
    assert weight(domains) == value


WEB, DB, GOING = a_pod("app=web"), a_pod("app=db"), a_pod("app=web", going=True)


@pytest.mark.parametrize(
    ("event", "before", "after", "worth"),
    [
        (ClusterEvent.ASSIGNED_POD_ADD, None, WEB, True),
        (ClusterEvent.ASSIGNED_POD_ADD, None, DB, False),
        (ClusterEvent.ASSIGNED_POD_ADD, None, a_pod("app=web", "other"), False),
        (ClusterEvent.ASSIGNED_POD_DELETE, WEB, None, True),
        (ClusterEvent.ASSIGNED_POD_DELETE, DB, None, False),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, WEB, DB, True),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, DB, WEB, True),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, WEB, a_pod("app=web,x=y"), False),
        # on its way out it does not count any more
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, WEB, GOING, True),
    ],
)
def test_what_pods_do_that_is_worth_another_attempt(
    event: ClusterEvent, before: pod_pb2.Pod | None, after: pod_pb2.Pod | None, worth: bool
) -> None:
    compiler = World().compiler
    was, now = (None if item is None else compiler.compile(item) for item in (before, after))
    asked = compiler.compile(spread(rule(), rule(of="app=nobody", key=HOST))).pod_class
    assert PodTopologySpread().hints[event](asked, was, now) is worth


@pytest.mark.parametrize(
    ("event", "before", "after", "worth"),
    [
        (ClusterEvent.NODE_ADD, None, {ZONE: "a"}, True),
        (ClusterEvent.NODE_ADD, None, {}, False),
        (ClusterEvent.NODE_UPDATE_LABEL, {ZONE: "a"}, {ZONE: "b"}, True),
        (ClusterEvent.NODE_UPDATE_LABEL, {ZONE: "a"}, {}, True),
        (ClusterEvent.NODE_UPDATE_LABEL, {}, {ZONE: "a"}, True),
        (ClusterEvent.NODE_UPDATE_LABEL, {ZONE: "a"}, {ZONE: "a", "disk": "ssd"}, False),
        (ClusterEvent.NODE_DELETE, {ZONE: "a"}, None, True),
        (ClusterEvent.NODE_DELETE, {}, None, False),
    ],
)
def test_nodes_that_are_worth_another_attempt(
    event: ClusterEvent, before: dict[str, str] | None, after: dict[str, str] | None, worth: bool
) -> None:
    was, now = (None if found is None else node_info(node("n", labels=found)) for found in (before, after))
    asked = World().compiler.compile(spread(rule())).pod_class
    assert PodTopologySpread().hints[event](asked, was, now) is worth


def test_taints_matter_where_they_are_honoured() -> None:
    hint = PodTopologySpread().hints[ClusterEvent.NODE_UPDATE_TAINT]
    compiler, now = World().compiler, node_info(node("n", labels={ZONE: "a"}))
    assert hint(compiler.compile(spread(rule(taints="Honor"))).pod_class, now, now)
    assert not hint(compiler.compile(spread(rule())).pod_class, now, now)


def owned(
    by: str = "rs-1", *rules: pod_pb2.TopologySpreadConstraint, of: str = "apps/v1 ReplicaSet"
) -> pod_pb2.Pod:
    made = spread(*rules)
    version, kind = of.split()
    made.metadata.owner_references.add(api_version=version, kind=kind, name=by, uid=by, controller=True)
    return made


def replicas(counts: Mapping[str, int], *more: str) -> World:
    made = World(*counts, *more)
    for name, count in counts.items():
        made.place(name, owned(), count)
        # Of another owner, of none, and on its way out: they do not count.
        made.place(name, owned("rs-2"), 2)
        made.place(name, a_pod("app=web"))
    return made


def test_by_default_pods_of_one_owner_are_spread_over_zones_and_hosts() -> None:
    made = replicas({"a1": 2, "a2": 0, "b1": 1})
    rules = [rule(HOST, 3, soft=True), rule(SYSTEM_ZONE, 5, soft=True)]
    for name in ("a1", "a2", "b1"):
        made.node(name, {SYSTEM_ZONE: name[0]})
    host, zone = math.log(3 + 2), math.log(2 + 2)
    raw = [math.floor(hosts * host + 2 + zones * zone + 4 + 0.5) for hosts, zones in ((2, 2), (0, 2), (1, 1))]
    assert made.raw(PodTopologySpread(), owned()) == raw
    assert made.refusals(PodTopologySpread(), owned()) == {}
    # Its own constraints stand instead of them.
    assert made.raw(PodTopologySpread(), owned("rs-1", *rules[:1])) != raw


def test_by_default_a_node_without_a_zone_is_a_host_among_others() -> None:
    made = replicas({"x": 1, "y": 0})
    # One more domain is that of the nodes that have none.
    assert made.raw(PodTopologySpread(), owned()) == [math.floor(math.log(4) + 2 + 0.5), 2]
    assert made.scores(PodTopologySpread(), owned()) == [66, 100]


@pytest.mark.parametrize(
    ("of", "spreads"),
    [
        ("apps/v1 ReplicaSet", True),
        ("apps/v1 StatefulSet", True),
        ("v1 ReplicationController", True),
        ("batch/v1 Job", False),
        ("apps/v1 DaemonSet", False),
        # A kind of somebody else's that is called the same.
        ("example.com/v1 ReplicaSet", False),
        ("v1 ReplicaSet", False),
    ],
)
def test_by_default_pods_of_some_kinds_of_owners_are_spread(of: str, *, spreads: bool) -> None:
    made = World("a1", "b1")
    made.place("a1", owned(of=of), 2)
    assert (made.raw(PodTopologySpread(), owned(of=of)) is not None) is spreads


def test_pods_of_a_job_are_one_class_with_those_of_another() -> None:
    compiler = World().compiler
    shapes = {compiler.compile(owned(by, of="batch/v1 Job")).pod_class.shape for by in ("job-1", "job-2")}
    assert len(shapes) == 1


def test_pods_without_an_owner_have_no_defaults() -> None:
    assert replicas({"a1": 2, "b1": 0}).raw(PodTopologySpread(), a_pod("app=web")) is None


@pytest.mark.parametrize(
    ("args", "refused", "raw"),
    [
        (PodTopologySpreadArgs(defaulting_type="List"), set[str](), None),
        (
            PodTopologySpreadArgs((TopologySpreadConstraint(1, ZONE, "DoNotSchedule"),), "List"),
            {"a1"}, None,
        ),
        (
            PodTopologySpreadArgs((TopologySpreadConstraint(1, ZONE, "ScheduleAnyway"),), "List"),
            set[str](), [3, 0],
        ),
    ],
)  # fmt: skip
def test_defaults_of_the_cluster(
    args: PodTopologySpreadArgs, refused: set[str], raw: list[int] | None
) -> None:
    made, plugin = replicas({"a1": 2, "b1": 0}), PodTopologySpread(args)
    assert set(made.refusals(plugin, owned())) == refused
    assert made.raw(plugin, owned()) == raw


def test_a_pod_of_the_same_owner_that_goes_is_worth_another_attempt() -> None:
    args = PodTopologySpreadArgs((TopologySpreadConstraint(1, ZONE, "DoNotSchedule"),), "List")
    hint, compiler = PodTopologySpread(args).hints[ClusterEvent.ASSIGNED_POD_DELETE], World().compiler
    waiting = compiler.compile(owned()).pod_class
    assert hint(waiting, compiler.compile(owned()), None)
    assert not hint(waiting, compiler.compile(owned("rs-2")), None)
