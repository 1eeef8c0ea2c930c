"""InterPodAffinity, by tables: who may go near whom, and who likes to. The words are upstream's."""

from collections.abc import Mapping, Sequence

import pytest

from scheduler.framework.events import ClusterEvent
from scheduler.plugins.inter_pod_affinity import (
    AFFINITY,
    ANTI_AFFINITY,
    EXISTING,
    InterPodAffinity,
    InterPodAffinityArgs,
)
from tests.unit.scheduler.objects import node, node_info
from tests.unit.scheduler.plugins.topology_world import HOST, ZONE, World, a_pod, selector
from vaina.api.core.v1 import pod_pb2

#: (selector of labels or None, topology key, namespaces, selector of namespaces or None)
Term = tuple[str | None, str, Sequence[str], str | None]


def of(text: str | None, key: str = ZONE, namespaces: Sequence[str] = (), where: str | None = None) -> Term:
    return (text, key, namespaces, where)


def fill(made: pod_pb2.PodAffinityTerm, term: Term) -> None:
    text, key, namespaces, where = term
    made.topology_key = key
    made.namespaces.extend(namespaces)
    if text is not None:
        made.label_selector.CopyFrom(selector(text))
    if where is not None:
        made.namespace_selector.CopyFrom(selector(where))


def wants(
    made: pod_pb2.Pod,
    *,
    near: Sequence[Term] = (),
    away: Sequence[Term] = (),
    likes: Sequence[tuple[int, Term]] = (),
    dislikes: Sequence[tuple[int, Term]] = (),
) -> pod_pb2.Pod:
    together, apart = made.spec.affinity.pod_affinity, made.spec.affinity.pod_anti_affinity
    for term in near:
        fill(together.required_during_scheduling_ignored_during_execution.add(), term)
    for term in away:
        fill(apart.required_during_scheduling_ignored_during_execution.add(), term)
    for weight, term in likes:
        preferred = together.preferred_during_scheduling_ignored_during_execution.add(weight=weight)
        fill(preferred.pod_affinity_term, term)
    for weight, term in dislikes:
        preferred = apart.preferred_during_scheduling_ignored_during_execution.add(weight=weight)
        fill(preferred.pod_affinity_term, term)
    return made


def world() -> World:
    """Zones a (a1, a2) and b (b1), x in no zone. On a1 a db, on b1 a web of another namespace."""
    made = World("a1", "a2", "b1", "x")
    made.table.set_namespace("default", {"team": "red"})
    made.table.set_namespace("other", {"team": "blue"})
    made.place("a1", a_pod("app=db,tier=1"))
    made.place("b1", a_pod("app=web,tier=2", "other"))
    return made


EVERYWHERE = ["a1", "a2", "b1", "x"]


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        # by selector
        ([of("app=db")], ["a1", "a2"]),
        ([of("app=db", HOST)], ["a1"]),
        ([of("app in (db,cache)")], ["a1", "a2"]),
        ([of("app")], ["a1", "a2"]),
        ([of("tier=1,app=db")], ["a1", "a2"]),
        ([of("app=db,tier=2")], []),
        ([of("")], ["a1", "a2"]),
        ([of("app=nobody")], []),
        ([of("!app")], []),
        # which nobody fulfils but the Pod itself: the first of its group
        ([of("app notin (db)")], ["a1", "a2", "b1"]),
        ([of("tier!=2")], ["a1", "a2"]),
        # no selector of labels means nobody
        ([of(None)], []),
        # by namespace
        ([of("app=web", namespaces=["other"])], ["b1"]),
        ([of("app=web", namespaces=["default"])], []),
        ([of("app", namespaces=["default", "other"])], ["a1", "a2", "b1"]),
        ([of("app=web", where="")], ["b1"]),
        ([of("app=web", where="team=blue")], ["b1"]),
        ([of("app=db", where="team=blue")], []),
        ([of("app", where="team=blue", namespaces=["default"])], ["a1", "a2", "b1"]),
        ([of("app", where="team in (red,blue)")], ["a1", "a2", "b1"]),
        ([of("app", where="team=green")], []),
        # several terms: one Pod must be meant by all of them, and each key counts
        ([of("app=db"), of("tier=1", HOST)], ["a1"]),
        ([of("app=db"), of("tier=2")], []),
        ([of("app=db", HOST), of("app=db", ZONE)], ["a1"]),
        # nodes without the label
        ([of("app=db", "rack")], []),
    ],
)
def test_required_affinity(terms: list[Term], fits: list[str]) -> None:
    refused = world().refusals(InterPodAffinity(), wants(a_pod("app=new"), near=terms))
    assert refused == {name: [AFFINITY] for name in EVERYWHERE if name not in fits}


