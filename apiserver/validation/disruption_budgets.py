"""Rules for PodDisruptionBudgets.

Follows `pkg/apis/policy/validation` and, for amounts, `pkg/apis/apps/validation`.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.amounts import check_amount, check_at_most_all
from apiserver.validation.conditions import check_conditions
from apiserver.validation.labels import check_label_selector
from apiserver.validation.place import Place
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects import names

_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")

Budget = pod_disruption_budget_pb2.PodDisruptionBudget


def check_create(root: Place, budget: Budget) -> None:
    """Check a new PodDisruptionBudget."""
    metadata.check_create(root, budget.metadata, names.path_segment, namespaced=True)
    _check_spec(root.child("spec"), budget.spec)


def check_update(root: Place, new: Budget, old: Budget) -> None:
    """Check a changed PodDisruptionBudget, as a new one."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_spec(root.child("spec"), new.spec)


def check_status_update(root: Place, new: Budget, old: Budget) -> None:
    """Check a changed status."""
    metadata.check_update(root, new.metadata, old.metadata)
    status = new.status
    check_conditions(root.child("status", "conditions"), status.conditions)
    root.child("status", "disruptionsAllowed").check_non_negative(status.disruptions_allowed)
    root.child("status", "currentHealthy").check_non_negative(status.current_healthy)
    root.child("status", "desiredHealthy").check_non_negative(status.desired_healthy)
    root.child("status", "expectedPods").check_non_negative(status.expected_pods)


def _check_spec(path: Place, spec: pod_disruption_budget_pb2.PodDisruptionBudgetSpec) -> None:
    if spec.HasField("min_available") and spec.HasField("max_unavailable"):
        path.invalid(spec, "minAvailable and maxUnavailable cannot be both set")
    if spec.HasField("min_available"):
        check_amount(path.child("minAvailable"), spec.min_available)
        check_at_most_all(path.child("minAvailable"), spec.min_available)
    if spec.HasField("max_unavailable"):
        check_amount(path.child("maxUnavailable"), spec.max_unavailable)
        check_at_most_all(path.child("maxUnavailable"), spec.max_unavailable)
    check_label_selector(path.child("selector"), spec.selector)
    if spec.HasField("unhealthy_pod_eviction_policy") and spec.unhealthy_pod_eviction_policy not in _POLICIES:
        path.child("unhealthyPodEvictionPolicy").not_supported(spec.unhealthy_pod_eviction_policy, _POLICIES)
