"""Rules for PodDisruptionBudgets.

Follows `pkg/apis/policy/validation`, and apimachinery's `meta/v1/validation` (ValidateConditions).
"""

import re
from collections.abc import Iterable
from typing import Final

from apiserver.validation.metadata import check_label_name, check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.workloads import check_share
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS: Final = ("disruptions_allowed", "current_healthy", "desired_healthy", "expected_pods")
_STATUSES: Final = ("False", "True", "Unknown")
_MAX_REASON: Final = 1024
_MAX_MESSAGE: Final = 32 * 1024
_FORMAT: Final = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON = re.compile(_FORMAT, re.ASCII).fullmatch
_RULE: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters "
    "or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
    f"'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_FORMAT}')"
)

Budget = pod_disruption_budget_pb2.PodDisruptionBudget


def check_status(root: Place, new: Budget, _: Budget) -> None:
    """Check a changed status."""
    path = root.child("status")
    _check_conditions(path.child("conditions"), new.status.conditions)
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


def _check_conditions(path: Place, conditions: Iterable[meta_pb2.Condition]) -> None:
    """Check conditions of the common kind (metav1.Condition), of which there is one of each type."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = path.index(index)
        at.child("type").check_unique(condition.type, seen)
        _check_condition(at, condition)


def _check_condition(path: Place, condition: meta_pb2.Condition) -> None:
    check_label_name(path.child("type"), condition.type)
    path.child("status").check_supported(condition.status, _STATUSES)
    if condition.observed_generation < 0:
        words = "must be greater than or equal to zero"
        path.child("observedGeneration").invalid(condition.observed_generation, words)
    if not condition.HasField("last_transition_time"):
        path.child("lastTransitionTime").required("must be set")
    if not condition.reason:
        path.child("reason").required("must be set")
    else:
        if not _REASON(condition.reason):
            path.child("reason").invalid(condition.reason, _RULE)
        if len(condition.reason.encode()) > _MAX_REASON:
            path.child("reason").too_long(_MAX_REASON)
    if len(condition.message.encode()) > _MAX_MESSAGE:
        path.child("message").too_long(_MAX_MESSAGE)