@pytest.mark.parametrize(
    ("own", "terms", "fits"),
    [
        # nobody is there yet: anywhere with the label
        ("app=new", [of("app=new")], ["a1", "a2", "b1"]),
        ("app=new", [of("app=new", HOST)], EVERYWHERE),
        ("app=new", [of("app=new"), of("app", HOST)], ["a1", "a2", "b1"]),
        # it must fulfil all of its own terms
        ("app=new", [of("app=new"), of("app=else")], []),
        ("app=new", [of("app=other")], []),
        # somebody is there already
        ("app=db", [of("app=db")], ["a1", "a2"]),
        # somebody, though on nodes of another key
        ("app=db", [of("app=db", "rack")], []),
        # of another namespace: the term is not about these
        ("app=web", [of("app=web")], ["a1", "a2", "b1"]),
        ("app=web", [of("app=web", namespaces=["other"])], ["b1"]),
        ("app=new", [of("app=new", namespaces=["other"])], []),
        ("app=new", [of("app=new", where="team=red")], ["a1", "a2", "b1"]),
        ("app=new", [of("app=new", where="team=blue")], []),
    ],
)
def test_the_first_of_its_own_group(own: str, terms: list[Term], fits: list[str]) -> None:
    refused = world().refusals(InterPodAffinity(), wants(a_pod(own), near=terms))
    assert refused == {name: [AFFINITY] for name in EVERYWHERE if name not in fits}


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ([of("app=db")], ["b1", "x"]),
        ([of("app=db", HOST)], ["a2", "b1", "x"]),
        ([of("app=nobody")], EVERYWHERE),
        ([of(None)], EVERYWHERE),
        ([of("")], ["b1", "x"]),
        ([of("app=web")], EVERYWHERE),
        ([of("app=web", namespaces=["other"])], ["a1", "a2", "x"]),
        ([of("app=web", where="team=blue")], ["a1", "a2", "x"]),
        ([of("app", where="")], ["x"]),
        # each term by itself, unlike affinity
        ([of("app=db"), of("app=web", namespaces=["other"])], ["x"]),
        ([of("app=db", HOST), of("app=web", HOST, ["other"])], ["a2", "x"]),
        # without the label there is no domain to be in
        ([of("app=db", "rack")], EVERYWHERE),
    ],
)
def test_required_anti_affinity(terms: list[Term], fits: list[str]) -> None:
    refused = world().refusals(InterPodAffinity(), wants(a_pod("app=new"), away=terms))
    assert refused == {name: [ANTI_AFFINITY] for name in EVERYWHERE if name not in fits}


@pytest.mark.parametrize(
    ("terms", "own", "namespace", "fits"),
    [
        ([of("app=new")], "app=new", "default", ["b1", "x"]),
        ([of("app=new", HOST)], "app=new", "default", ["a2", "b1", "x"]),
        ([of("app=new")], "app=old", "default", EVERYWHERE),
        ([of("")], "app=new", "default", ["b1", "x"]),
        ([of(None)], "app=new", "default", EVERYWHERE),
        # a term without namespaces is about its own Pod's
        ([of("app=new")], "app=new", "other", EVERYWHERE),
        ([of("app=new", namespaces=["other"])], "app=new", "other", ["b1", "x"]),
        ([of("app=new", where="team=blue")], "app=new", "other", ["b1", "x"]),
        ([of("app=new", where="team=blue")], "app=new", "default", EVERYWHERE),
        ([of("app=new", where="")], "app=new", "anywhere", ["b1", "x"]),
        ([of("app=old"), of("app=new", HOST)], "app=new", "default", ["a2", "b1", "x"]),
    ],
)
def test_pods_that_are_there_keep_others_away(
    terms: list[Term], own: str, namespace: str, fits: list[str]
) -> None:
    made = world()
    made.place("a1", wants(a_pod("app=hermit"), away=terms))
    refused = made.refusals(InterPodAffinity(), a_pod(own, namespace))
    assert refused == {name: [EXISTING] for name in EVERYWHERE if name not in fits}


def test_the_first_reason_in_upstreams_order_is_said() -> None:
    made = world()
    made.place("b1", wants(a_pod("app=hermit"), away=[of("app=new", HOST)]))
    both = wants(a_pod("app=new"), near=[of("app")], away=[of("app=db", HOST)])
    assert made.refusals(InterPodAffinity(), both) == {
        "a1": [ANTI_AFFINITY],
        "b1": [EXISTING],
        "x": [AFFINITY],
    }


