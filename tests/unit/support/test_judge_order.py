"""The order of decisions: a Pod waits from when it asks what it asks, and what is not known of that is named."""

import pytest

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.happened import Happened
from bench.judge.history import History
from tests.unit.scheduler.objects import node
from tests.unit.support.judge_mistakes import Told, small
from tests.unit.support.test_judge_mistakes import SURE
from vaina.api.core.v1 import pod_pb2


def cluster() -> Told:
    told = Told()
    told.set_node(node("n1", cpu="2", taints=[("kept", "", "NoSchedule")]))
    told.set_node(node("n2", cpu="2"))
    return told


def judged(happened: list[Happened], doubt: Doubt = SURE) -> tuple[list[str], Decisions]:
    decisions = Decisions(lambda: False, doubt)
    history = History(lag=doubt.lag, decisions=decisions, is_fresh=lambda _: True)
    for one in happened:
        history.take(one)
    history.end_decisions()
    return history.found, decisions


def tolerates(made: pod_pb2.Pod) -> pod_pb2.Pod:
    made.spec.tolerations.add(key="kept", operator="Exists", effect="NoSchedule")
    return made


def test_a_pod_that_tolerates_more_while_it_waits_did_not_fit_before() -> None:
    told = cluster()
    waits = told.pod(small("important", 10))
    told.pod(small("less"), "n2")
    told.add("MODIFIED", tolerates(waits))
    told.bind(waits, "n1")
    assert judged(told.happened)[0] == []


def test_a_pod_waits_from_when_it_tolerates_more() -> None:
    told = cluster()
    waits = told.pod(small("important", 10))
    told.add("MODIFIED", tolerates(waits))
    told.pod(small("less"), "n2")
    told.bind(waits, "n1")
    [words] = judged(told.happened)[0]
    assert "important (priority 10) waited and fitted on n1 while 1 Pods of a lower priority" in words


def test_what_is_written_in_the_status_of_a_pod_that_waits_makes_it_no_other() -> None:
    told = cluster()
    waits = told.pod(tolerates(small("important", 10)))
    told.pod(small("less"), "n2")
    waits.status.conditions.add(type="PodScheduled", status="False", reason="Unschedulable")
    told.add("MODIFIED", waits)
    told.bind(waits, "n1")
    assert len(judged(told.happened)[0]) == 1


@pytest.mark.parametrize("gated", [False, True], ids=["tolerates more", "loses its gates"])
def test_a_pod_that_became_another_may_keep_its_place_in_the_queue(gated: bool) -> None:
    told = cluster()
    early = small("early")
    if gated:
        early.spec.scheduling_gates.add(name="wait")
    told.pod(early)
    late = told.pod(tolerates(small("late")))
    del early.spec.scheduling_gates[:]
    told.add("MODIFIED", tolerates(early))
    told.bind(early, "n2")
    told.bind(late, "n1")
    assert judged(told.happened)[0] == []


@pytest.mark.parametrize("generation", [1, 2])
def test_of_pods_seen_with_a_node_alone_those_that_changed_before_are_not_judged_and_counted(
    generation: int,
) -> None:
    told = cluster()
    for number in range(4):
        told.happened.append(
            bound(f"less-{number}", 0, created=20 + number, at=20 + number, version=10 + number)
        )
    told.happened.append(bound("important", 10, created=1, at=30, version=20, generation=generation))
    found, decisions = judged(told.happened, SURE)
    assert len(found) == (generation == 1)
    assert decisions.unjudged["order of Pods that changed while they waited"] == generation - 1


def bound(name: str, priority: int, *, created: int, at: int, version: int, generation: int = 1) -> Happened:
    made = tolerates(small(name, priority, "100m"))
    made.metadata.uid, made.metadata.generation = name, generation
    made.metadata.creation_timestamp.seconds = created
    made.metadata.resource_version = str(version)
    made.spec.node_name = "n1" if priority else "n2"
    condition = made.status.conditions.add(type="PodScheduled", status="True")
    condition.last_transition_time.seconds = at
    return Happened("ADDED", made)


def test_a_pod_that_goes_while_it_waits_is_forgotten() -> None:
    told = cluster()
    made = told.pod(tolerates(small("comes-and-goes", 10)))
    told.add("DELETED", made)
    told.pod(small("less"), "n2")
    told.add("ADDED", made)
    told.bind(made, "n1")
    assert judged(told.happened)[0] == []
