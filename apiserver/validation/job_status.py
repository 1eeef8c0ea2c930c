"""Rules for the status of a Job: who manages one (`managedBy`) must keep the promises that others rely on.

Most rules are asked only of what an update changes, so that a status that breaks one can still be mended
elsewhere. Follows `pkg/apis/batch/validation`: validateJobStatus, ValidateJobStatusUpdate, and
getStatusValidationOptions of `pkg/registry/batch/job/strategy.go`.
"""

from apiserver.validation.place import Place, given
from vaina.api.batch.v1 import job_pb2
from vaina.clock import seconds_of
from vaina.objects.jobs import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    IndexesError,
    first_overlap,
    is_finished,
    is_indexed,
    is_true,
    parse_indexes,
    parse_indexes_strictly,
)
from vaina.objects.times import format_time

Job = job_pb2.Job


def check_job_status(root: Place, new: Job, old: Job) -> None:
    """Check a changed status."""
    path = root.child("status")
    path.check_counts(new.status, "active", "succeeded", "failed", "ready", "terminating")
    _check_uncounted(path, new.status)
    for check in (_check_conditions, _check_times, _check_finished, _check_indexes, _check_counters):
        check(path, new, old)


def _changed(new: Job, old: Job, field: str) -> bool:
    return bool(given(new.status, field) != given(old.status, field))


def _check_uncounted(path: Place, status: job_pb2.JobStatus) -> None:
    seen: set[str] = set()
    for name in ("succeeded", "failed"):
        for index, uid in enumerate(getattr(status.uncounted_terminated_pods, name)):
            at = path.child("uncountedTerminatedPods", name).index(index)
            if not uid:
                at.invalid(uid, "must not be empty")
            elif uid in seen:
                at.duplicate(uid)
            seen.add(uid)


