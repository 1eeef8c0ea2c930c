"""Rules for PodDisruptionBudgets. Follows `pkg/apis/policy/validation` and, for amounts, `pkg/apis/apps/validation`."""

import re
from typing import Final

from apiserver.validation import metadata, names
from apiserver.validation.conditions import check_conditions
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_non_negative
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects.field_path import Path, invalid, not_supported

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_STRING: Final = 1
_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")
_PERCENT = re.compile("[0-9]+%", re.ASCII).fullmatch
_NO_PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)

Budget = pod_disruption_budget_pb2.PodDisruptionBudget


def check_create(budget: Budget) -> Errors:
    """Check a new PodDisruptionBudget."""
    errors = metadata.check_create(budget.metadata, names.path_segment, namespaced=True)
    _check_spec(errors, budget.spec)
    return errors


def check_update(new: Budget, old: Budget) -> Errors:
    """Check a changed PodDisruptionBudget, as a new one."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_spec(errors, new.spec)
    return errors


def check_status_update(new: Budget, old: Budget) -> Errors:
    """Check a changed status."""
    errors = metadata.check_update(new.metadata, old.metadata)
    status = new.status
    check_conditions(errors, _STATUS.child("conditions"), status.conditions)
    check_non_negative(errors, _STATUS.child("disruptionsAllowed"), status.disruptions_allowed)
    check_non_negative(errors, _STATUS.child("currentHealthy"), status.current_healthy)
    check_non_negative(errors, _STATUS.child("desiredHealthy"), status.desired_healthy)
    check_non_negative(errors, _STATUS.child("expectedPods"), status.expected_pods)
    return errors


def _check_spec(errors: Errors, spec: pod_disruption_budget_pb2.PodDisruptionBudgetSpec) -> None:
    if spec.HasField("min_available") and spec.HasField("max_unavailable"):
        errors.append(invalid(_SPEC, spec, "minAvailable and maxUnavailable cannot be both set"))
    if spec.HasField("min_available"):
        _check_amount(errors, _SPEC.child("minAvailable"), spec.min_available)
    if spec.HasField("max_unavailable"):
        _check_amount(errors, _SPEC.child("maxUnavailable"), spec.max_unavailable)
    check_label_selector(errors, _SPEC.child("selector"), spec.selector)
    if spec.HasField("unhealthy_pod_eviction_policy") and spec.unhealthy_pod_eviction_policy not in _POLICIES:
        at = _SPEC.child("unhealthyPodEvictionPolicy")
        errors.append(not_supported(at, spec.unhealthy_pod_eviction_policy, _POLICIES))


def _check_amount(errors: Errors, path: Path, amount: meta_pb2.IntOrString) -> None:
    """Check a number of Pods, or a share of them in per cent."""
    if amount.type != _STRING:
        check_non_negative(errors, path, amount.int_val)
        return
    text = amount.str_val
    if not _PERCENT(text):
        errors.append(invalid(path, text, _NO_PERCENT))
    elif len(text) > len("100%") or int(text[:-1]) > 100:
        errors.append(invalid(path, text, "must not be greater than 100%"))
