"""The judge of histories finds planted lies, and nothing in histories that are in order."""

import random

import pytest

from bench.judge.history import History, violations
from tests.unit.scheduler.histories import Story
from tests.unit.scheduler.objects import node, pod, term
from vaina.api.core.v1 import pod_pb2

HOSTNAME, ZONE = "kubernetes.io/hostname", "zone"


def app(name: str, app: str = "web", **more: object) -> pod_pb2.Pod:
    made = pod(name, {"cpu": "1"}, **more)  # type: ignore[arg-type]  # whatever `pod` takes
    made.metadata.labels["app"] = app
    return made


def apart(made: pod_pb2.Pod, key: str, other: str) -> pod_pb2.Pod:
    one = made.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add(
        topology_key=key
    )
    one.label_selector.match_labels["app"] = other
    return made


def together(made: pod_pb2.Pod, key: str, other: str) -> pod_pb2.Pod:
    one = made.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution.add(
        topology_key=key
    )
    one.label_selector.match_labels["app"] = other
    return made


def spread(made: pod_pb2.Pod, key: str) -> pod_pb2.Pod:
    one = made.spec.topology_spread_constraints.add(
        max_skew=1, topology_key=key, when_unsatisfiable="DoNotSchedule"
    )
    one.label_selector.match_labels["app"] = "web"
    return made


def cluster() -> Story:
    """Return two nodes in two zones."""
    return Story(
        node("n1", cpu="2", labels={HOSTNAME: "n1", ZONE: "a"}),
        node("n2", cpu="2", labels={HOSTNAME: "n2", ZONE: "b"}),
    )


def test_a_history_in_order_is_left_alone() -> None:
    story = cluster()
    story.pod(app("p1"), on="n1")
    story.pod(spread(app("p2"), ZONE), on="n2")
    story.pod(apart(app("p3", "db"), ZONE, "db"), on="n1")
    story.pod(together(app("p4", "side"), ZONE, "web"), on="n2")
    story.pod(pod("too-large", {"cpu": "9"}))
    story.pod(pod("gated", gates=["wait"]))
    assert story.found() == []


def test_a_pod_that_is_bound_twice_is_found() -> None:
    story = cluster()
    made = story.pod(app("p1"), on="n1")
    story.bind(made, "n2")
    assert story.found() == ["default/p1 was bound to n1, and then to n2"]


def test_a_node_that_got_more_than_it_has_is_found() -> None:
    story = cluster()
    for number in range(3):
        story.pod(app(f"p{number}"), on="n1")
    assert story.found() == ["default/p2 was bound to n1, but NodeResourcesFit: Insufficient cpu"]


def test_room_that_a_pod_gave_back_may_be_used_but_not_before() -> None:
    story = cluster()
    first = [story.pod(app(f"p{number}"), on="n1") for number in range(2)]
    story.gone(first[0])
    story.pod(app("p2"), on="n1")
    assert story.found() == []
    story.gone(story.pod(app("p3"), on="n1"))
    assert len(story.found()) == 1


@pytest.mark.parametrize(
    ("made", "plugin"),
    [
        (app("bad", selector={"zone": "b"}), "NodeAffinity"),
        (app("bad", required=[term((ZONE, "NotIn", ["a"]))]), "NodeAffinity"),
        (app("bad", ports=[(80, "")]), "NodePorts"),
        (apart(app("bad"), ZONE, "web"), "InterPodAffinity"),
        (app("bad", "hated"), "InterPodAffinity"),
        (together(app("bad"), ZONE, "nobody"), "InterPodAffinity"),
        (spread(app("bad"), HOSTNAME), "PodTopologySpread"),
    ],
)  # fmt: skip
def test_a_constraint_that_did_not_hold_is_found(made: pod_pb2.Pod, plugin: str) -> None:
    story = cluster()
    story.pod(apart(app("there", ports=[(80, "10.0.0.1")]), ZONE, "hated"), on="n1")
    story.pod(made, on="n1")
    [found] = story.found()
    assert found.startswith(f"default/bad was bound to n1, but {plugin}: ")


def test_the_same_bindings_are_in_order_on_the_other_node() -> None:
    story = cluster()
    story.pod(apart(app("there", ports=[(80, "10.0.0.1")]), ZONE, "hated"), on="n1")
    story.pod(app("p1", "hated", ports=[(80, "")], selector={"zone": "b"}), on="n2")
    story.pod(spread(app("p2"), ZONE), on="n2")
    assert story.found() == []


@pytest.mark.parametrize(("tolerations", "count"), [([], 1), ([("dedicated", "Exists", "", "")], 0)])
def test_a_taint_that_was_not_tolerated_is_found(
    tolerations: list[tuple[str, str, str, str]], count: int
) -> None:
    story = Story(node("n1", taints=[("dedicated", "", "NoSchedule")]))
    story.pod(app("p1", tolerations=tolerations), on="n1")
    assert len(story.found()) == count


