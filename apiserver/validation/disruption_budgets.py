"""Rules for PodDisruptionBudgets.

Follows `pkg/apis/policy/validation`.
"""

from typing import Final

from apiserver.validation.metadata import check_conditions, check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.workloads import check_share
from vaina.api.policy.v1 import pod_disruption_budget_pb2

_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS: Final = ("disruptions_allowed", "current_healthy", "desired_healthy", "expected_pods")

Budget = pod_disruption_budget_pb2.PodDisruptionBudget


def check_status(root: Place, new: Budget, _: Budget) -> None:
    """Check a changed status."""
    path = root.child("status")
    check_conditions(path.child("conditions"), new.status.conditions)
    path.check_counts(new.status, *_COUNTS)


def check(root: Place, budget: Budget) -> None:
    """Check a PodDisruptionBudget."""
    path, spec = root.child("spec"), budget.spec
    if spec.HasField("min_available") and spec.HasField("max_unavailable"):
        path.invalid(spec, "minAvailable and maxUnavailable cannot be both set")
    if spec.HasField("min_available"):
        check_share(path.child("minAvailable"), spec.min_available)
    if spec.HasField("max_unavailable"):
        check_share(path.child("maxUnavailable"), spec.max_unavailable)
    check_label_selector(path.child("selector"), spec.selector)
    path.check_given(spec, "unhealthy_pod_eviction_policy", _POLICIES)