def test_a_pod_that_goes_takes_its_terms_with_it() -> None:
    made = world()
    hermit = made.place("a1", wants(a_pod("app=hermit"), away=[of("app=new")]))
    made.place("a2", wants(a_pod("app=hermit"), away=[of("app=new")]))
    assert set(made.refusals(InterPodAffinity(), a_pod("app=new"))) == {"a1", "a2"}
    made.table.remove_pod(made.table.rows["a1"], hermit)
    assert set(made.refusals(InterPodAffinity(), a_pod("app=new"))) == {"a1", "a2"}
    made.table.remove_pod(made.table.rows["a2"], hermit)
    assert made.refusals(InterPodAffinity(), a_pod("app=new")) == {}
    assert made.table.topology.sizes["terms"] == 0


def test_a_node_that_moves_takes_its_pods_with_it() -> None:
    made = world()
    seeking = wants(a_pod("app=new"), near=[of("app=db")])
    assert "b1" in made.refusals(InterPodAffinity(), seeking)
    made.table.upsert(node_info(node("a1", labels={ZONE: "b", HOST: "a1"})))
    assert set(made.refusals(InterPodAffinity(), seeking)) == {"a2", "x"}


def test_labels_of_a_namespace_may_change() -> None:
    made = world()
    seeking = wants(a_pod("app=new"), near=[of("app=web", where="team=blue")])
    assert "b1" not in made.refusals(InterPodAffinity(), seeking)
    made.table.set_namespace("other", {"team": "green"})
    assert "b1" in made.refusals(InterPodAffinity(), seeking)
    made.table.set_namespace("other", None)
    assert "b1" in made.refusals(InterPodAffinity(), seeking)


def test_a_node_that_goes_takes_its_pods_with_it() -> None:
    made = world()
    made.table.remove("a1")
    refused = made.refusals(InterPodAffinity(), wants(a_pod("app=new"), near=[of("app=db")]))
    assert {"a2", "b1", "x"} <= set(refused)


