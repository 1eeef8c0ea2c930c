"""The rows of Jobs and CronJobs in `vaina get`: kubectl's columns.

Follows `pkg/printers/internalversion`: printJob, printCronJob.
"""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import selector_text
from cli.printers.duration import age, human_duration
from vaina.clock import seconds_of
from vaina.objects.jobs import COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, SUSPENDED, is_true

NONE: Final = "<none>"
JOB_HEADERS: Final = ("NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE")
CRON_JOB_HEADERS: Final = ("NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE")
WIDE: Final = ("CONTAINERS", "IMAGES", "SELECTOR")


def job_state(job: Any) -> str:
    """Return the word for what a Job is doing."""
    conditions = job.status.conditions
    for kind in (COMPLETE, FAILED):
        if is_true(conditions, kind):
            return kind
    if job.metadata.HasField("deletion_timestamp"):
        return "Terminating"
    return next(
        (kind for kind in (SUSPENDED, FAILURE_TARGET, SUCCESS_CRITERIA_MET) if is_true(conditions, kind)),
        "Running",
    )


def _completions(job: Any) -> str:
    done, spec = job.status.succeeded, job.spec
    if spec.HasField("completions"):
        return f"{done}/{spec.completions}"
    return f"{done}/1 of {spec.parallelism}" if spec.parallelism > 1 else f"{done}/1"


def job_duration(job: Any, now: float) -> str:
    """Return how long a Job has run, or ran; nothing when it has not begun."""
    status = job.status
    if not status.HasField("start_time"):
        return ""
    end = seconds_of(status.completion_time) if status.HasField("completion_time") else now
    return human_duration(end - seconds_of(status.start_time))


def _template(spec: Any) -> Sequence[str]:
    containers = spec.template.spec.containers
    selector = selector_text(spec.selector) if spec.HasField("selector") else NONE
    return ",".join(c.name for c in containers), ",".join(c.image for c in containers), selector or NONE


def job_row(job: Any, now: float) -> Sequence[str]:
    """Return the cells of a Job."""
    return (
        job.metadata.name, job_state(job), _completions(job), job_duration(job, now),
        age(job.metadata.creation_timestamp, now), *_template(job.spec),
    )  # fmt: skip


def cron_job_row(cron_job: Any, now: float) -> Sequence[str]:
    """Return the cells of a CronJob."""
    spec, status = cron_job.spec, cron_job.status
    last = age(status.last_schedule_time, now) if status.HasField("last_schedule_time") else NONE
    return (
        cron_job.metadata.name, spec.schedule, spec.time_zone if spec.HasField("time_zone") else NONE,
        str(spec.suspend) if spec.HasField("suspend") else "<unset>", str(len(status.active)), last,
        age(cron_job.metadata.creation_timestamp, now), *_template(spec.job_template.spec),
    )  # fmt: skip
