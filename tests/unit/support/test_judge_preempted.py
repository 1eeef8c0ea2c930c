"""Preemptions that end otherwise than with a binding, many of them at once, and budgets."""

import pytest

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.history import History
from bench.judge.preempted import MOST_OPEN
from bench.load.verify import words_of
from tests.unit.scheduler.objects import node
from tests.unit.support.judge_mistakes import Told, small
from tests.unit.support.test_judge_mistakes import SURE
from tests.unit.support.test_scheduling_history import apart
from vaina.api.core.v1 import pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

LOAD = Doubt(in_flight=5, lag=5)


def cluster(count: int) -> Told:
    """Return full nodes, of two Pods each."""
    told = Told()
    for number in range(count):
        told.set_node(node(f"n{number}", cpu="2"))
    for number in range(count):
        told.pod(small(f"a{number}", 1), f"n{number}", at=1)
        told.pod(small(f"b{number}", 1), f"n{number}", at=2)
    return told


def judged(told: Told, doubt: Doubt = SURE) -> tuple[list[str], Decisions]:
    decisions = Decisions(lambda: False, doubt)
    history = History(lag=doubt.lag, decisions=decisions)
    for one in told.happened:
        history.take(one)
    history.end_decisions()
    return history.found, decisions


def begins(told: Told, number: int, priority: int = 5) -> pod_pb2.Pod:
    """A Pod has the node in view, and one begins to go from there."""
    made = told.pod(small(f"new{number}", priority))
    told._nominate(made, f"n{number}", [f"b{number}"])
    return made


def loses_its_view(told: Told, made: pod_pb2.Pod) -> None:
    made.status.nominated_node_name = ""
    told.add("MODIFIED", made)


def goes(told: Told, made: pod_pb2.Pod) -> None:
    told.add("DELETED", made)


@pytest.mark.parametrize("ends", [goes, loses_its_view])
def test_preemptions_that_come_to_nothing_take_no_place(ends: object) -> None:
    told = cluster(MOST_OPEN + 1)
    for number in range(MOST_OPEN):
        ends(told, begins(told, number))  # type: ignore[operator]  # one of the above
    told.preempt(told.pod(small("new", 5)), f"n{MOST_OPEN}", f"a{MOST_OPEN}")
    found, decisions = judged(told)
    assert any(f"default/a{MOST_OPEN} had to go from n{MOST_OPEN} for default/new" in one for one in found), (
        found
    )
    assert decisions.preempted.partly == MOST_OPEN


def test_a_preemption_that_came_to_nothing_is_judged_by_priorities() -> None:
    told = cluster(1)
    goes(told, begins(told, 0, priority=1))
    told.pod(small("high", 9))
    found, _ = judged(told)
    assert (
        "default/b0 (priority 1) had to go from n0 for default/new0 (priority 1), and is no less important"
        in found
    )


def test_what_does_not_find_a_place_is_counted_once_and_judged_by_priorities() -> None:
    told = cluster(MOST_OPEN + 2)
    for number in range(MOST_OPEN):
        begins(told, number)
    for number in (MOST_OPEN, MOST_OPEN + 1):
        made = told.pod(small(f"last{number}", 5 if number == MOST_OPEN else 1, "2"))
        told._nominate(made, f"n{number}", [f"a{number}", f"b{number}"])
    found, decisions = judged(told)
    assert [one for one in found if "last" in one and "is no less important" in one]
    assert decisions.preempted.partly == 1
    assert words_of(decisions.unjudged, decisions.preempted.partly)[-1] == "beyond priorities: 1 preemptions"


def test_who_went_long_ago_for_a_pod_that_is_gone_did_not_go_for_the_next_one() -> None:
    told = cluster(2)
    goes(told, begins(told, 0))
    after = pod_pb2.Pod()
    after.CopyFrom(told.placed["a0"])
    after.status.conditions.add(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
    told.change_pod(after)
    for uid in ("a0", "b0", "b1"):
        told.remove_pod(uid)
    for name, on in (("c", "n0"), ("d", "n0"), ("e", "n1")):
        told.pod(small(name, 1, "1"), on, at=3)
    made = told.pod(small("next", 5))
    told._nominate(made, "n0", ["d"])
    told.make_room()
    told.make_room()
    found, _ = judged(told)
    assert not [one for one in found if "default/a0" in one], found


def test_a_namespace_that_gets_other_labels_changes_nothing_of_a_preemption_before() -> None:
    told = cluster(1)
    told.set_namespace("default", {"team": "red"})
    hermit = apart(small("new", 5), "kubernetes.io/hostname", "x")
    term = hermit.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution[0]
    del term.label_selector.match_labels["app"]
    term.namespace_selector.match_labels["team"] = "red"
    told.set_node(node("n0", cpu="2", labels={"kubernetes.io/hostname": "n0"}))
    made = told.pod(hermit)
    told._nominate(made, "n0", ["a0", "b0"])
    told.set_namespace("default", {"team": "blue"})
    told.make_room()
    assert judged(told)[0] == []


@pytest.mark.parametrize("budgets", [0, 1])
def test_where_there_are_budgets_a_load_is_judged_by_priorities_alone(budgets: int) -> None:
    told = cluster(8)
    for number in range(budgets):
        budget = pod_disruption_budget_pb2.PodDisruptionBudget()
        budget.metadata.name, budget.metadata.namespace = f"keep{number}", "default"
        told.set_budget(budget)
    told.preempt(told.pod(small("new", 5)), "n0", "a0")
    found, decisions = judged(told, LOAD)
    assert decisions.preempted.partly == budgets, found
