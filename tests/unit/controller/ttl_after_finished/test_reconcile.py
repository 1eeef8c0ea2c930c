"""When a Job that has ended is to go."""

import pytest

from controller.ttl_after_finished.reconcile import seconds_left
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
