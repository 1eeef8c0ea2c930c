"""Rules for Jobs and CronJobs. Follows `pkg/apis/batch/validation` and `pkg/registry/batch/job/strategy.go`."""

import re
from typing import Final

from apiserver.validation import metadata, workloads
from apiserver.validation.job_policies import (
    check_failure_policy,
    check_replacement_policy,
    check_success_policy,
)
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place, given
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names, selectors
from vaina.objects.jobs import (
    CONTROLLER_UID_LABELS,
    INDEXED,
    JOB_NAME_LABELS,
    NON_INDEXED,
    is_indexed,
)
from vaina.objects.schedules import ScheduleError, parse, time_zone

_MAX_PARALLELISM: Final = 100_000
_MAX_FAILED_INDEXES: Final = 100_000
#: beyond this number of completions the next two hold
_MANY_COMPLETIONS: Final = 100_000
_MAX_PARALLELISM_OF_MANY: Final = 10_000
_MAX_FAILED_INDEXES_OF_MANY: Final = 10_000
_MAX_MANAGER_BYTES: Final = 63
_OF_INDEXES: Final = ("backoff_limit_per_index", "max_failed_indexes")
#: what an update may not change
_IMMUTABLE: Final = (
    "completion_mode",
    "pod_failure_policy",
    "backoff_limit_per_index",
    "managed_by",
    "success_policy",
)

Job = job_pb2.Job
JobSpec = job_pb2.JobSpec


def check_job(root: Place, job: Job) -> None:
    """Check a Job, whose selector and labels have been generated."""
    _check_generated_selector(root, job)
    _check_spec(root.child("spec"), job.spec)
    if is_indexed(job.spec) and job.spec.completions > 0:
        # Pods are called after their index: the last one has the longest name.
        longest = f"{job.metadata.name}-{job.spec.completions - 1}"
        if names.dns_1123_label(longest):
            detail = f"will not able to create pod with invalid DNS label: {longest}"
            root.child("metadata", "name").invalid(job.metadata.name, detail)


def check_job_change(root: Place, new: Job, old: Job) -> None:
    """Check a changed Job: most of what it is stays; how many at a time, and whether at all, may change."""
    path = root.child("spec")
    _check_completions_update(path, new.spec, old.spec)
    path.check_unchanged(new.spec, old.spec, "selector")
    _check_template_update(path, new, old)
    path.check_unchanged(new.spec, old.spec, *_IMMUTABLE)


def _check_completions_update(path: Place, new: JobSpec, old: JobSpec) -> None:
    """The completions of an indexed Job may change together with its parallelism (KEP-3715)."""
    if not is_indexed(new):
        path.check_unchanged(new, old, "completions")
    elif given(new, "completions") not in (None, given(old, "completions"), new.parallelism):
        detail = "can only be modified in tandem with spec.parallelism"
        path.child("completions").invalid(new.completions, detail)


def _check_template_update(path: Place, new: Job, old: Job) -> None:
    """Let a suspended Job that has never run change where its Pods may run (KEP-2926), and no other template."""
    template, before = new.spec.template, old.spec.template
    if old.spec.suspend and not old.status.HasField("start_time"):
        before = _with_placement(before, template)
    path.child("template").check_immutable(template, before)


def _with_placement(old: pod_pb2.PodTemplateSpec, new: pod_pb2.PodTemplateSpec) -> pod_pb2.PodTemplateSpec:
    """Return the old template with the new one's placement of Pods, labels and annotations."""
    mixed = pod_pb2.PodTemplateSpec()
    mixed.CopyFrom(old)
    source, target = new.spec, mixed.spec
    if source.affinity.HasField("node_affinity"):
        target.affinity.node_affinity.CopyFrom(source.affinity.node_affinity)
    else:
        target.affinity.ClearField("node_affinity")
        if not target.affinity.ByteSize():
            target.ClearField("affinity")
    if source.HasField("affinity"):
        target.affinity.SetInParent()
    for field in ("node_selector", "tolerations", "scheduling_gates"):
        target.ClearField(field)
        getattr(target, field).MergeFrom(getattr(source, field))
    for field in ("labels", "annotations"):
        mixed.metadata.ClearField(field)
        getattr(mixed.metadata, field).MergeFrom(getattr(new.metadata, field))
    return mixed


