"""PURE: what a PodDisruptionBudget's status should say, and which DisruptionTarget conditions are stale.

Follows `pkg/controller/disruption/disruption.go` and
https://kubernetes.io/docs/tasks/run-application/configure-pdb/.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controller.plans import copy_of
from controller.pods import with_target_condition
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition
from vaina.objects.disruption_budgets import (
    DELETION_TIMEOUT_SECONDS,
    DISRUPTION_TARGET,
    set_disruption_allowed,
    set_sync_failed,
)
from vaina.objects.meta import controller_of
from vaina.objects.pods import is_ready, is_terminal
from vaina.objects.rollouts import amount_of

Budget = pod_disruption_budget_pb2.PodDisruptionBudget

#: the kubelet's own reason: a Pod that the kubelet ends may take any time
_BY_KUBELET: Final = "TerminationByKubelet"


class NoScale(Exception):
    """What controls a Pod cannot say how many Pods there should be; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many Pods a controller wishes for."""

    uid: str
    replicas: int


#: finds the scale of a Pod's controller; None: there is no such object. Raises NoScale.
ScaleOf = Callable[[meta_pb2.OwnerReference], Scale | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a look at a budget."""

    #: with the status that it should have; None: it has it
    wanted: Budget | None
    #: seconds after which an eviction that was granted counts as not done; None: there is none
    recheck: float | None = None
    #: names of Pods without a controller, where one is needed to know how many there should be
    unmanaged: tuple[str, ...] = ()
    #: Pods whose eviction was granted, and that are still there
    not_deleted: tuple[pod_pb2.Pod, ...] = ()


def reconcile(budget: Budget, pods: Iterable[pod_pb2.Pod], scale_of: ScaleOf, now: float) -> Verdict:
    """Return what a budget's status should say, from the Pods that it covers. Raises NoScale."""
    found = list(pods)
    expected, desired, unmanaged = _expectation(budget, found, scale_of)
    disrupted, recheck, late = _disrupted(budget, found, now)
    healthy = sum(
        1
        for pod in found
        if not pod.metadata.HasField("deletion_timestamp")
        and pod.metadata.name not in disrupted
        and is_ready(pod)
    )
    wanted = copy_of(budget)
    status = wanted.status
    # A budget without Pods allows nothing: the first of them may come before they are counted.
    status.disruptions_allowed = max(0, healthy - desired) if expected > 0 else 0
    status.current_healthy, status.desired_healthy, status.expected_pods = healthy, desired, expected
    status.observed_generation = budget.metadata.generation
    for name in set(status.disrupted_pods) - set(disrupted):
        del status.disrupted_pods[name]
    set_disruption_allowed(wanted, now)
    return Verdict(None if wanted == budget else wanted, recheck, unmanaged, late)


def failed(budget: Budget, message: str, now: float) -> Budget | None:
    """Return the budget that allows nothing, because nobody knows; None when it says so already."""
    wanted = copy_of(budget)
    set_sync_failed(wanted, message, now)
    return None if wanted == budget else wanted


def _expectation(
    budget: Budget, pods: list[pod_pb2.Pod], scale_of: ScaleOf
) -> tuple[int, int, tuple[str, ...]]:
    """Return how many Pods there should be, how many of them healthy, and which Pods have no controller."""
    spec = budget.spec
    if spec.HasField("max_unavailable"):
        expected, unmanaged = _scales(pods, scale_of)
        return (
            expected,
            max(0, expected - amount_of(spec.max_unavailable, expected, round_up=True)),
            unmanaged,
        )
    if spec.HasField("min_available") and spec.min_available.type == 0:
        return len(pods), spec.min_available.int_val, ()
    if spec.HasField("min_available"):
        expected, unmanaged = _scales(pods, scale_of)
        return expected, amount_of(spec.min_available, expected, round_up=True), unmanaged
    return 0, 0, ()


def _scales(pods: list[pod_pb2.Pod], scale_of: ScaleOf) -> tuple[int, tuple[str, ...]]:
    known: dict[str, Scale] = {}
    unmanaged: list[str] = []
    for pod in pods:
        reference = controller_of(pod.metadata)
        if reference is None:
            unmanaged.append(pod.metadata.name)
        elif reference.uid not in known:
            scale = scale_of(reference)
            if scale is None:
                raise NoScale(f'found no controllers for pod "{pod.metadata.name}"')
            known[reference.uid] = scale
    # Several ReplicaSets of one Deployment are one controller.
    return sum({scale.uid: scale.replicas for scale in known.values()}.values()), tuple(unmanaged)


def _disrupted(
    budget: Budget, pods: list[pod_pb2.Pod], now: float
) -> tuple[Mapping[str, float], float | None, tuple[pod_pb2.Pod, ...]]:
    """Return the seconds left by Pod with a granted eviction, when to look again, and the late Pods."""
    granted = budget.status.disrupted_pods
    kept: dict[str, float] = {}
    late: list[pod_pb2.Pod] = []
    for pod in pods:
        if pod.metadata.HasField("deletion_timestamp") or pod.metadata.name not in granted:
            continue
        left = seconds_of(granted[pod.metadata.name]) + DELETION_TIMEOUT_SECONDS - now
        if left <= 0:
            late.append(pod)
        else:
            kept[pod.metadata.name] = left
    return kept, min(kept.values(), default=None), tuple(late)


def stale_in(pod: pod_pb2.Pod, now: float) -> float | None:
    """Return the seconds until a Pod's DisruptionTarget condition is stale; None: it has none that could be."""
    condition = get_condition(pod.status, DISRUPTION_TARGET)
    if pod.metadata.HasField("deletion_timestamp") or is_terminal(pod):
        return None
    if condition is None or condition.status != "True" or condition.reason == _BY_KUBELET:
        return None
    return max(0.0, seconds_of(condition.last_transition_time) + DELETION_TIMEOUT_SECONDS - now)


def no_longer_target(pod: pod_pb2.Pod, now: float) -> pod_pb2.Pod:
    """Return what to write of a Pod's status so that it is no longer said to be about to end."""
    return with_target_condition(pod, "False", now)