def test_what_another_changed_just_before_a_binding_may_not_have_been_seen() -> None:
    labels = {HOSTNAME: "n1"}
    story = Story(node("n1", labels=labels))
    friend = story.pod(app("friend", "db"), on="n1")
    made = story.pod(together(app("p1"), HOSTNAME, "db"))
    story.gone(friend)
    story.add("MODIFIED", node("n1", labels=labels, taints=[("dedicated", "", "NoSchedule")]))
    story.bind(made, "n1")
    assert story.found() == []
    assert len(violations(story.happened, lag=0)) == 1


def test_what_the_scheduler_did_itself_is_no_excuse() -> None:
    story = cluster()
    story.pod(apart(app("p1"), ZONE, "web"), on="n1")
    story.add("MODIFIED", node("n2", cpu="3", labels={HOSTNAME: "n2", ZONE: "b"}))
    story.pod(app("p2"), on="n1")
    assert len(story.found()) == 1


def test_a_node_that_was_never_there_is_found() -> None:
    story = cluster()
    story.pod(app("p1"), on="n9")
    assert story.found() == ["default/p1 was bound to n9, but there is no such node"]


def test_a_pod_that_is_left_though_it_fits_is_found() -> None:
    story = cluster()
    story.pod(app("left"))
    assert story.found() == ["default/left is pending, and fits on n1"]
    assert violations(story.happened, ended=False) == []


def test_the_order_is_that_of_the_versions() -> None:
    story = cluster()
    story.pod(app("p1"), on="n1")
    assert violations(reversed(story.happened)) == []


def random_story(seed: int) -> Story:
    """Nodes of three zones; Pods that mind one another come, are put anywhere, change their labels, and go.

    A node moves.
    """
    rng = random.Random(seed)
    nodes = [
        node(
            f"n{number}",
            cpu="64",
            labels={HOSTNAME: f"n{number}"} | ({ZONE: rng.choice("abc")} if number else {}),
        )
        for number in range(6)
    ]
    story, there = Story(*nodes), list[pod_pb2.Pod]()
    apps, keys = ("web", "db", "log"), (HOSTNAME, ZONE)
    for number in range(40):
        made = app(f"p{number}", rng.choice(apps))
        for asks in rng.sample((apart, together, None), k=2):
            if asks is not None:
                asks(made, rng.choice(keys), rng.choice(apps))
        if rng.random() < 0.4:
            spread(made, rng.choice(keys))
            made.spec.topology_spread_constraints[0].max_skew = rng.randint(1, 3)
            if rng.random() < 0.5:
                made.spec.topology_spread_constraints[0].min_domains = rng.randint(1, 4)
        there.append(story.pod(made, rng.choice(nodes).metadata.name))
        some = rng.choice(there)
        match rng.randrange(8):
            case 0:
                there.remove(some)
                story.gone(some)
            case 1:
                some.metadata.labels["app"] = rng.choice(apps)
                story.add("MODIFIED", some)
            case 2:
                some.metadata.deletion_timestamp.seconds = 1
                story.add("MODIFIED", some)
            case 3 if rng.random() < 0.3:
                moved = rng.choice(nodes)
                moved.metadata.labels[ZONE] = rng.choice("abc")
                story.add("MODIFIED", moved)
    return story


@pytest.mark.parametrize("seed", range(40))
def test_what_is_counted_is_what_walking_through_the_rules_finds(seed: int) -> None:
    story = random_story(seed)
    found = []
    for walk in (True, False):
        history = History(lag=0, is_thorough=lambda walk=walk: walk)  # type: ignore[misc]  # the default binds what is asked for
        for one in story.happened:
            history.take(one)
        assert history.thorough == history.bindings == 40
        found.append(history.found)
    assert found[0] == found[1]
    # Put anywhere, many are where they may not be.
    assert found[0]


def of_classes(number: int) -> Story:
    """Return Pods of so many classes that mind one another."""
    story = Story(node("n1", cpu="1000", pods="1000", labels={HOSTNAME: "n1"}))
    for index in range(number):
        story.pod(apart(app(f"p{index}", f"app-{index}"), HOSTNAME, f"other-{index}"), "n1")
    return story


def test_three_hundred_classes_are_judged_by_counts() -> None:
    history = History(is_thorough=lambda: False)
    for one in of_classes(300).happened:
        history.take(one)
    assert (history.bindings, history.thorough, history.walked, history.found) == (300, 300, 0, [])


def test_of_more_classes_than_there_is_room_for_some_are_judged() -> None:
    history = History(is_thorough=lambda: False, most_numbers=40)
    for one in of_classes(60).happened:
        history.take(one)
    assert history.bindings == 60
    assert 10 < history.thorough < 60
    assert (history.walked, history.found) == (0, [])
