"""Rules for PodDisruptionBudgets.

Follows `pkg/apis/policy/validation` and, for amounts, `pkg/apis/apps/validation`.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.amounts import check_amount, check_at_most_all
from apiserver.validation.conditions import check_conditions
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_non_negative
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, invalid, not_supported

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")

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
        check_amount(errors, _SPEC.child("minAvailable"), spec.min_available)
        check_at_most_all(errors, _SPEC.child("minAvailable"), spec.min_available)
    if spec.HasField("max_unavailable"):
        check_amount(errors, _SPEC.child("maxUnavailable"), spec.max_unavailable)
        check_at_most_all(errors, _SPEC.child("maxUnavailable"), spec.max_unavailable)
    check_label_selector(errors, _SPEC.child("selector"), spec.selector)
    if spec.HasField("unhealthy_pod_eviction_policy") and spec.unhealthy_pod_eviction_policy not in _POLICIES:
        at = _SPEC.child("unhealthyPodEvictionPolicy")
        errors.append(not_supported(at, spec.unhealthy_pod_eviction_policy, _POLICIES))
