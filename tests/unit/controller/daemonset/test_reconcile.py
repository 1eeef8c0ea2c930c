"""What a DaemonSet does next: one Pod a node, updates in place and with surge, what the status says."""

import pytest

from controller.daemonset.reconcile import DaemonSet, Plan, reconcile
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.testing.builders import make_node, make_pod

NOW = 1_700_000_000.0


def daemon_set(
    *, unavailable: int | str = 1, surge: int | str = 0, strategy: str = "RollingUpdate"
) -> DaemonSet:
    made = DaemonSet()
    made.metadata.name, made.metadata.namespace, made.metadata.generation = "log", "default", 2
    made.spec.template.spec.containers.add(name="app", image="a")
    made.spec.update_strategy.type = strategy
    if strategy == "RollingUpdate":
        rolling = made.spec.update_strategy.rolling_update
        for target, amount in ((rolling.max_unavailable, unavailable), (rolling.max_surge, surge)):
            if isinstance(amount, int):
                target.int_val = amount
                target.SetInParent()
            else:
                target.type, target.str_val = 1, amount
    return made


def nodes(count: int) -> list[node_pb2.Node]:
    return [make_node(f"n{number}") for number in range(1, count + 1)]


def pod(text: str) -> pod_pb2.Pod:
    """Read a Pod: node, template (new or old), and words: unready, ending, failed, done, pending, second."""
    node, template, *words = text.split()
    made = make_pod(f"log-{text.replace(' ', '-')}", node="" if "pending" in words else node)
    made.metadata.uid = text
    made.metadata.creation_timestamp.seconds = int(NOW) - 1000 + (10 if "second" in words else 0)
    made.metadata.labels["controller-revision-hash"] = template
    if "pending" in words:
        required = made.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
        required.node_selector_terms.add().match_fields.add(key="metadata.name", operator="In", values=[node])
    made.status.phase = "Failed" if "failed" in words else "Succeeded" if "done" in words else "Running"
    ready = not {"unready", "failed", "done", "pending"} & {*words}
    condition = made.status.conditions.add(type="Ready", status="True" if ready else "False")
    condition.last_transition_time.seconds = int(NOW) - 100
    if "ending" in words:
        made.metadata.deletion_timestamp.seconds = int(NOW)
    return made


def plan_of(made: DaemonSet, count: int, *there: str, held: tuple[str, ...] = ()) -> Plan:
    return reconcile(made, nodes(count), [pod(text) for text in there], "new", NOW, frozenset(held))


