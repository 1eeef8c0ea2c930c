"""What is said of a Deployment: numbers, conditions, deadlines."""

from dataclasses import dataclass, field

import pytest

from controller.deployment.reconcile import reconcile
from controller.deployment.status import set_condition
from tests.unit.controller.deployment.cases import NEW, deployment, replica_set
from vaina.objects.conditions import get_condition
from vaina.testing.clock import EPOCH

NOW = EPOCH + 1000


def told(made, *sets, now=NOW):
    plan = reconcile(made, sets, now)
    return made.status if plan.status is None else plan.status


def progressing(made, reason, *, since=NOW, value="True"):
    set_condition(made.status, "Progressing", value, reason, "before", since)
    return made


def test_numbers_are_those_of_all_sets():
    made = deployment(4, generation=7)
    new = replica_set(made, NEW, 3, 1, revision=2, terminating=1)
    old = replica_set(made, "old", 2, 2, age=9)
    new.status.ready_replicas = 2
    status = told(made, new, old)
    assert (status.observed_generation, status.replicas, status.updated_replicas) == (7, 5, 3)
    assert (status.ready_replicas, status.available_replicas, status.unavailable_replicas) == (4, 3, 2)
    assert status.terminating_replicas == 1


@pytest.mark.parametrize(("available", "value"), [(8, "True"), (7, "False")])
def test_available_means_no_more_away_than_may_be(available, value):
    made = deployment(10, max_unavailable=2)
    condition = get_condition(told(made, replica_set(made, NEW, 10, available)), "Available")
    words = {
        "True": ("MinimumReplicasAvailable", "Deployment has minimum availability."),
        "False": ("MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
    }
    assert (condition.status, (condition.reason, condition.message)) == (value, words[value])


@dataclass(frozen=True)
class Progress:
    name: str
    #: reason of the condition before, seconds ago; None when there is none
    before: tuple[str, float] | None
    #: (replicas, available) of the new set, and of an old one
    new: tuple[int, int]
    old: tuple[int, int] = (0, 0)
    #: numbers of the status before
    status: dict[str, int] = field(default_factory=dict)
    want: str = ""


STEADY = {"replicas": 5, "updated_replicas": 3, "ready_replicas": 2, "available_replicas": 2}
ONE_AWAY = {"replicas": 4, "updated_replicas": 4, "ready_replicas": 3, "available_replicas": 3}
PROGRESSES = [
    Progress("a set that was found is told", None, (3, 0), (2, 2), STEADY, "FoundNewReplicaSet"),
    Progress("complete", ("ReplicaSetUpdated", 9), (4, 4), want="NewReplicaSetAvailable"),
    Progress("not complete with as many away as may be", ("ReplicaSetUpdated", 9), (4, 3), status=ONE_AWAY, want="ReplicaSetUpdated"),
    Progress("one of all that never comes is overdue", ("ReplicaSetUpdated", 601), (4, 3), status=ONE_AWAY, want="ProgressDeadlineExceeded"),
    Progress("complete after it was overdue", ("ProgressDeadlineExceeded", 9999), (4, 4), want="NewReplicaSetAvailable"),
    Progress("more new ones", ("NewReplicaSetCreated", 9), (3, 0), (2, 2), {**STEADY, "updated_replicas": 2}, "ReplicaSetUpdated"),
    Progress("fewer old ones", ("NewReplicaSetCreated", 9), (3, 0), (2, 2), {**STEADY, "replicas": 6}, "ReplicaSetUpdated"),
    Progress("more that are available", ("NewReplicaSetCreated", 9), (3, 1), (2, 2), STEADY, "ReplicaSetUpdated"),
    Progress("nothing new within the time", ("NewReplicaSetCreated", 599), (3, 0), (2, 2), STEADY, "NewReplicaSetCreated"),
    Progress("nothing new for too long", ("NewReplicaSetCreated", 601), (3, 0), (2, 2), STEADY, "ProgressDeadlineExceeded"),
    Progress("once overdue, overdue", ("ProgressDeadlineExceeded", 1), (3, 0), (2, 2), STEADY, "ProgressDeadlineExceeded"),
    Progress("overdue and on again", ("ProgressDeadlineExceeded", 1), (3, 1), (2, 2), STEADY, "ReplicaSetUpdated"),
    Progress("what was complete does not become overdue", ("NewReplicaSetAvailable", 9999), (4, 0), want="NewReplicaSetAvailable"),
]  # fmt: skip


@pytest.mark.parametrize("case", PROGRESSES, ids=lambda case: case.name)
def test_progress(case):
    made = deployment(4, max_unavailable=1, max_surge=1)
    for name, value in case.status.items():
        setattr(made.status, name, value)
    if case.before is not None:
        progressing(made, case.before[0], since=NOW - case.before[1])
    new = replica_set(made, NEW, *case.new, revision=2)
    old = replica_set(made, "old", *case.old, age=9)
    condition = get_condition(told(made, new, old), "Progressing")
    assert condition.reason == case.want
    assert condition.status == ("False" if case.want == "ProgressDeadlineExceeded" else "True")


def test_words_name_the_set():
    made = progressing(deployment(1), "NewReplicaSetCreated", since=NOW - 700)
    assert get_condition(told(made, replica_set(made, NEW, 1, 0, current=0)), "Progressing").message == (
        'ReplicaSet "new" has timed out progressing.'
    )
    assert get_condition(told(made, replica_set(made, NEW, 1, 1)), "Progressing").message == (
        'ReplicaSet "new" has successfully progressed.'
    )


def test_progress_moves_the_deadline_and_not_the_transition():
    made = progressing(deployment(4), "ReplicaSetUpdated", since=NOW - 500)
    condition = get_condition(told(made, replica_set(made, NEW, 4, 1)), "Progressing")
    assert condition.last_update_time.seconds == NOW
    assert condition.last_transition_time.seconds == NOW - 500


def test_it_looks_again_when_the_time_is_over():
    made = progressing(deployment(4), "ReplicaSetUpdated", since=NOW - 500)
    new = replica_set(made, NEW, 4, 0, current=0)
    assert reconcile(made, [new], NOW).wake_seconds == pytest.approx(101.0)
    assert reconcile(made, [replica_set(made, NEW, 4)], NOW).wake_seconds is None
    made.spec.paused = True
    assert reconcile(made, [new], NOW).wake_seconds is None


def test_without_a_deadline_nothing_is_said_of_progress():
    made = progressing(deployment(4), "ReplicaSetUpdated", since=NOW - 5)
    made.spec.progress_deadline_seconds = 2**31 - 1
    assert get_condition(told(made, replica_set(made, NEW, 4, 0)), "Progressing") is None


def test_a_failure_of_a_set_is_told_the_new_ones_first_and_taken_back():
    made = deployment(4)
    new, old = replica_set(made, NEW, 2, revision=2), replica_set(made, "old", 2, age=9)
    for rs, words in ((old, "old words"), (new, "exceeded quota")):
        rs.status.conditions.add(type="ReplicaFailure", status="True", reason="FailedCreate", message=words)
    made.status.CopyFrom(told(made, new, old))
    condition = get_condition(made.status, "ReplicaFailure")
    assert (condition.status, condition.reason, condition.message) == (
        "True",
        "FailedCreate",
        "exceeded quota",
    )
    del new.status.conditions[:], old.status.conditions[:]
    assert get_condition(told(made, new, old), "ReplicaFailure") is None
