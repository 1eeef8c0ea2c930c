"""`vaina describe` of Jobs and CronJobs, as kubectl writes it.

Follows `pkg/describe`: JobDescriber, CronJobDescriber.
"""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import selector_text
from cli.printers.describe_pod import describe_template
from cli.printers.job_columns import job_duration
from cli.printers.page import NONE, Page, controlled_by, describe_labels, describe_meta, show_time
from vaina.objects.jobs import is_indexed

_UNSET: Final = "<unset>"
#: completed indexes are shown up to so many characters
_MAX_INDEXES: Final = 50


def describe_job(page: Page, job: Any, _: Sequence[Any]) -> None:
    """Write what a Job is to do, and how far it is."""
    spec, status = job.spec, job.status
    describe_meta(page, job)
    page.value(0, "Selector", selector_text(spec.selector))
    describe_labels(page, job)
    if controlled_by(job):
        page.value(0, "Controlled By", controlled_by(job))
    if spec.HasField("parallelism"):
        page.value(0, "Parallelism", str(spec.parallelism))
    page.value(0, "Completions", str(spec.completions) if spec.HasField("completions") else _UNSET)
    for title, field in (
        ("Completion Mode", "completion_mode"), ("Suspend", "suspend"), ("Backoff Limit", "backoff_limit"),
        ("TTL Seconds After Finished", "ttl_seconds_after_finished"),
    ):  # fmt: skip
        if spec.HasField(field):
            value = getattr(spec, field)
            page.value(0, title, str(value).lower() if isinstance(value, bool) else str(value))
    if status.HasField("start_time"):
        page.value(0, "Start Time", show_time(status.start_time))
    if status.HasField("completion_time"):
        page.value(0, "Completed At", show_time(status.completion_time))
        page.value(0, "Duration", job_duration(job, 0.0))
    if spec.HasField("active_deadline_seconds"):
        page.value(0, "Active Deadline Seconds", f"{spec.active_deadline_seconds}s")
    ready = f" ({status.ready} Ready)" if status.HasField("ready") else ""
    counts = f"{status.active} Active{ready} / {status.succeeded} Succeeded / {status.failed} Failed"
    page.value(0, "Pods Statuses", counts)
    if is_indexed(spec):
        page.value(0, "Completed Indexes", _indexes(status.completed_indexes))
        if status.HasField("failed_indexes"):
            page.value(0, "Failed Indexes", _indexes(status.failed_indexes))
    page.line(0, "Pod Template:")
    describe_template(page, spec.template)


def _indexes(text: str) -> str:
    if len(text) < _MAX_INDEXES:
        return text or NONE
    return f"{text[:_MAX_INDEXES].rpartition(',')[0]}, ..."


def describe_cron_job(page: Page, cron_job: Any, _: Sequence[Any]) -> None:
    """Write when a CronJob makes Jobs, and which."""
    spec, status = cron_job.spec, cron_job.status
    describe_meta(page, cron_job)
    describe_labels(page, cron_job)
    page.value(0, "Schedule", spec.schedule)
    if spec.HasField("time_zone"):
        page.value(0, "Time Zone", spec.time_zone)
    page.value(0, "Concurrency Policy", spec.concurrency_policy)
    page.value(0, "Suspend", str(spec.suspend) if spec.HasField("suspend") else _UNSET)
    for title, field in (
        ("Successful Job History Limit", "successful_jobs_history_limit"),
        ("Failed Job History Limit", "failed_jobs_history_limit"),
    ):
        page.value(0, title, str(getattr(spec, field)) if spec.HasField(field) else _UNSET)
    deadline = f"{spec.starting_deadline_seconds}s" if spec.HasField("starting_deadline_seconds") else _UNSET
    page.value(0, "Starting Deadline Seconds", deadline)
    template = spec.job_template.spec
    page.value(0, "Selector", selector_text(template.selector) if template.HasField("selector") else _UNSET)
    for title, field in (("Parallelism", "parallelism"), ("Completions", "completions")):
        page.value(0, title, str(getattr(template, field)) if template.HasField(field) else _UNSET)
    if template.HasField("active_deadline_seconds"):
        page.value(0, "Active Deadline Seconds", f"{template.active_deadline_seconds}s")
    page.line(0, "Pod Template:")
    describe_template(page, template.template)
    page.value(0, "Last Schedule Time", show_time(status.last_schedule_time))
    names = ", ".join(reference.name for reference in status.active)
    page.value(0, "Active Jobs", names or NONE)
