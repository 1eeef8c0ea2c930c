"""The pages of what makes Pods from a template in `vaina describe`, in kubectl's form (`pkg/describe`)."""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import UNSET, int_or_text, job_duration, selector_text, set_text, show_selector
from cli.printers.describe_pod import describe_template
from cli.printers.page import NONE, Page, controlled_by, describe_labels, describe_meta, show_time
from vaina.objects.jobs import is_indexed
from vaina.objects.rollouts import new_replica_set, old_replica_sets, replicas_of

#: completed indexes are shown up to so many characters
_MAX_INDEXES: Final = 50
_PHASES: Final = {"Running": "Running", "Pending": "Waiting", "Succeeded": "Succeeded", "Failed": "Failed"}


def describe_replicas(page: Page, owner: Any, pods: Sequence[Any]) -> None:
    """Write the page of a ReplicaSet or ReplicationController; `pods` are those that it owns."""
    describe_meta(page, owner)
    page.value(0, "Selector", show_selector(owner))
    describe_labels(page, owner)
    phases = [pod.status.phase for pod in pods]
    page.values(
        0,
        ("Controlled By", controlled_by(owner)),
        ("Replicas", f"{owner.status.replicas} current / {set_text(owner.spec, 'replicas', '1')} desired"),
        ("Pods Status", " / ".join(f"{phases.count(phase)} {word}" for phase, word in _PHASES.items())),
    )
    describe_template(page, owner.spec.template)
    page.conditions(owner.status, "Type", "Status", "Reason")


def describe_deployment(page: Page, found: Any, sets: Sequence[Any]) -> None:
    """Write the page of a Deployment; `sets` are its ReplicaSets."""
    spec, status = found.spec, found.status
    describe_meta(page, found)
    page.value(0, "CreationTimestamp", show_time(found.metadata.creation_timestamp))
    describe_labels(page, found)
    counts = {
        "desired": replicas_of(found),
        "updated": status.updated_replicas,
        "total": status.replicas,
        "available": status.available_replicas,
        "unavailable": status.unavailable_replicas,
    }
    rolling = spec.strategy.rolling_update
    steps = (
        f"{int_or_text(rolling.max_unavailable)} max unavailable, {int_or_text(rolling.max_surge)} max surge"
    )
    page.values(
        0,
        ("Selector", show_selector(found)),
        ("Replicas", " | ".join(f"{count} {word}" for word, count in counts.items())),
        ("StrategyType", spec.strategy.type),
        ("MinReadySeconds", str(spec.min_ready_seconds)),
        ("RollingUpdateStrategy", steps if spec.strategy.HasField("rolling_update") else None),
    )
    describe_template(page, spec.template)
    page.conditions(status, "Type", "Status", "Reason")
    new = new_replica_set(found, sets)
    old = [rs for rs in old_replica_sets(found, sets) if replicas_of(rs) or rs.status.replicas]
    page.value(0, "OldReplicaSets", ", ".join(_made(rs) for rs in old) or NONE)
    page.value(0, "NewReplicaSet", NONE if new is None else _made(new))


def _made(rs: Any) -> str:
    return f"{rs.metadata.name} ({rs.status.replicas}/{replicas_of(rs)} replicas created)"


def describe_job(page: Page, job: Any, _: Sequence[Any]) -> None:
    """Write what a Job is to do, and how far it is."""
    spec, status = job.spec, job.status
    describe_meta(page, job)
    page.value(0, "Selector", selector_text(spec.selector))
    describe_labels(page, job)
    ended = status.HasField("completion_time")
    ready = f" ({status.ready} Ready)" if status.HasField("ready") else ""
    page.values(
        0,
        ("Controlled By", controlled_by(job)),
        ("Parallelism", _given(spec, "parallelism")),
        ("Completions", set_text(spec, "completions")),
        ("Completion Mode", _given(spec, "completion_mode")),
        ("Suspend", str(spec.suspend).lower() if spec.HasField("suspend") else None),
        ("Backoff Limit", _given(spec, "backoff_limit")),
        ("TTL Seconds After Finished", _given(spec, "ttl_seconds_after_finished")),
        ("Start Time", show_time(status.start_time) if status.HasField("start_time") else None),
        ("Completed At", show_time(status.completion_time) if ended else None),
        ("Duration", job_duration(job, 0.0) if ended else None),
        ("Active Deadline Seconds", _given(spec, "active_deadline_seconds", "s")),
        (
            "Pods Statuses",
            f"{status.active} Active{ready} / {status.succeeded} Succeeded / {status.failed} Failed",
        ),
    )
    if is_indexed(spec):
        page.value(0, "Completed Indexes", _indexes(status.completed_indexes))
        if status.HasField("failed_indexes"):
            page.value(0, "Failed Indexes", _indexes(status.failed_indexes))
    describe_template(page, spec.template)


def _given(message: Any, field: str, unit: str = "") -> str | None:
    return f"{getattr(message, field)}{unit}" if message.HasField(field) else None


def _indexes(text: str) -> str:
    if len(text) < _MAX_INDEXES:
        return text or NONE
    return f"{text[:_MAX_INDEXES].rpartition(',')[0]}, ..."


def describe_cron_job(page: Page, cron_job: Any, _: Sequence[Any]) -> None:
    """Write when a CronJob makes Jobs, and which."""
    spec, status, job = cron_job.spec, cron_job.status, cron_job.spec.job_template.spec
    describe_meta(page, cron_job)
    describe_labels(page, cron_job)
    page.values(
        0,
        ("Schedule", spec.schedule),
        ("Time Zone", _given(spec, "time_zone")),
        ("Concurrency Policy", spec.concurrency_policy),
        ("Suspend", set_text(spec, "suspend")),
        ("Successful Job History Limit", set_text(spec, "successful_jobs_history_limit")),
        ("Failed Job History Limit", set_text(spec, "failed_jobs_history_limit")),
        ("Starting Deadline Seconds", _given(spec, "starting_deadline_seconds", "s") or UNSET),
        ("Selector", selector_text(job.selector) if job.HasField("selector") else UNSET),
        ("Parallelism", set_text(job, "parallelism")),
        ("Completions", set_text(job, "completions")),
        ("Active Deadline Seconds", _given(job, "active_deadline_seconds", "s")),
    )
    describe_template(page, job.template)
    page.value(0, "Last Schedule Time", show_time(status.last_schedule_time))
    page.value(0, "Active Jobs", ", ".join(reference.name for reference in status.active) or NONE)
