"""PURE: which time of a schedule a CronJob is to keep now, and when to look again.

Follows upstream's `pkg/controller/cronjob/utils.go` (mostRecentScheduleTime, nextScheduleTimeDuration).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from vaina.api.batch.v1 import job_pb2
from vaina.clock import seconds_of
from vaina.objects.schedules import Schedule

#: seconds after its time when a schedule is looked at: clocks are not quite equal
DELTA_SECONDS = 0.1
#: more missed times than these are reported as too many
MANY_MISSED = 100


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