def _check_conditions(path: Place, new: Job, old: Job) -> None:
    def has(kind: str) -> bool:
        return is_true(new.status.conditions, kind)

    def had(kind: str) -> bool:
        return is_true(old.status.conditions, kind)

    def turned(*kinds: str) -> bool:
        return any(has(kind) != had(kind) for kind in kinds)

    complete, failed, target, met = has(COMPLETE), has(FAILED), has(FAILURE_TARGET), has(SUCCESS_CRITERIA_MET)
    rules = (
        (complete and failed and turned(COMPLETE, FAILED), "cannot set Complete=True and Failed=true conditions"),
        (complete and target and turned(COMPLETE, FAILURE_TARGET),
         "cannot set Complete=True and FailureTarget=true conditions"),
        (failed and not target and turned(FAILED, FAILURE_TARGET),
         "cannot set Failed=True condition without the FailureTarget=true condition"),
        (complete and not met and turned(COMPLETE, SUCCESS_CRITERIA_MET),
         "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
        (met and failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (met and target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        (new.spec.HasField("success_policy") and complete and not met,
         "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"),
        *(
            (had(kind) and not has(kind), f"cannot disable the terminal {kind}=True condition")
            for kind in (FAILED, COMPLETE, FAILURE_TARGET)
        ),
        (had(SUCCESS_CRITERIA_MET) and not met, "cannot disable the SuccessCriteriaMet=True condition"),
        (had(COMPLETE) and not had(SUCCESS_CRITERIA_MET) and met,
         "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"),
    )  # fmt: skip
    for broken, detail in rules:
        if broken:
            path.child("conditions").wrong(detail)


def _check_times(path: Place, new: Job, old: Job) -> None:
    status, before = new.status, old.status
    complete, was_complete = is_true(status.conditions, COMPLETE), is_true(before.conditions, COMPLETE)
    at, shown = path.child("completionTime"), format_time(status.completion_time)
    ended, started = status.HasField("completion_time"), status.HasField("start_time")
    completion_changed, start_changed = (
        _changed(new, old, "completion_time"),
        _changed(new, old, "start_time"),
    )
    if completion_changed or complete != was_complete:
        if ended and not complete:
            at.invalid(shown, "cannot set completionTime when there is no Complete=True condition")
        if complete and not ended:
            at.required("completionTime is required for Complete jobs")
    earlier = ended and started and seconds_of(status.completion_time) < seconds_of(status.start_time)
    if earlier and (completion_changed or start_changed):
        at.invalid(shown, "completionTime cannot be set before startTime")
    if ended and before.HasField("completion_time") and completion_changed:
        at.invalid(shown, "completionTime cannot be mutated")
    if before.HasField("start_time") and start_changed and not new.spec.suspend:
        path.child("startTime").required("startTime cannot be removed for unsuspended job")


def _check_finished(path: Place, new: Job, old: Job) -> None:
    """What is still under way may not be told of a Job that has ended."""
    status, finished = new.status, is_finished(new)
    ended_now = finished and not is_finished(old)

    def asked(field: str) -> bool:
        return finished and (ended_now or _changed(new, old, field))

    if asked("active") and status.active > 0:
        path.child("active").invalid(status.active, "active>0 is invalid for finished job")
    if asked("start_time") and not status.HasField("start_time"):
        path.child("startTime").required("startTime is required for finished job")
    uncounted = status.uncounted_terminated_pods
    if asked("uncounted_terminated_pods") and (uncounted.succeeded or uncounted.failed):
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        path.child("uncountedTerminatedPods").invalid(uncounted, detail)
    if asked("terminating") and status.terminating > 0:
        path.child("terminating").invalid(status.terminating, "terminating>0 is invalid for finished job")


def _check_indexes(path: Place, new: Job, old: Job) -> None:
    spec, status = new.spec, new.status
    completed, failed = path.child("completedIndexes"), path.child("failedIndexes")
    completed_changed = _changed(new, old, "completed_indexes")
    failed_changed = _changed(new, old, "failed_indexes")
    per_index, told = spec.HasField("backoff_limit_per_index"), status.HasField("failed_indexes")
    if completed_changed and spec.HasField("completions"):
        _check_format(completed, status.completed_indexes, spec.completions)
    if failed_changed and spec.HasField("completions") and per_index and told:
        _check_format(failed, status.failed_indexes, spec.completions)
    if completed_changed and status.completed_indexes and not is_indexed(spec):
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        completed.invalid(status.completed_indexes, detail)
    if failed_changed and told and not per_index:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        failed.invalid(status.failed_indexes, detail)
    if (completed_changed or failed_changed) and spec.HasField("completions") and told:
        both = [
            parse_indexes(text, spec.completions)
            for text in (status.completed_indexes, status.failed_indexes)
        ]
        overlap = first_overlap(*both)
        if overlap is not None:
            detail = f"failedIndexes and completedIndexes overlap at index: {overlap}"
            failed.invalid(status.failed_indexes, detail)


def _check_format(path: Place, text: str, completions: int) -> None:
    try:
        parse_indexes_strictly(text, completions)
    except IndexesError as error:
        field = str(path).removeprefix("status.")
        path.invalid(text, f"error parsing {field}: {error}")


def _check_counters(path: Place, new: Job, old: Job) -> None:
    spec, status, before = new.spec, new.status, old.status
    if status.failed < before.failed:
        path.child("failed").invalid(status.failed, "cannot decrease the failed counter")
    # The completions of an indexed Job may have been lowered together with its parallelism.
    elastic = is_indexed(spec) and spec.completions == spec.parallelism
    if status.succeeded < before.succeeded and not elastic:
        path.child("succeeded").invalid(status.succeeded, "cannot decrease the succeeded counter")
    if (
        status.HasField("ready")
        and status.ready > status.active
        and (_changed(new, old, "ready") or _changed(new, old, "active"))
    ):
        path.child("ready").invalid(status.ready, "cannot set more ready pods than active")
