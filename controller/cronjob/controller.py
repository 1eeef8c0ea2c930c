"""The shell of CronJobs: informers in, plan out.

A Job has the name of its time: it is made once, whoever dies in between.

Follows upstream's `pkg/controller/cronjob/cronjob_controllerv2.go`.
"""

import structlog
from prometheus_client import CollectorRegistry, Histogram

from controller.base import Controller, Tools
from controller.cronjob.reconcile import CronPlan, reconcile
from controller.cronjob.timing import seconds_to_next
from controller.ownership import BY_CONTROLLER, by_controller
from controller.pod_control import NAMESPACE_TERMINATING
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import reference_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.clock import seconds_of, timestamp
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.kinds import CRON_JOB, JOB
from vaina.objects.meta import controller_of, is_controlled_by, object_key
from vaina.objects.schedules import ScheduleError, parse

log = structlog.stdlib.get_logger(__name__)

#: index of CronJobs by uid
BY_UID = "uid"
#: look again after this time when the cache does not show what was written
RECHECK_SECONDS = 15.0


class CronJobController(Controller):
    """CronJobs."""

    name = "cronjob"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, registry: CollectorRegistry
    ) -> None:
        self._cron_jobs, self._jobs = factory.informer(CRON_JOB), factory.informer(JOB)
        super().__init__(tools, (self._cron_jobs, self._jobs))
        self._client, self._recorder = factory.clientset, recorder
        #: key -> the version that this process wrote last
        self._written: dict[str, int] = {}
        self._skew = Histogram(
            "cronjob_controller_job_creation_skew_duration_seconds",
            "Time between when a cronjob is scheduled to be run, and when the corresponding job is created",
            registry=registry, buckets=tuple(2.0**power for power in range(10)),
        )  # fmt: skip
        self._jobs.ensure_indexer(BY_CONTROLLER, by_controller)
        self._cron_jobs.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))
        self._cron_jobs.add_handler(
            on_add=lambda obj: self.queue.add(object_key(obj)),
            on_update=self._on_update,
            on_delete=lambda obj: self.queue.add(object_key(obj)),
        )
        self._jobs.add_handler(
            on_add=self._look_at, on_update=lambda _, new: self._look_at(new), on_delete=self._look_at
        )

    async def sync(self, key: str) -> float | None:
        cron_job = self._cron_jobs.lister.get(key)
        if cron_job is None:
            self._written.pop(key, None)
            return None
        if self._written.get(key, 0) > int(cron_job.metadata.resource_version):
            # The event that brings the cache up to date comes back here.
            return RECHECK_SECONDS
        jobs = await self._jobs_of(cron_job)
        plan = reconcile(cron_job, jobs, self.clock.now())
        for note in plan.notes:
            self._recorder.event(cron_job, note.type, note.reason, note.message)
        status, error = await self._act(cron_job, plan)
        if status != cron_job.status:
            changed = job_pb2.CronJob()
            changed.CopyFrom(cron_job)
            changed.status.CopyFrom(status)
            stored = await self._client.cron_jobs.update_status(changed)
            self._written[key] = int(stored.metadata.resource_version)
        for job in plan.delete:
            await self._delete(cron_job, job.metadata.name, job.metadata.uid)
        if error is not None:
            raise error
        return plan.wake_seconds

    async def _jobs_of(self, cron_job: job_pb2.CronJob) -> list[job_pb2.Job]:
        """Return the Jobs that a CronJob made.

        Those that it thinks active are asked for when the cache has none of them.
        """
        meta = cron_job.metadata
        found = {job.metadata.uid: job for job in self._jobs.lister.by_index(BY_CONTROLLER, meta.uid)}
        for reference in cron_job.status.active:
            if reference.uid not in found:
                try:
                    job = await self._client.jobs.get(reference.name, meta.namespace)
                except NotFound:
                    continue
                if job.metadata.uid == reference.uid:
                    found[reference.uid] = job
        return [*found.values()]

    async def _act(
        self, cron_job: job_pb2.CronJob, plan: CronPlan
    ) -> tuple[job_pb2.CronJobStatus, ApiError | None]:
        """Replace and create; returns the status as it is then."""
        status = job_pb2.CronJobStatus()
        status.CopyFrom(plan.status)
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

    async def _confirm(self, cron_job: job_pb2.CronJob) -> None:
        """No Job is made on the word of the cache alone.

        Raises Conflict when the CronJob has changed, or is gone.
        """
        meta = cron_job.metadata
        try:
            fresh = (await self._client.cron_jobs.get(meta.name, meta.namespace)).metadata
        except NotFound as error:
            raise Conflict(f"CronJob {meta.name} is gone") from error
        if (fresh.uid, fresh.resource_version) != (meta.uid, meta.resource_version):
            raise Conflict(f"CronJob {meta.name} has changed meanwhile")

    async def _create(
        self, cron_job: job_pb2.CronJob, job: job_pb2.Job, scheduled: float
    ) -> job_pb2.Job | None:
        """Create a Job, or find the one that an earlier, unanswered call made.

        None when it is somebody else's.
        """
        try:
            made = await self._client.jobs.create(job)
        except AlreadyExists:
            there = await self._client.jobs.get(job.metadata.name, job.metadata.namespace)
            return there if is_controlled_by(there.metadata, cron_job.metadata.uid) else None
        except ApiError as error:
            if not any(cause.type == NAMESPACE_TERMINATING for cause in error.causes):
                message = f"Error creating job: {error.message}"
                self._recorder.event(cron_job, WARNING, "FailedCreate", message)
            raise
        self._skew.observe(max(0.0, seconds_of(made.metadata.creation_timestamp) - scheduled))
        self._recorder.event(cron_job, NORMAL, "SuccessfulCreate", f"Created job {made.metadata.name}")
        log.info("job created", cron_job=object_key(cron_job), job=made.metadata.name, uid=made.metadata.uid)
        return made

    async def _delete(self, cron_job: job_pb2.CronJob, name: str, uid: str) -> None:
        """Delete a Job with its Pods. Raises ApiError."""
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

    def _look_at(self, job: job_pb2.Job) -> None:
        reference = controller_of(job.metadata)
        if reference is not None and reference.kind == CRON_JOB.kind:
            for cron_job in self._cron_jobs.lister.by_index(BY_UID, reference.uid):
                self.queue.add(object_key(cron_job))


def _reference(job: job_pb2.Job) -> reference_pb2.ObjectReference:
    meta = job.metadata
    return reference_pb2.ObjectReference(
        kind=JOB.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid, api_version=JOB.api_version,
        resource_version=meta.resource_version,
    )  # fmt: skip
