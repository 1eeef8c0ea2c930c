"""PURE: when a Job that has ended is to go. Follows upstream's `pkg/controller/ttlafterfinished`."""

from vaina.api.batch.v1 import job_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import find_condition
from vaina.objects.jobs import finished_as


def seconds_left(job: job_pb2.Job, now: float) -> float | None:
    """Return the seconds until a Job is to be deleted, 0 or less: now; None: never."""
    kind = finished_as(job)
    if not kind or not job.spec.HasField("ttl_seconds_after_finished"):
        return None
    if job.metadata.HasField("deletion_timestamp"):
        return None
    condition = find_condition(job.status.conditions, kind)
    if condition is None or not condition.HasField("last_transition_time"):
        # Another controller's Job without a time stays (jobFinishTime is an error).
        return None
    return seconds_of(condition.last_transition_time) + job.spec.ttl_seconds_after_finished - now
