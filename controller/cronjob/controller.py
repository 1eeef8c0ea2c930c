"""The shell of CronJobs (upstream's `pkg/controller/cronjob/cronjob_controllerv2.go`).

A Job has the name of its time, so that it is made once whatever dies in between.
"""

import structlog
from prometheus_client import CollectorRegistry, Histogram

from controller.base import Tools, find
from controller.cronjob.reconcile import CronPlan, reconcile, seconds_to_next
from controller.owning import RECHECK_SECONDS, OwningController
from controller.plans import copy_of
from controller.pod_control import is_namespace_ending
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import reference_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.clock import seconds_of, timestamp
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.kinds import CRON_JOB, JOB
from vaina.objects.meta import controller_of, is_controlled_by, object_key
from vaina.objects.schedules import ScheduleError, parse

log = structlog.stdlib.get_logger(__name__)


class CronJobController(OwningController):
    """CronJobs."""

    name = "cronjob"
    kind = CRON_JOB
    dependent_kind = JOB
    confirmed_by = "resource_version"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, registry: CollectorRegistry
    ) -> None:
        super().__init__(tools, factory, recorder)
        self._skew = Histogram(
            "cronjob_controller_job_creation_skew_duration_seconds",
            "Time between when a cronjob is scheduled to be run, and when the corresponding job is created",
            registry=registry, buckets=tuple(2.0**power for power in range(10)),
        )  # fmt: skip
        self._owners.add_handler(
            on_add=lambda obj: self.queue.add(object_key(obj)),
            on_update=self._on_update,
            on_delete=lambda obj: self.queue.add(object_key(obj)),
        )
        self.watch(self._dependents, self._keys_of_owners)

    async def sync(self, key: str) -> float | None:
        cron_job = self._owners.lister.get(key)
        if cron_job is None:
            self._forget(key)
            return None
        if not self._is_up_to_date(key):
            return RECHECK_SECONDS
        jobs = await self._jobs_of(cron_job)
        plan = reconcile(cron_job, jobs, self.clock.now())
        for note in plan.notes:
            self._recorder.event(cron_job, *note)
        status, error = await self._act(cron_job, plan)
        if status != cron_job.status:
            self._note(key, await self._write_status(cron_job, status), of=self._owner_writes)
        for job in plan.delete:
            await self._delete(cron_job, job.metadata.name, job.metadata.uid)
        if error is not None:
            raise error
        return plan.wake_seconds

    async def _jobs_of(self, cron_job: job_pb2.CronJob) -> list[job_pb2.Job]:
        """Return the Jobs that a CronJob made; those of its status that the cache has not are asked for."""
        meta = cron_job.metadata
        found = {job.metadata.uid: job for job in self._own(meta)}
        for reference in cron_job.status.active:
            if reference.uid not in found:
                job = await find(self._client.jobs, reference.name, meta.namespace)
                if job is not None and job.metadata.uid == reference.uid:
                    found[reference.uid] = job
        return [*found.values()]

    async def _act(
        self, cron_job: job_pb2.CronJob, plan: CronPlan
    ) -> tuple[job_pb2.CronJobStatus, ApiError | None]:
        status = copy_of(plan.status)
        if plan.create is None:
            return status, None
        try:
            await self._confirm(cron_job)
            for reference in plan.replace:
                await self._delete(cron_job, reference.name, reference.uid)
                kept = [other for other in status.active if other.uid != reference.uid]
                del status.active[:]
                status.active.extend(kept)
            job = await self._create(cron_job, plan.create, plan.scheduled)
        except ApiError as error:
            return status, error
        if job is not None and all(reference.uid != job.metadata.uid for reference in status.active):
            status.active.append(_reference(job))
            status.last_schedule_time.CopyFrom(timestamp(plan.scheduled))
        return status, None

    async def _create(
        self, cron_job: job_pb2.CronJob, job: job_pb2.Job, scheduled: float
    ) -> job_pb2.Job | None:
        """Create a Job, or find the one that an earlier call made; None when the name is another owner's."""
        try:
            made = await self._client.jobs.create(job)
        except AlreadyExists:
            there = await self._client.jobs.get(job.metadata.name, job.metadata.namespace)
            return there if is_controlled_by(there.metadata, cron_job.metadata.uid) else None
        except ApiError as error:
            if not is_namespace_ending(error):
                message = f"Error creating job: {error.message}"
                self._recorder.event(cron_job, WARNING, "FailedCreate", message)
            raise
        self._skew.observe(max(0.0, seconds_of(made.metadata.creation_timestamp) - scheduled))
        self._recorder.event(cron_job, NORMAL, "SuccessfulCreate", f"Created job {made.metadata.name}")
        log.info("job created", cron_job=object_key(cron_job), job=made.metadata.name, uid=made.metadata.uid)
        return made

    async def _delete(self, cron_job: job_pb2.CronJob, name: str, uid: str) -> None:
        try:
            await self._client.jobs.delete(
                name, cron_job.metadata.namespace, uid=uid, propagation_policy="Background"
            )
        except (NotFound, Conflict):
            # Gone, or another Job by now.
            return
        except ApiError as error:
            self._recorder.event(cron_job, WARNING, "FailedDelete", f"Deleted job: {error.message}")
            raise
        self._recorder.event(cron_job, NORMAL, "SuccessfulDelete", f"Deleted job {name}")

    def _on_update(self, old: job_pb2.CronJob, new: job_pb2.CronJob) -> None:
        key = object_key(new)
        before, after = (old.spec.schedule, old.spec.time_zone), (new.spec.schedule, new.spec.time_zone)
        if before == after:
            self.queue.add(key)
            return
        # Times of the new schedule that have passed are not made up for: it holds from now on.
        try:
            schedule = parse(new.spec.schedule, new.spec.time_zone or None)
        except ScheduleError:
            self.queue.add(key)
            return
        self.queue.add_after(key, seconds_to_next(new, schedule, self.clock.now()) or 0.0)

    def _owners_of(self, dependent: job_pb2.Job) -> list[job_pb2.CronJob]:
        # CronJobs adopt nothing.
        return [] if controller_of(dependent.metadata) is None else super()._owners_of(dependent)


def _reference(job: job_pb2.Job) -> reference_pb2.ObjectReference:
    meta = job.metadata
    return reference_pb2.ObjectReference(
        kind=JOB.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid, api_version=JOB.api_version,
        resource_version=meta.resource_version,
    )  # fmt: skip
