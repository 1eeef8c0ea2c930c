"""What the apiserver's evictions and the disruption controller both know of PodDisruptionBudgets. PURE.

Follows component-helpers' `apps/poddisruptionbudget` and `pkg/controller/disruption`.
"""

from collections.abc import Mapping
from typing import Final

from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects.conditions import get_condition, set_condition
from vaina.objects.selectors import NOTHING, LabelSelector, SelectorError, from_message

Budget = pod_disruption_budget_pb2.PodDisruptionBudget

#: the condition of a budget, and its reasons
DISRUPTION_ALLOWED: Final = "DisruptionAllowed"
SUFFICIENT_PODS: Final = "SufficientPods"
INSUFFICIENT_PODS: Final = "InsufficientPods"
SYNC_FAILED: Final = "SyncFailed"
#: seconds in which a Pod whose eviction was granted has to begin to end; then it counts as healthy again
DELETION_TIMEOUT_SECONDS: Final = 120.0
#: the condition of a Pod that is about to be ended from outside
DISRUPTION_TARGET: Final = "DisruptionTarget"


def selector_of(budget: Budget) -> LabelSelector:
    """Return what selects a budget's Pods. Without a selector, with an empty or unreadable one: none."""
    selector = budget.spec.selector
    if not selector.match_labels and not selector.match_expressions:
        return NOTHING
    try:
        return from_message(selector)
    except SelectorError:
        return NOTHING


def covers(budget: Budget, labels: Mapping[str, str]) -> bool:
    """Say whether a budget is about Pods with these labels."""
    return selector_of(budget).matches(labels)


def set_disruption_allowed(budget: Budget, now: float) -> None:
    """Make the condition say what `status.disruptionsAllowed` does; `now` in seconds since the epoch."""
    allowed = budget.status.disruptions_allowed > 0
    set_condition(
        budget.status, _condition(budget, allowed, SUFFICIENT_PODS if allowed else INSUFFICIENT_PODS), now
    )


def set_sync_failed(budget: Budget, message: str, now: float) -> None:
    """Allow nothing, and say why it cannot be told what would be allowed."""
    budget.status.disruptions_allowed = 0
    condition = _condition(budget, False, SYNC_FAILED)
    condition.message = message
    condition.observed_generation = budget.status.observed_generation
    set_condition(budget.status, condition, now)


def sync_failure(budget: Budget) -> str | None:
    """Return why the controller could not work out what is allowed; None when it could."""
    condition = get_condition(budget.status, DISRUPTION_ALLOWED)
    return condition.message if condition is not None and condition.reason == SYNC_FAILED else None


def _condition(budget: Budget, allowed: bool, reason: str) -> meta_pb2.Condition:
    return meta_pb2.Condition(
        type=DISRUPTION_ALLOWED, status="True" if allowed else "False", reason=reason,
        observed_generation=budget.metadata.generation,
    )  # fmt: skip