@pytest.mark.parametrize(
    ("made", "count", "there", "create", "delete"),
    [
        # one a node
        (daemon_set(), 3, [], ["n1", "n2", "n3"], []),
        (daemon_set(), 2, ["n1 new"], ["n2"], []),
        (daemon_set(), 2, ["n1 new", "n2 new"], [], []),
        (daemon_set(), 1, ["n1 new pending"], [], []),
        (daemon_set(), 1, ["n1 new ending"], [], []),
        (daemon_set(), 1, ["n1 new", "n1 new second"], [], ["n1 new second"]),
        (daemon_set(), 1, ["n1 new", "n1 new ending"], [], []),
        (daemon_set(), 1, ["n1 new failed"], [], ["n1 new failed"]),
        (daemon_set(), 1, ["n1 new done"], [], ["n1 new done"]),
        (daemon_set(), 1, ["n1 new failed ending"], [], []),
        (daemon_set(), 1, ["n1 new", "gone new pending"], [], ["gone new pending"]),
        (daemon_set(), 1, ["n1 new", "gone new"], [], []),
        # a new template, in place
        (daemon_set(), 3, ["n1 old", "n2 old", "n3 old"], [], ["n1 old"]),
        (daemon_set(), 3, ["n1 new", "n2 old", "n3 old"], [], ["n2 old"]),
        (daemon_set(), 3, ["n1 new unready", "n2 old", "n3 old"], [], []),
        (daemon_set(), 3, ["n1 old ending", "n2 old", "n3 old"], [], []),
        (daemon_set(unavailable=2), 3, ["n1 old", "n2 old", "n3 old"], [], ["n1 old", "n2 old"]),
        (daemon_set(unavailable="50%"), 3, ["n1 old", "n2 old", "n3 old"], [], ["n1 old", "n2 old"]),
        (daemon_set(unavailable="1%"), 3, ["n1 old", "n2 old", "n3 old"], [], ["n1 old"]),
        (daemon_set(), 3, ["n1 old", "n2 old unready", "n3 old"], [], ["n2 old unready"]),
        (
            daemon_set(),
            3,
            ["n1 old unready", "n2 old unready", "n3 old"],
            [],
            ["n1 old unready", "n2 old unready"],
        ),
        (daemon_set(strategy="OnDelete"), 2, ["n1 old", "n2 old"], [], []),
        (daemon_set(strategy="OnDelete"), 2, ["n1 old"], ["n2"], []),
        # what is missing comes first, what is new after it
        (daemon_set(), 2, ["n1 old"], ["n2"], []),
        # with surge the new one comes before the old one goes
        (daemon_set(unavailable=0, surge=1), 2, ["n1 old", "n2 old"], ["n1"], []),
        (daemon_set(unavailable=0, surge=2), 2, ["n1 old", "n2 old"], ["n1", "n2"], []),
        (daemon_set(unavailable=0, surge="50%"), 3, ["n1 old", "n2 old", "n3 old"], ["n1", "n2"], []),
        (daemon_set(unavailable=0, surge=1), 2, ["n1 old", "n1 new second unready", "n2 old"], [], []),
        # one that goes comes before the next one comes
        (daemon_set(unavailable=0, surge=1), 2, ["n1 old", "n1 new second", "n2 old"], [], ["n1 old"]),
        (daemon_set(unavailable=0, surge=1), 2, ["n1 old unready", "n2 old"], ["n1", "n2"], []),
        # neither serves: the one of the new template stays
        (
            daemon_set(unavailable=0, surge=1),
            1,
            ["n1 old unready", "n1 new second unready"],
            [],
            ["n1 old unready"],
        ),
        (daemon_set(unavailable=0, surge=1), 1, ["n1 old unready", "n1 new pending"], [], ["n1 old unready"]),
        (
            daemon_set(unavailable=0, surge=1),
            1,
            ["n1 old", "n1 old second", "n1 new", "n1 new second"],
            [],
            ["n1 new second", "n1 old second", "n1 old"],
        ),
        # with surge a node whose Pod is ending has room for the next one
        (daemon_set(unavailable=0, surge=1), 1, ["n1 new ending"], ["n1"], []),
        (daemon_set(unavailable=0, surge=1), 1, ["n1 new failed"], [], ["n1 new failed"]),
        # of two the one that is bound stays
        (daemon_set(), 1, ["n1 new pending", "n1 new second"], [], ["n1 new pending"]),
        (daemon_set(unavailable=0, surge=1), 2, ["n1 new", "n1 old ending", "n2 old"], [], []),
        (daemon_set(unavailable=0, surge=1), 1, ["n1 new", "n1 new second"], [], ["n1 new second"]),
    ],
)
def test_what_comes_and_what_goes(
    made: DaemonSet, count: int, there: list[str], create: list[str], delete: list[str]
) -> None:
    plan = plan_of(made, count, *there)
    assert (plan.create, [item.metadata.uid for item in plan.delete]) == (create, delete)


def test_what_is_away_on_a_node_that_should_have_none_now_counts() -> None:
    """A node that has fallen silent has a taint that daemons do not tolerate; they stay, and so few may go."""
    there = nodes(2)
    there[0].spec.taints.add(key="node.kubernetes.io/unreachable", effect="NoSchedule")
    for state, gone in (("old ending", []), ("new unready", []), ("new failed ending", ["n2 old"])):
        plan = reconcile(daemon_set(), there, [pod(f"n1 {state}"), pod("n2 old")], "new", NOW, frozenset())
        assert [item.metadata.uid for item in plan.delete] == gone, state


