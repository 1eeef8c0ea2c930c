"""Rules for Jobs, and for the Jobs that a CronJob makes.

Follows `pkg/apis/batch/validation` and `pkg/registry/batch/job/strategy.go`.
"""

from typing import Any, Final

from apiserver.validation import metadata, templates
from apiserver.validation.job_policies import (
    check_failure_policy,
    check_replacement_policy,
    check_success_policy,
)
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_non_negative, check_text
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names, selectors
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required, too_long
from vaina.objects.jobs import (
    CONTROLLER_UID_LABELS,
    INDEXED,
    JOB_NAME_LABELS,
    NON_INDEXED,
    is_indexed,
)

_SPEC: Final = Path("spec")
_MAX_PARALLELISM: Final = 100_000
_MAX_FAILED_INDEXES: Final = 100_000
#: beyond this number of completions the next two hold
_MANY_COMPLETIONS: Final = 100_000
_MAX_PARALLELISM_OF_MANY: Final = 10_000
_MAX_FAILED_INDEXES_OF_MANY: Final = 10_000
_MAX_MANAGER_BYTES: Final = 63
_NO_MATCH: Final = "`selector` does not match template `labels`"
#: (field, name in manifests) of the numbers
_COUNTS: Final = (
    ("parallelism", "parallelism"), ("completions", "completions"), ("active_deadline_seconds", "activeDeadlineSeconds"),
    ("backoff_limit", "backoffLimit"), ("ttl_seconds_after_finished", "ttlSecondsAfterFinished"),
    ("backoff_limit_per_index", "backoffLimitPerIndex"), ("max_failed_indexes", "maxFailedIndexes"),
)  # fmt: skip
#: what an update may not change: (field, name in manifests)
_IMMUTABLE: Final = (
    ("completion_mode", "completionMode"), ("pod_failure_policy", "podFailurePolicy"),
    ("backoff_limit_per_index", "backoffLimitPerIndex"), ("managed_by", "managedBy"), ("success_policy", "successPolicy"),
)  # fmt: skip

Job = job_pb2.Job
JobSpec = job_pb2.JobSpec