@pytest.mark.parametrize(
    ("wish", "raw", "scaled"),
    [
        ({"likes": [(5, of("app=db"))]}, [5, 5, 0, 0], [100, 100, 0, 0]),
        ({"likes": [(5, of("app=db", HOST))]}, [5, 0, 0, 0], [100, 0, 0, 0]),
        ({"dislikes": [(5, of("app=db"))]}, [-5, -5, 0, 0], [0, 0, 100, 100]),
        ({"likes": [(5, of("app=nobody"))]}, [0, 0, 0, 0], [0, 0, 0, 0]),
        ({"likes": [(5, of(None))]}, [0, 0, 0, 0], [0, 0, 0, 0]),
        ({"likes": [(3, of("app=web", namespaces=["other"]))]}, [0, 0, 3, 0], [0, 0, 100, 0]),
        ({"likes": [(3, of("app", where=""))]}, [3, 3, 3, 0], [100, 100, 100, 0]),
        ({"likes": [(4, of("app=db")), (2, of("app=db", HOST))]}, [6, 4, 0, 0], [100, 66, 0, 0]),
        (
            {"likes": [(4, of("app=db"))], "dislikes": [(1, of("app=db", HOST))]},
            [3, 4, 0, 0], [75, 100, 0, 0],
        ),
        (
            {"likes": [(1, of("app=db"))], "dislikes": [(2, of("app=web", namespaces=["other"]))]},
            [1, 1, -2, 0], [100, 100, 0, 66],
        ),
        ({"likes": [(7, of("app=db", "rack"))]}, [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_preferred_terms_of_its_own(
    wish: Mapping[str, list[tuple[int, Term]]], raw: list[int], scaled: list[int]
) -> None:
    made = world()
    pod = wants(a_pod("app=new"), likes=wish.get("likes", ()), dislikes=wish.get("dislikes", ()))
    assert made.raw(InterPodAffinity(), pod) == raw
    assert made.scores(InterPodAffinity(), pod) == scaled


@pytest.mark.parametrize(
    ("neighbour", "own", "raw"),
    [
        ({"likes": [(5, of("app=new"))]}, "app=new", [5, 5, 0, 0]),
        ({"likes": [(5, of("app=new", HOST))]}, "app=new", [5, 0, 0, 0]),
        ({"dislikes": [(5, of("app=new"))]}, "app=new", [-5, -5, 0, 0]),
        ({"likes": [(5, of("app=new"))]}, "app=old", None),
        # required affinity of a neighbour counts with hardPodAffinityWeight, required anti-affinity does not
        # score
        ({"near": [of("app=new")]}, "app=new", [1, 1, 0, 0]),
        ({"away": [of("app=other")]}, "app=new", None),
        ({"away": [of("app=new", HOST)]}, "app=new", None),
        ({"near": [of("app=new")], "likes": [(5, of("app=new", HOST))]}, "app=new", [6, 1, 0, 0]),
    ],
)
def test_terms_of_neighbours_score_too(
    neighbour: dict[str, list[Term]], own: str, raw: list[int] | None
) -> None:
    made = world()
    made.place("a1", wants(a_pod("app=neighbour"), **neighbour))  # type: ignore[arg-type]  # by keyword, as the table has them
    assert made.raw(InterPodAffinity(), a_pod(own)) == raw


@pytest.mark.parametrize(
    ("args", "likes", "raw"),
    [
        (InterPodAffinityArgs(), [], [11, 11, 0, 0]),
        (InterPodAffinityArgs(hard_pod_affinity_weight=0), [], [10, 10, 0, 0]),
        (InterPodAffinityArgs(hard_pod_affinity_weight=100), [], [110, 110, 0, 0]),
        (InterPodAffinityArgs(ignore_preferred_terms_of_existing_pods=True), [], None),
        # with preferences of its own those of others count again
        (
            InterPodAffinityArgs(ignore_preferred_terms_of_existing_pods=True),
            [(2, of("app=web", namespaces=["other"]))], [11, 11, 2, 0],
        ),
    ],
)  # fmt: skip
def test_arguments(args: InterPodAffinityArgs, likes: list[tuple[int, Term]], raw: list[int] | None) -> None:
    made = world()
    made.place("a1", wants(a_pod("app=neighbour"), near=[of("app=new")], likes=[(10, of("app=new"))]))
    assert made.raw(InterPodAffinity(args), wants(a_pod("app=new"), likes=likes)) == raw


def test_two_neighbours_count_twice() -> None:
    made = world()
    made.place("a1", a_pod("app=db"), 2)
    assert made.raw(InterPodAffinity(), wants(a_pod(), likes=[(5, of("app=db"))])) == [15, 15, 0, 0]


DB, NEW = a_pod("app=db"), a_pod("app=new")
NEAR_DB = wants(a_pod("app=new"), near=[of("app=db")])
AWAY_FROM_DB = wants(a_pod("app=new"), away=[of("app=db")])


@pytest.mark.parametrize(
    ("event", "pod", "before", "after", "worth"),
    [
        (ClusterEvent.ASSIGNED_POD_ADD, NEAR_DB, None, DB, True),
        (ClusterEvent.ASSIGNED_POD_ADD, NEAR_DB, None, NEW, False),
        (ClusterEvent.ASSIGNED_POD_ADD, AWAY_FROM_DB, None, DB, False),
        (ClusterEvent.ASSIGNED_POD_DELETE, AWAY_FROM_DB, DB, None, True),
        (ClusterEvent.ASSIGNED_POD_DELETE, AWAY_FROM_DB, NEW, None, False),
        (ClusterEvent.ASSIGNED_POD_DELETE, NEAR_DB, NEW, None, False),
        # one that did not want us
        (ClusterEvent.ASSIGNED_POD_DELETE, NEW, wants(a_pod("app=x"), away=[of("app=new")]), None, True),
        (ClusterEvent.ASSIGNED_POD_DELETE, NEW, wants(a_pod("app=x"), away=[of("app=old")]), None, False),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, NEAR_DB, NEW, DB, True),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, NEAR_DB, NEW, NEW, False),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, AWAY_FROM_DB, DB, NEW, True),
        (ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, AWAY_FROM_DB, NEW, DB, False),
    ],
)
def test_what_pods_do_that_is_worth_another_attempt(
    event: ClusterEvent, pod: pod_pb2.Pod, before: pod_pb2.Pod | None, after: pod_pb2.Pod | None, worth: bool
) -> None:
    compiler = World().compiler
    was, now = (None if item is None else compiler.compile(item) for item in (before, after))
    assert InterPodAffinity().hints[event](compiler.compile(pod).pod_class, was, now) is worth


@pytest.mark.parametrize(
    ("pod", "before", "after", "worth"),
    [
        (NEAR_DB, None, {ZONE: "a"}, True),
        (NEAR_DB, None, {"rack": "1"}, False),
        (NEAR_DB, {ZONE: "a"}, {ZONE: "b"}, True),
        (NEAR_DB, {ZONE: "a", "disk": "ssd"}, {ZONE: "a"}, False),
        (AWAY_FROM_DB, None, {}, True),
        (AWAY_FROM_DB, {ZONE: "a"}, {}, True),
        # refused because of others' terms, whose keys it does not know
        (NEW, {"rack": "1"}, {"rack": "2"}, True),
    ],
)
def test_nodes_that_are_worth_another_attempt(
    pod: pod_pb2.Pod, before: dict[str, str] | None, after: dict[str, str], worth: bool
) -> None:
    was = None if before is None else node_info(node("n", labels=before))
    event = ClusterEvent.NODE_ADD if was is None else ClusterEvent.NODE_UPDATE_LABEL
    asked = World().compiler.compile(pod).pod_class
    assert InterPodAffinity().hints[event](asked, was, node_info(node("n", labels=after))) is worth