def test_a_node_that_is_held_back_keeps_what_ended() -> None:
    assert not plan_of(daemon_set(), 1, "n1 new failed", held=("n1",)).acts


def test_what_is_being_deleted_is_left_to_the_collector() -> None:
    made = daemon_set()
    made.metadata.deletion_timestamp.seconds = 1
    assert not plan_of(made, 2).acts


def test_a_pod_is_available_once_it_was_ready_for_long_enough() -> None:
    made = daemon_set()
    made.spec.min_ready_seconds = 130
    plan = plan_of(made, 2, "n1 new", "n2 old")
    # Ready for 100 s: not yet. The old one does not count either, and may be replaced.
    assert plan.wake_seconds == 30.0
    assert plan.status is not None
    assert (plan.status.number_ready, plan.status.number_available) == (2, 0)


def test_the_status() -> None:
    tainted = make_node("n4")
    tainted.spec.taints.add(key="dedicated", effect="NoSchedule")
    there = [pod("n1 new"), pod("n2 old unready"), pod("n4 new")]
    plan = reconcile(daemon_set(), [*nodes(3), tainted], there, "new", NOW)
    status = plan.status
    assert status is not None
    assert (
        status.desired_number_scheduled, status.current_number_scheduled, status.number_misscheduled, status.number_ready,
        status.number_available, status.number_unavailable, status.updated_number_scheduled, status.observed_generation,
    ) == (3, 2, 1, 1, 1, 2, 1, 2)  # fmt: skip


@pytest.mark.parametrize(
    ("there", "ready", "available", "updated"),
    [
        (["n1 old", "n1 new second"], 1, 1, 0),
        (["n1 old unready", "n1 new second"], 0, 0, 0),
        (["n1 old ending", "n1 new second unready"], 1, 1, 0),
        (["n1 new", "n1 old second"], 1, 1, 1),
        (["n1 old second", "n1 new pending"], 1, 1, 0),
        (["n1 new second"], 1, 1, 1),
    ],
)
def test_of_two_pods_of_a_node_the_first_one_counts(
    there: list[str], ready: int, available: int, updated: int
) -> None:
    status = plan_of(daemon_set(unavailable=0, surge=1), 1, *there).status
    assert status is not None
    assert (status.number_ready, status.number_available, status.updated_number_scheduled) == (
        ready,
        available,
        updated,
    )
    assert status.current_number_scheduled == 1


def test_what_goes_or_is_doubled_since_it_serves_nobody_is_told_apart() -> None:
    in_place = plan_of(daemon_set(), 3, "n1 old", "n2 old unready", "n3 new")
    assert [item.metadata.uid for item in in_place.unserving] == ["n2 old unready"]
    surging = plan_of(daemon_set(unavailable=0, surge=1), 2, "n1 old unready", "n2 old")
    assert [item.metadata.uid for item in surging.unserving] == ["n1 old unready"]
    assert surging.delete == []


def test_the_order_of_nodes_does_not_matter() -> None:
    there = [pod(text) for text in ("n1 old", "n2 old", "n3 old")]
    plans = [reconcile(daemon_set(), order, there, "new", NOW) for order in (nodes(3), nodes(3)[::-1])]
    assert [plan.delete for plan in plans] == [there[:1], there[:1]]


def test_a_second_look_writes_nothing() -> None:
    made = daemon_set()
    first = plan_of(made, 2, "n1 new", "n2 new")
    assert first.status is not None
    made.status.CopyFrom(first.status)
    second = plan_of(made, 2, "n1 new", "n2 new")
    assert (second.acts, second.status) == (False, None)