def _check_generated_selector(root: Place, job: Job) -> None:
    spec, meta = job.spec, job.metadata
    if spec.manual_selector or not spec.HasField("selector"):
        return
    path = root.child("spec")
    if not meta.uid:
        root.child("metadata", "uid").required()
    expected = dict.fromkeys(CONTROLLER_UID_LABELS, meta.uid) | dict.fromkeys(JOB_NAME_LABELS, meta.name)
    labels = spec.template.metadata.labels
    for key in (key for pair in zip(CONTROLLER_UID_LABELS, JOB_NAME_LABELS, strict=True) for key in pair):
        at, detail = path.child("template", "metadata", "labels").key(key), f"must be '{expected[key]}'"
        if key not in labels:
            at.required(detail)
        elif labels[key] != expected[key]:
            at.invalid(labels[key], detail)
    try:
        if not selectors.from_message(spec.selector).matches(expected):
            path.child("selector").invalid(spec.selector, "`selector` not auto-generated")
    except selectors.SelectorError:
        # Said with the selector's own rules.
        return


def _check_spec(path: Place, spec: JobSpec) -> None:
    check_job_spec(path, spec)
    at = path.child("selector")
    if spec.HasField("selector"):
        check_label_selector(at, spec.selector)
    else:
        at.required()
    try:
        selector = selectors.from_message(spec.selector) if spec.HasField("selector") else selectors.NOTHING
    except selectors.SelectorError:
        return
    workloads.check_match(path, selector, spec.template.metadata.labels)


def check_template(path: Place, template: job_pb2.JobTemplateSpec) -> None:
    """Check the Job of a CronJob: its selector is always generated."""
    spec, at = template.spec, path.child("spec")
    check_job_spec(at, spec)
    if spec.HasField("selector"):
        at.child("selector").invalid(spec.selector, "`selector` will be auto-generated")
    if spec.manual_selector:
        at.child("manualSelector").not_supported(True, ["nil", "false"])


def check_job_spec(path: Place, spec: JobSpec) -> None:
    """Check a spec, its selector apart."""
    path.check_counts(
        spec, "parallelism", "completions", "active_deadline_seconds", "backoff_limit", "ttl_seconds_after_finished",
        *_OF_INDEXES,
    )  # fmt: skip
    if spec.HasField("max_failed_indexes") and not spec.HasField("backoff_limit_per_index"):
        path.child("backoffLimitPerIndex").required("when maxFailedIndexes is specified")
    if spec.HasField("managed_by"):
        _check_manager(path.child("managedBy"), spec.managed_by)
    _check_mode(path, spec)
    if spec.HasField("pod_failure_policy"):
        check_failure_policy(path.child("podFailurePolicy"), spec)
    if spec.HasField("success_policy"):
        at = path.child("successPolicy")
        if is_indexed(spec):
            check_success_policy(at, spec)
        else:
            at.invalid(spec.success_policy, "requires indexed completion mode")
    check_replacement_policy(path.child("podReplacementPolicy"), spec)
    if spec.HasField("scheduling"):
        detail = "may not be set when the WorkloadWithJob feature gate is not enabled"
        path.child("scheduling").forbidden(detail)
    workloads.check_finite_template(path.child("template"), spec.template)
    policy = spec.template.spec.restart_policy
    if spec.HasField("pod_failure_policy") and policy == "OnFailure":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        path.child("template", "spec", "restartPolicy").invalid(policy, detail)


def _check_manager(path: Place, manager: str) -> None:
    path.check_required(manager, names.domain_prefixed_path)
    if len(manager.encode()) > _MAX_MANAGER_BYTES:
        path.too_long(_MAX_MANAGER_BYTES)


def _check_mode(path: Place, spec: JobSpec) -> None:
    path.check_given(spec, "completion_mode", (NON_INDEXED, INDEXED))
    if spec.completion_mode == INDEXED:
        _check_indexed(path, spec)
    if spec.completion_mode in ("", NON_INDEXED):
        for field in _OF_INDEXES:
            if spec.HasField(field):
                path.field(spec, field).invalid(getattr(spec, field), "requires indexed completion mode")


