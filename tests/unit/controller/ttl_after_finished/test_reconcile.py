"""When a Job that has ended is to go."""

import pytest

from controller.ttl_after_finished import seconds_left
from vaina.api.batch.v1 import job_pb2
from vaina.clock import timestamp
from vaina.testing.builders import make_meta


def make_job(ended: str = "Complete", ttl: int | None = 10, deleted: float | None = None) -> job_pb2.Job:
    job = job_pb2.Job(metadata=make_meta("work", "default", deleted=deleted))
    if ttl is not None:
        job.spec.ttl_seconds_after_finished = ttl
    if ended:
        job.status.conditions.add(type=ended, status="True", last_transition_time=timestamp(100))
    return job


@pytest.mark.parametrize(
    ("job", "now", "want"),
    [
        (make_job(), 100, 10),
        (make_job("Failed"), 104, 6),
        (make_job(), 110, 0),
        (make_job(), 500, -390),
        (make_job(ttl=0), 100, 0),
        (make_job(ttl=None), 500, None),
        (make_job(""), 500, None),
        (make_job("Suspended"), 500, None),
        (make_job(deleted=200.0), 500, None),
    ],
    ids=[
        "just ended",
        "failed",
        "due",
        "overdue",
        "at once",
        "for ever",
        "running",
        "suspended",
        "going already",
    ],
)
def test_the_seconds_left(job: job_pb2.Job, now: float, want: float | None) -> None:
    assert seconds_left(job, now) == want


@pytest.mark.parametrize("ended", ["Complete", "Failed"])
@pytest.mark.parametrize("ttl", [0, 1, 10, 3600, 2**31 - 1])
@pytest.mark.parametrize("age", [0, 1, 10, 86400])
def test_it_is_due_when_its_time_is_over_and_not_before(ended: str, ttl: int, age: int) -> None:
    left = seconds_left(make_job(ended, ttl), 100 + age)
    assert left == ttl - age
    # Who waits for so long finds it due.
    assert seconds_left(make_job(ended, ttl), 100 + age + max(0, left)) == min(left, 0)


@pytest.mark.parametrize("other", ["SuccessCriteriaMet", "FailureTarget", "Suspended"])
def test_what_is_about_to_end_has_not(other: str) -> None:
    assert seconds_left(make_job(other), 500) is None


def test_a_condition_that_was_taken_back_does_not_count() -> None:
    job = make_job("")
    job.status.conditions.add(type="Failed", status="False", last_transition_time=timestamp(100))
    assert seconds_left(job, 500) is None


def test_a_job_of_which_nobody_says_when_it_ended_stays() -> None:
    """Another controller (managedBy) may have left the time out; upstream's jobFinishTime is an error then."""
    job = make_job(ttl=0)
    job.status.conditions[0].ClearField("last_transition_time")
    assert seconds_left(job, 10**9) is None