def check_create(job: Job) -> Errors:
    """Check a new Job, whose selector and labels have been generated."""
    errors = metadata.check_create(job.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_generated_selector(errors, job)
    _check_spec(errors, job.spec)
    if is_indexed(job.spec) and job.spec.completions > 0:
        # Pods are called after their index: the last one has the longest name.
        longest = f"{job.metadata.name}-{job.spec.completions - 1}"
        if names.dns_1123_label(longest):
            detail = f"will not able to create pod with invalid DNS label: {longest}"
            errors.append(invalid(metadata.METADATA.child("name"), job.metadata.name, detail))
    return errors


def check_update(new: Job, old: Job) -> Errors:
    """Check a changed Job: most of what it is stays; how many at a time, and whether at all, may change."""
    errors = check_create(new)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    _check_spec(errors, new.spec)
    _check_completions_update(errors, new.spec, old.spec)
    _check_stays(errors, _SPEC.child("selector"), new.spec, old.spec, "selector")
    _check_template_update(errors, new, old)
    for field, shown in _IMMUTABLE:
        _check_stays(errors, _SPEC.child(shown), new.spec, old.spec, field)
    return errors


def _check_stays(errors: Errors, path: Path, new: Any, old: Any, field: str) -> None:
    def value(message: Any) -> object:
        return getattr(message, field) if message.HasField(field) else None

    metadata.check_immutable(errors, path, value(new), value(old))


def _check_completions_update(errors: Errors, new: JobSpec, old: JobSpec) -> None:
    """The completions of an indexed Job may change together with its parallelism (KEP-3715)."""
    at = _SPEC.child("completions")
    if not is_indexed(new):
        _check_stays(errors, at, new, old, "completions")
        return
    same = (new.HasField("completions"), new.completions) == (old.HasField("completions"), old.completions)
    if not same and new.HasField("completions") and new.completions != new.parallelism:
        errors.append(invalid(at, new.completions, "can only be modified in tandem with spec.parallelism"))


def _check_template_update(errors: Errors, new: Job, old: Job) -> None:
    """The template stays; where its Pods may run can still be said while the Job is suspended and has never
    run (KEP-2926).
    """
    template, before = new.spec.template, old.spec.template
    if old.spec.suspend and not old.status.HasField("start_time"):
        before = _with_placement(before, template)
    metadata.check_immutable(errors, _SPEC.child("template"), template, before)


def _with_placement(old: pod_pb2.PodTemplateSpec, new: pod_pb2.PodTemplateSpec) -> pod_pb2.PodTemplateSpec:
    """Return the old template with what the new one says of where Pods go, and with its labels and
    annotations.
    """
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


def _check_generated_selector(errors: Errors, job: Job) -> None:
    spec, meta = job.spec, job.metadata
    if spec.manual_selector or not spec.HasField("selector"):
        return
    if not meta.uid:
        errors.append(required(metadata.METADATA.child("uid")))
    expected = dict.fromkeys(CONTROLLER_UID_LABELS, meta.uid) | dict.fromkeys(JOB_NAME_LABELS, meta.name)
    labels = spec.template.metadata.labels
    for key in (
        *CONTROLLER_UID_LABELS[:1],
        *JOB_NAME_LABELS[:1],
        *CONTROLLER_UID_LABELS[1:],
        *JOB_NAME_LABELS[1:],
    ):
        at, detail = _SPEC.child("template", "metadata", "labels").key(key), f"must be '{expected[key]}'"
        if key not in labels:
            errors.append(required(at, detail))
        elif labels[key] != expected[key]:
            errors.append(invalid(at, labels[key], detail))
    try:
        if not selectors.from_message(spec.selector).matches(expected):
            errors.append(invalid(_SPEC.child("selector"), spec.selector, "`selector` not auto-generated"))
    except selectors.SelectorError:
        # Said with the selector's own rules.
        return


def _check_spec(errors: Errors, spec: JobSpec) -> None:
    check_job_spec(errors, _SPEC, spec)
    at = _SPEC.child("selector")
    if spec.HasField("selector"):
        check_label_selector(errors, at, spec.selector)
    else:
        errors.append(required(at))
    try:
        selector = selectors.from_message(spec.selector) if spec.HasField("selector") else selectors.NOTHING
    except selectors.SelectorError:
        return
    labels = spec.template.metadata.labels
    if not selector.matches(labels):
        where = _SPEC.child("template", "metadata", "labels")
        errors.append(invalid(where, dict(labels) if labels else None, _NO_MATCH))


def check_template(errors: Errors, path: Path, template: job_pb2.JobTemplateSpec) -> None:
    """Check the Job of a CronJob: its selector is always generated."""
    spec, at = template.spec, path.child("spec")
    check_job_spec(errors, at, spec)
    if spec.HasField("selector"):
        errors.append(invalid(at.child("selector"), spec.selector, "`selector` will be auto-generated"))
    if spec.manual_selector:
        errors.append(not_supported(at.child("manualSelector"), True, ["nil", "false"]))


def check_job_spec(errors: Errors, path: Path, spec: JobSpec) -> None:
    """Check a spec, its selector apart."""
    for field, shown in _COUNTS:
        check_non_negative(errors, path.child(shown), getattr(spec, field))
    if spec.HasField("max_failed_indexes") and not spec.HasField("backoff_limit_per_index"):
        errors.append(required(path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"))
    if spec.HasField("managed_by"):
        _check_manager(errors, path.child("managedBy"), spec.managed_by)
    _check_mode(errors, path, spec)
    if spec.HasField("pod_failure_policy"):
        check_failure_policy(errors, path.child("podFailurePolicy"), spec)
    if spec.HasField("success_policy"):
        at = path.child("successPolicy")
        if is_indexed(spec):
            check_success_policy(errors, at, spec)
        else:
            errors.append(invalid(at, spec.success_policy, "requires indexed completion mode"))
    check_replacement_policy(errors, path.child("podReplacementPolicy"), spec)
    if spec.HasField("scheduling"):
        detail = "may not be set when the WorkloadWithJob feature gate is not enabled"
        errors.append(forbidden(path.child("scheduling"), detail))
    templates.check_finite_template(errors, path.child("template"), spec.template)
    policy = spec.template.spec.restart_policy
    if spec.HasField("pod_failure_policy") and policy == "OnFailure":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(path.child("template", "spec", "restartPolicy"), policy, detail))


def _check_manager(errors: Errors, path: Path, manager: str) -> None:
    if manager:
        check_text(errors, path, manager, names.domain_prefixed_path)
    else:
        errors.append(required(path))
    if len(manager.encode()) > _MAX_MANAGER_BYTES:
        errors.append(too_long(path, _MAX_MANAGER_BYTES))


def _check_mode(errors: Errors, path: Path, spec: JobSpec) -> None:
    if spec.HasField("completion_mode") and spec.completion_mode not in (NON_INDEXED, INDEXED):
        at = path.child("completionMode")
        errors.append(not_supported(at, spec.completion_mode, (NON_INDEXED, INDEXED)))
    if spec.completion_mode == INDEXED:
        _check_indexed(errors, path, spec)
    if spec.completion_mode in ("", NON_INDEXED):
        for field, shown in _COUNTS[-2:]:
            if spec.HasField(field):
                detail = "requires indexed completion mode"
                errors.append(invalid(path.child(shown), getattr(spec, field), detail))


def _check_indexed(errors: Errors, path: Path, spec: JobSpec) -> None:
    most = "must be less than or equal to"
    failed, parallelism = path.child("maxFailedIndexes"), path.child("parallelism")
    if not spec.HasField("completions"):
        errors.append(required(path.child("completions"), f"when completion mode is {INDEXED}"))
    if spec.parallelism > _MAX_PARALLELISM:
        detail = f"{most} {_MAX_PARALLELISM} when completion mode is {INDEXED}"
        errors.append(invalid(parallelism, spec.parallelism, detail))
    if spec.HasField("completions") and spec.max_failed_indexes > spec.completions:
        errors.append(invalid(failed, spec.max_failed_indexes, f"{most} completions"))
    if spec.max_failed_indexes > _MAX_FAILED_INDEXES:
        errors.append(invalid(failed, spec.max_failed_indexes, f"{most} {_MAX_FAILED_INDEXES}"))
    if spec.completions <= _MANY_COMPLETIONS or not spec.HasField("backoff_limit_per_index"):
        return
    if not spec.HasField("max_failed_indexes"):
        errors.append(required(failed, f"must be specified when completions is above {_MANY_COMPLETIONS}"))
    when = f"when completions are above {_MANY_COMPLETIONS} and used with backoff limit per index"
    if spec.parallelism > _MAX_PARALLELISM_OF_MANY:
        detail = f"{most} {_MAX_PARALLELISM_OF_MANY} {when}"
        errors.append(invalid(parallelism, spec.parallelism, detail))
    if spec.max_failed_indexes > _MAX_FAILED_INDEXES_OF_MANY:
        detail = f"{most} {_MAX_FAILED_INDEXES_OF_MANY} {when}"
        errors.append(invalid(failed, spec.max_failed_indexes, detail))
