"""PURE: what to do for a CronJob at this time, and when to look again.

Follows `pkg/controller/cronjob/cronjob_controllerv2.go` (syncCronJob, cleanupFinishedJobs) and `utils.go`
(mostRecentScheduleTime, nextScheduleTimeDuration).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from controller.plans import NORMAL, WARNING, Note, copy_of
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import reference_pb2
from vaina.clock import seconds_of
from vaina.kinds import CRON_JOB
from vaina.objects.jobs import COMPLETE, FAILED, SCHEDULED_TIMESTAMP, finished_as
from vaina.objects.meta import new_controller_ref
from vaina.objects.schedules import Schedule, ScheduleError, format_time, parse, time_zone
from vaina.quoting import go_quote

#: seconds after its time when a schedule is looked at: clocks are not quite equal
DELTA_SECONDS = 0.1
#: more missed times than these are reported as too many
MANY_MISSED = 100


@dataclass(slots=True)
class CronPlan:
    """What to do, in this order."""

    #: of Jobs that ended or went, in the status
    status: job_pb2.CronJobStatus
    notes: list[Note] = field(default_factory=list[Note])
    #: still active, and in the way of the next one
    replace: list[reference_pb2.ObjectReference] = field(default_factory=list[reference_pb2.ObjectReference])
    create: job_pb2.Job | None = None
    #: the time that `create` is for
    scheduled: float = 0.0
    #: ended Jobs that are too many to be kept
    delete: Sequence[job_pb2.Job] = ()
    #: look again after so many seconds
    wake_seconds: float | None = None

    def warn(self, reason: str, message: str) -> None:
        self.notes.append(Note(WARNING, reason, message))


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
    plan = CronPlan(copy_of(cron_job.status))
    _look_at_jobs(plan, jobs)
    if cron_job.metadata.HasField("deletion_timestamp"):
        return plan
    plan.delete = _history(cron_job.spec, jobs)
    schedule = _schedule(plan, cron_job)
    if schedule is not None and not cron_job.spec.suspend:
        _start(plan, cron_job, schedule, now)
    return plan


def _schedule(plan: CronPlan, cron_job: job_pb2.CronJob) -> Schedule | None:
    spec = cron_job.spec
    zone = spec.time_zone if spec.HasField("time_zone") else None
    try:
        time_zone(zone)
    except ScheduleError as error:
        plan.warn("UnknownTimeZone", f"invalid timeZone: {go_quote(spec.time_zone)}: {error}")
        return None
    try:
        return parse(spec.schedule, zone)
    except ScheduleError as error:
        plan.warn("UnparseableSchedule", f"unparseable schedule: {go_quote(spec.schedule)} : {error}")
        return None


def _start(plan: CronPlan, cron_job: job_pb2.CronJob, schedule: Schedule, now: float) -> None:
    spec, status = cron_job.spec, plan.status
    try:
        found = due(cron_job, schedule, now)
    except NeverDue as error:
        plan.warn("InvalidSchedule", f"invalid schedule: {spec.schedule} : {error}")
        return
    plan.wake_seconds = seconds_to_next(cron_job, schedule, now)
    if found.time is None:
        return
    if found.missed > MANY_MISSED:
        message = (
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        )
        plan.warn("TooManyMissedTimes", message)
    scheduled = found.time
    if spec.HasField("starting_deadline_seconds") and scheduled + spec.starting_deadline_seconds < now:
        plan.warn("MissSchedule", f"Missed scheduled time to start a job: {rfc1123(scheduled)}")
        return
    if _is_processed(cron_job, status, scheduled):
        return
    if spec.concurrency_policy == "Forbid" and status.active:
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        plan.notes.append(Note(NORMAL, "JobAlreadyActive", message))
        return
    if spec.concurrency_policy == "Replace":
        plan.replace = [*status.active]
    plan.create, plan.scheduled = make_job(cron_job, scheduled), scheduled
    done = copy_of(cron_job)
    done.status.last_schedule_time.seconds = int(scheduled)
    plan.wake_seconds = seconds_to_next(done, schedule, now)


def _is_processed(cron_job: job_pb2.CronJob, status: job_pb2.CronJobStatus, scheduled: float) -> bool:
    name = job_name(cron_job, scheduled)
    if any(reference.name == name for reference in status.active):
        return True
    return status.HasField("last_schedule_time") and seconds_of(status.last_schedule_time) == int(scheduled)


def _look_at_jobs(plan: CronPlan, jobs: Sequence[job_pb2.Job]) -> None:
    status, notes = plan.status, plan.notes
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
            plan.warn("UnexpectedJob", message)
        if finished_as(job) == COMPLETE and job.status.HasField("completion_time"):
            ended_at = job.status.completion_time
            if seconds_of(ended_at) > seconds_of(status.last_successful_time):
                status.last_successful_time.CopyFrom(ended_at)


def _history(spec: job_pb2.CronJobSpec, jobs: Sequence[job_pb2.Job]) -> tuple[job_pb2.Job, ...]:
    found: list[job_pb2.Job] = []
    for kind, limit in ((COMPLETE, "successful_jobs_history_limit"), (FAILED, "failed_jobs_history_limit")):
        if not spec.HasField(limit):
            continue
        ended = sorted((job for job in jobs if finished_as(job) == kind), key=_by_start)
        found.extend(ended[: max(0, len(ended) - getattr(spec, limit))])
    return tuple(job for job in found if not job.metadata.HasField("deletion_timestamp"))


def _by_start(job: job_pb2.Job) -> tuple[bool, float, str]:
    started = job.status.HasField("start_time")
    return not started, seconds_of(job.status.start_time) if started else 0.0, job.metadata.name


class NeverDue(ValueError):
    """A schedule that can be read and makes no sense: the 31st of February."""


@dataclass(frozen=True, slots=True)
class Due:
    """What the clock says of a CronJob; times in seconds since the epoch."""

    #: looked at from this time on
    since: float
    #: the last time that is due; None: none is
    time: float | None = None
    #: how many were missed, roughly; 0 for one that is just due
    missed: int = 0


def due(cron_job: job_pb2.CronJob, schedule: Schedule, now: float, *, with_deadline: bool = True) -> Due:
    """Return the most recent time that is due. Raises NeverDue."""
    spec, status = cron_job.spec, cron_job.status
    since = seconds_of(
        status.last_schedule_time
        if status.HasField("last_schedule_time")
        else cron_job.metadata.creation_timestamp
    )
    if with_deadline and spec.HasField("starting_deadline_seconds"):
        # Nothing older than this is started any more.
        since = max(since, now - spec.starting_deadline_seconds)
    first = schedule.next(since)
    second = schedule.next(first) if first is not None else None
    if first is None or second is None or second - first < 1:
        raise NeverDue("time difference between two schedules is less than 1 second")
    if now < first:
        return Due(since)
    if now < second:
        return Due(since, first)
    between = round(second - first)
    missed = int((now - first) // between) + 1
    return Due(since, _latest(schedule, first, between, missed, now), missed)


def _latest(schedule: Schedule, first: float, between: float, missed: int, now: float) -> float:
    """Return the last time up to `now`, trying every time from two intervals back: they differ in length.

    Upstream finds none when it begins in a longer gap; here the search begins further back then.
    """
    back = 2
    while True:
        start = max(first, first + (missed - back) * between)
        latest = first if start == first else None
        time = schedule.next(start)
        while time is not None and time <= now:
            time, latest = schedule.next(time), time
        if latest is not None:
            return latest
        back *= 2


def seconds_to_next(cron_job: job_pb2.CronJob, schedule: Schedule, now: float) -> float | None:
    """Return the seconds until the next time, a little later; None: there is none."""
    try:
        found = due(cron_job, schedule, now, with_deadline=False)
    except NeverDue:
        base = now
    else:
        base = found.time if found.time is not None else found.since if not found.missed else now
    following = schedule.next(base)
    return None if following is None else max(0.0, following + DELTA_SECONDS - now)


def rfc1123(seconds: float) -> str:
    """Write a time as upstream's events do: Thu, 01 Jan 2026 09:00:00 +0000."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC))
