"""PURE: what to do for a CronJob at this time.

Follows `pkg/controller/cronjob/cronjob_controllerv2.go` (syncCronJob, cleanupFinishedJobs).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.cronjob.timing import MANY_MISSED, NeverDue, due, rfc1123, seconds_to_next
from controller.plans import NORMAL, WARNING, Note, copy_of
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import reference_pb2
from vaina.clock import seconds_of
from vaina.kinds import CRON_JOB
from vaina.objects.jobs import COMPLETE, FAILED, SCHEDULED_TIMESTAMP, finished_as
from vaina.objects.meta import new_controller_ref
from vaina.objects.schedules import Schedule, ScheduleError, format_time, parse, time_zone
from vaina.quoting import go_quote


@dataclass(frozen=True, slots=True)
class CronPlan:
    """What to do, in this order."""

    #: of Jobs that ended or went, in the status
    status: job_pb2.CronJobStatus
    notes: tuple[Note, ...] = ()
    #: still active, and in the way of the next one
    replace: tuple[reference_pb2.ObjectReference, ...] = ()
    create: job_pb2.Job | None = None
    #: the time that `create` is for
    scheduled: float = 0.0
    #: ended Jobs that are too many to be kept
    delete: tuple[job_pb2.Job, ...] = ()
    #: look again after so many seconds
    wake_seconds: float | None = None


def job_name(cron_job: job_pb2.CronJob, scheduled: float) -> str:
    """Return the name of the Job for a time: the same whoever makes it, so that it is made once."""
    return f"{cron_job.metadata.name}-{int(scheduled) // 60}"


def make_job(cron_job: job_pb2.CronJob, scheduled: float) -> job_pb2.Job:
    """Return the Job for a time."""
    spec = cron_job.spec
    template = spec.job_template
    job = job_pb2.Job()
    job.metadata.name = job_name(cron_job, scheduled)
    job.metadata.namespace = cron_job.metadata.namespace
    job.metadata.labels.update(template.metadata.labels)
    job.metadata.annotations.update(template.metadata.annotations)
    zone = spec.time_zone if spec.HasField("time_zone") else None
    job.metadata.annotations[SCHEDULED_TIMESTAMP] = format_time(scheduled, zone)
    reference = new_controller_ref(cron_job, CRON_JOB.api_version, CRON_JOB.kind)
    job.metadata.owner_references.append(reference)
    job.spec.CopyFrom(template.spec)
    return job


def reconcile(cron_job: job_pb2.CronJob, jobs: Sequence[job_pb2.Job], now: float) -> CronPlan:
    """Decide what to do for a CronJob; `jobs` are those that it made and that are there."""
    status, notes = _look_at_jobs(cron_job, jobs)
    delete = _history(cron_job.spec, jobs)
    seen = CronPlan(status, tuple(notes), delete=delete)
    if cron_job.metadata.HasField("deletion_timestamp"):
        return CronPlan(status, tuple(notes))
    schedule = _schedule(cron_job, notes)
    if schedule is None or cron_job.spec.suspend:
        return CronPlan(status, tuple(notes), delete=delete)
    return _at(cron_job, status, schedule, now, seen)


def _schedule(cron_job: job_pb2.CronJob, notes: list[Note]) -> Schedule | None:
    """Return the schedule; None, and a note, for one that cannot be kept."""
    spec = cron_job.spec
    zone = spec.time_zone if spec.HasField("time_zone") else None
    try:
        time_zone(zone)
    except ScheduleError as error:
        message = f"invalid timeZone: {go_quote(spec.time_zone)}: {error}"
        notes.append(Note(WARNING, "UnknownTimeZone", message))
        return None
    try:
        return parse(spec.schedule, zone)
    except ScheduleError as error:
        message = f"unparseable schedule: {go_quote(spec.schedule)} : {error}"
        notes.append(Note(WARNING, "UnparseableSchedule", message))
        return None


def _at(
    cron_job: job_pb2.CronJob, status: job_pb2.CronJobStatus, schedule: Schedule, now: float, seen: CronPlan
) -> CronPlan:
    spec, notes = cron_job.spec, list(seen.notes)

    def plan(wake: float | None) -> CronPlan:
        return CronPlan(status, tuple(notes), delete=seen.delete, wake_seconds=wake)

    try:
        found = due(cron_job, schedule, now)
    except NeverDue as error:
        notes.append(Note(WARNING, "InvalidSchedule", f"invalid schedule: {spec.schedule} : {error}"))
        return plan(None)
    wake = seconds_to_next(cron_job, schedule, now)
    if found.time is None:
        return plan(wake)
    if found.missed > MANY_MISSED:
        message = (
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        )
        notes.append(Note(WARNING, "TooManyMissedTimes", message))
    scheduled = found.time
    if spec.HasField("starting_deadline_seconds") and scheduled + spec.starting_deadline_seconds < now:
        message = f"Missed scheduled time to start a job: {rfc1123(scheduled)}"
        notes.append(Note(WARNING, "MissSchedule", message))
        return plan(wake)
    if _is_processed(cron_job, status, scheduled):
        return plan(wake)
    if spec.concurrency_policy == "Forbid" and status.active:
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        notes.append(Note(NORMAL, "JobAlreadyActive", message))
        return plan(wake)
    replace = tuple(status.active) if spec.concurrency_policy == "Replace" else ()
    done = copy_of(cron_job)
    done.status.last_schedule_time.seconds = int(scheduled)
    return CronPlan(
        status, tuple(notes), replace, make_job(cron_job, scheduled), scheduled, seen.delete,
        seconds_to_next(done, schedule, now),
    )  # fmt: skip


def _is_processed(cron_job: job_pb2.CronJob, status: job_pb2.CronJobStatus, scheduled: float) -> bool:
    name = job_name(cron_job, scheduled)
    if any(reference.name == name for reference in status.active):
        return True
    return status.HasField("last_schedule_time") and seconds_of(status.last_schedule_time) == int(scheduled)


def _look_at_jobs(
    cron_job: job_pb2.CronJob, jobs: Sequence[job_pb2.Job]
) -> tuple[job_pb2.CronJobStatus, list[Note]]:
    """Return the status as the Jobs have it, and the Events about them."""
    status, notes = copy_of(cron_job.status), list[Note]()
    there = {job.metadata.uid: job for job in jobs}
    listed = {reference.uid for reference in status.active}
    kept: list[reference_pb2.ObjectReference] = []
    for reference in status.active:
        job = there.get(reference.uid)
        if job is None:
            notes.append(Note(NORMAL, "MissingJob", f"Active job went missing: {reference.name}"))
        elif ended := finished_as(job):
            message = f"Saw completed job: {reference.name}, status: {ended}"
            notes.append(Note(NORMAL, "SawCompletedJob", message))
        else:
            kept.append(reference)
    del status.active[:]
    status.active.extend(kept)
    for job in jobs:
        if job.metadata.uid not in listed and not finished_as(job):
            message = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
            notes.append(Note(WARNING, "UnexpectedJob", message))
        if finished_as(job) == COMPLETE and job.status.HasField("completion_time"):
            ended_at = job.status.completion_time
            if seconds_of(ended_at) > seconds_of(status.last_successful_time):
                status.last_successful_time.CopyFrom(ended_at)
    return status, notes


def _history(spec: job_pb2.CronJobSpec, jobs: Sequence[job_pb2.Job]) -> tuple[job_pb2.Job, ...]:
    """Return the ended Jobs that are too many, the oldest first."""
    found: list[job_pb2.Job] = []
    for kind, field in ((COMPLETE, "successful_jobs_history_limit"), (FAILED, "failed_jobs_history_limit")):
        if not spec.HasField(field):
            continue
        ended = sorted((job for job in jobs if finished_as(job) == kind), key=_by_start)
        found.extend(ended[: max(0, len(ended) - getattr(spec, field))])
    return tuple(job for job in found if not job.metadata.HasField("deletion_timestamp"))


def _by_start(job: job_pb2.Job) -> tuple[bool, float, str]:
    started = job.status.HasField("start_time")
    return not started, seconds_of(job.status.start_time) if started else 0.0, job.metadata.name