def _check_indexed(path: Place, spec: JobSpec) -> None:
    most = "must be less than or equal to"
    failed, parallelism = path.child("maxFailedIndexes"), path.child("parallelism")
    if not spec.HasField("completions"):
        path.child("completions").required(f"when completion mode is {INDEXED}")
    if spec.parallelism > _MAX_PARALLELISM:
        parallelism.invalid(spec.parallelism, f"{most} {_MAX_PARALLELISM} when completion mode is {INDEXED}")
    if spec.HasField("completions") and spec.max_failed_indexes > spec.completions:
        failed.invalid(spec.max_failed_indexes, f"{most} completions")
    if spec.max_failed_indexes > _MAX_FAILED_INDEXES:
        failed.invalid(spec.max_failed_indexes, f"{most} {_MAX_FAILED_INDEXES}")
    if spec.completions <= _MANY_COMPLETIONS or not spec.HasField("backoff_limit_per_index"):
        return
    if not spec.HasField("max_failed_indexes"):
        failed.required(f"must be specified when completions is above {_MANY_COMPLETIONS}")
    when = f"when completions are above {_MANY_COMPLETIONS} and used with backoff limit per index"
    if spec.parallelism > _MAX_PARALLELISM_OF_MANY:
        parallelism.invalid(spec.parallelism, f"{most} {_MAX_PARALLELISM_OF_MANY} {when}")
    if spec.max_failed_indexes > _MAX_FAILED_INDEXES_OF_MANY:
        failed.invalid(spec.max_failed_indexes, f"{most} {_MAX_FAILED_INDEXES_OF_MANY} {when}")


_POLICIES: Final = ("Allow", "Forbid", "Replace")
#: the names of Jobs have eleven characters more: a hyphen and the minutes since 1970
_MAX_NAME: Final = 52
_ZONE_PART: Final = re.compile(r"[A-Za-z._0-9+-]{1,14}", re.ASCII).fullmatch

CronJob = job_pb2.CronJob


def check_cron_job(root: Place, cron_job: CronJob) -> None:
    """Check a new CronJob."""
    metadata.check_create(root, cron_job.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_cron_spec(root.child("spec"), cron_job.spec, None)
    if names.size(cron_job.metadata.name) > _MAX_NAME:
        detail = f"must be no more than {_MAX_NAME} characters"
        root.child("metadata", "name").invalid(cron_job.metadata.name, detail)


def check_cron_job_update(root: Place, new: CronJob, old: CronJob) -> None:
    """Check a changed CronJob: everything may change, for the Jobs to come."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_cron_spec(root.child("spec"), new.spec, old.spec)


def _check_cron_spec(path: Place, spec: job_pb2.CronJobSpec, old: job_pb2.CronJobSpec | None) -> None:
    if spec.schedule:
        _check_schedule(path.child("schedule"), spec.schedule)
    else:
        path.child("schedule").required()
    path.child("startingDeadlineSeconds").check_non_negative(spec.starting_deadline_seconds)
    if spec.HasField("time_zone") and (old is None or old.time_zone != spec.time_zone):
        _check_time_zone(path.child("timeZone"), spec.time_zone)
    path.child("concurrencyPolicy").check_choice(spec.concurrency_policy, _POLICIES)
    check_template(path.child("jobTemplate"), spec.job_template)
    path.check_counts(spec, "successful_jobs_history_limit", "failed_jobs_history_limit")


def _check_schedule(path: Place, schedule: str) -> None:
    if "TZ" in schedule:
        # Old clusters took it; what was stored by one is not taken over here.
        path.invalid(schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        return
    try:
        parse(schedule)
    except ScheduleError as error:
        path.invalid(schedule, str(error))


def _check_time_zone(path: Place, name: str) -> None:
    if not name:
        path.invalid(name, "timeZone must be nil or non-empty string")
        return
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART(part):
            path.invalid(name, f"unknown time zone {name}")
            return
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        path.invalid(name, detail)
    if name == "Local":
        # The one spelling that Go's time.LoadLocation knows: it has nothing to say of it.
        return
    try:
        time_zone(name)
    except ScheduleError as error:
        path.invalid(name, str(error))
