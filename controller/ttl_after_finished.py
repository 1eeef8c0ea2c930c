"""Deletes Jobs that have ended after a time that they say, with all they own (`ttlSecondsAfterFinished`).

Follows upstream's `pkg/controller/ttlafterfinished`.
"""

import structlog
from prometheus_client import CollectorRegistry, Histogram

from controller.base import Controller, Tools, find
from vaina.api.batch.v1 import job_pb2
from vaina.cache.informer import InformerFactory
from vaina.clock import seconds_of
from vaina.errors import Conflict, NotFound
from vaina.kinds import JOB
from vaina.objects.conditions import find_condition
from vaina.objects.jobs import finished_as
from vaina.objects.meta import split_key

log = structlog.stdlib.get_logger(__name__)


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


class TtlAfterFinishedController(Controller):
    """Jobs that have ended."""

    name = "ttl-after-finished"

    def __init__(self, tools: Tools, factory: InformerFactory, registry: CollectorRegistry) -> None:
        super().__init__(tools)
        self._client = factory.clientset.jobs
        self._jobs = self.watch(factory.informer(JOB))
        self._seconds = Histogram(
            "ttl_after_finished_controller_job_deletion_duration_seconds",
            "The time it took to delete the job since it became eligible for deletion",
            registry=registry, buckets=tuple(0.1 * 2**power for power in range(14)),
        )  # fmt: skip

    async def sync(self, key: str) -> float | None:
        job = self._jobs.get(key)
        left = seconds_left(job, self.clock.now()) if job is not None else None
        if left is None or left > 0:
            return left
        namespace, name = split_key(key)
        # The cache may be late: the Job's time may have changed, or another Job may have its name.
        fresh = await find(self._client, name, namespace)
        left = seconds_left(fresh, self.clock.now()) if fresh is not None else None
        if fresh is None or left is None or left > 0:
            return left
        meta = fresh.metadata
        try:
            await self._client.delete(
                name, namespace, uid=meta.uid, resource_version=meta.resource_version,
                propagation_policy="Foreground",
            )  # fmt: skip
        except NotFound:
            return None
        except Conflict:
            return 0.0
        self._seconds.observe(-left)
        log.info("job deleted after its time", job=key, uid=meta.uid)
        return None
