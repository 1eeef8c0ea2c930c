"""Rules for a Job's podFailurePolicy, successPolicy and podReplacementPolicy.

Called by `jobs`. Follows `pkg/apis/batch/validation`.
"""

from collections.abc import Collection
from typing import Final

from apiserver.validation.place import Place
from vaina.api.batch.v1 import job_pb2
from vaina.objects import names
from vaina.objects.jobs import FAILED_PODS_ONLY, TERMINATING_OR_FAILED, IndexesError, parse_indexes_strictly
from vaina.quoting import go_quote

_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")
_MAX_RULES: Final = 20
_MAX_PATTERNS: Final = 20
_MAX_VALUES: Final = 255
_MAX_INDEXES_BYTES: Final = 64 * 1024


def check_failure_policy(path: Place, spec: job_pb2.JobSpec) -> None:
    """Check what is done about Pods that failed."""
    rules = spec.pod_failure_policy.rules
    at = path.child("rules")
    if len(rules) > _MAX_RULES:
        at.too_many(len(rules), _MAX_RULES)
    pod = spec.template.spec
    containers = {container.name for container in (*pod.containers, *pod.init_containers)}
    for index, rule in enumerate(rules):
        _check_failure_rule(at.index(index), rule, spec, containers)


def _check_failure_rule(
    path: Place, rule: job_pb2.PodFailurePolicyRule, spec: job_pb2.JobSpec, containers: Collection[str]
) -> None:  # fmt: skip
    at = path.child("action")
    if not rule.action:
        at.required(f"valid values: {_listed(_ACTIONS)}")
    elif rule.action == "FailIndex":
        if not spec.HasField("backoff_limit_per_index"):
            at.invalid(rule.action, "requires the backoffLimitPerIndex to be set")
    else:
        at.check_supported(rule.action, _ACTIONS)
    by_code, by_condition = rule.HasField("on_exit_codes"), bool(rule.on_pod_conditions)
    if by_code:
        _check_exit_codes(path.child("onExitCodes"), rule.on_exit_codes, containers)
    if by_condition:
        _check_conditions(path.child("onPodConditions"), rule.on_pod_conditions)
    if by_code and by_condition:
        path.wrong("specifying both OnExitCodes and OnPodConditions is not supported")
    if not by_code and not by_condition:
        path.wrong("specifying one of OnExitCodes and OnPodConditions is required")


def _check_conditions(
    path: Place, patterns: Collection[job_pb2.PodFailurePolicyOnPodConditionsPattern]
) -> None:
    if len(patterns) > _MAX_PATTERNS:
        path.too_many(len(patterns), _MAX_PATTERNS)
    for index, pattern in enumerate(patterns):
        at = path.index(index)
        at.child("type").check_value(pattern.type, names.qualified_name)
        if not pattern.status:
            at.child("status").required(f"valid values: {_listed(_STATUSES)}")
        else:
            at.child("status").check_supported(pattern.status, _STATUSES)


def _check_exit_codes(
    path: Place,
    codes: job_pb2.PodFailurePolicyOnExitCodesRequirement,
    containers: Collection[str],
) -> None:
    operator, values = codes.operator, list(codes.values)
    if not operator:
        path.child("operator").required(f"valid values: {_listed(_OPERATORS)}")
    else:
        path.child("operator").check_supported(operator, _OPERATORS)
    if codes.HasField("container_name") and codes.container_name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        path.child("containerName").invalid(codes.container_name, detail)
    at = path.child("values")
    if not values:
        at.invalid(values, "at least one value is required")
    elif len(values) > _MAX_VALUES:
        at.too_many(len(values), _MAX_VALUES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            at.index(index).invalid(value, "must not be 0 for the In operator")
        at.index(index).check_unique(value, seen)
    if values != sorted(values):
        at.invalid(values, "must be ordered")


def check_success_policy(path: Place, spec: job_pb2.JobSpec) -> None:
    """Check which indexes suffice. For indexed Jobs only."""
    rules = spec.success_policy.rules
    at = path.child("rules")
    if not rules:
        at.required("at least one rules must be specified when the successPolicy is specified")
    if len(rules) > _MAX_RULES:
        at.too_many(len(rules), _MAX_RULES)
    for index, rule in enumerate(rules):
        _check_success_rule(at.index(index), rule, spec.completions)


def _check_success_rule(path: Place, rule: job_pb2.SuccessPolicyRule, completions: int) -> None:
    counted, listed = rule.HasField("succeeded_count"), rule.HasField("succeeded_indexes")
    if not counted and not listed:
        path.required("at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if listed:
        at = path.child("succeededIndexes")
        if names.size(rule.succeeded_indexes) > _MAX_INDEXES_BYTES:
            at.too_long(_MAX_INDEXES_BYTES)
        try:
            total = len(parse_indexes_strictly(rule.succeeded_indexes, completions))
        except IndexesError as error:
            at.invalid(rule.succeeded_indexes, f"error parsing succeededIndexes: {error}")
    if not counted:
        return
    at, count = path.child("succeededCount"), rule.succeeded_count
    at.check_non_negative(count)
    if count > completions:
        detail = f"must be less than or equal to {completions} (the number of specified completions)"
        at.invalid(count, detail)
    if listed and count > total:
        detail = (
            f"must be less than or equal to {total} "
            "(the number of indexes in the specified succeededIndexes field)"
        )
        at.invalid(count, detail)


def check_replacement_policy(path: Place, spec: job_pb2.JobSpec) -> None:
    """Check when a Pod is replaced. Where a failure policy looks at Pods, they must have failed first."""
    if not spec.HasField("pod_replacement_policy"):
        return
    policy = spec.pod_replacement_policy
    allowed: tuple[str, ...] = (FAILED_PODS_ONLY, TERMINATING_OR_FAILED)
    if spec.HasField("pod_failure_policy"):
        allowed = (FAILED_PODS_ONLY,)
    path.check_supported(policy, allowed)


def _listed(values: Collection[str]) -> str:
    """Write values as Go's %q writes a list."""
    return f"[{' '.join(go_quote(value) for value in values)}]"
