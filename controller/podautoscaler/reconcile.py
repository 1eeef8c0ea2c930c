"""PURE: what an autoscaler does now, and what its status says.

Follows reconcileAutoscaler of upstream's `pkg/controller/podautoscaler/horizontal.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from controller.plans import NORMAL, WARNING, Note, copy_of
from controller.podautoscaler.behavior import History, Wish, changed, normalise, start
from controller.podautoscaler.measure import Answer, Measured, NoAnswer, Readiness, Tolerances, measure
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.core.v1 import pod_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import timestamp
from vaina.objects import quantity
from vaina.objects.conditions import set_condition

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"
_GOT_SCALE: Final = "the HPA controller was able to get the target's current scale"
_DISABLED: Final = "scaling is disabled since the replica count of the target is zero"
_NO_SELECTOR: Final = "the HPA target's scale is missing a selector"

METRIC_TYPES: Final = ("Resource", "ContainerResource", "Pods", "Object", "External")

Autoscaler = v2.HorizontalPodAutoscaler


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds where the autoscaler says nothing."""

    #: seconds for which the highest recommendation holds
    window: float = 300.0
    tolerance: float = 0.1
    readiness: Readiness = field(default_factory=Readiness)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the target."""

    scale: scale_pb2.Scale
    pods: Sequence[pod_pb2.Pod] = ()
    #: what the Pods use; a text: why it is not known
    metrics: Sequence[metrics_pb2.PodMetrics] | str = ()
    #: keys of all autoscalers that select one of the Pods
    autoscalers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do."""

    #: as it is if the scale need not change, or before it is tried
    status: v2.HorizontalPodAutoscalerStatus
    history: History
    notes: tuple[Note, ...] = ()
    #: the number of replicas to set; None: leave it
    replicas: int | None = None
    reason: str = ""
    #: what went wrong with metrics
    error: str = ""
    #: of each metric that was asked: action, error and type, as upstream's metrics label them
    computed: tuple[tuple[str, str, str], ...] = ()


def action(wanted: int, current: int) -> str:
    """Return upstream's word for a change of the number of replicas."""
    return "scale_up" if wanted > current else "scale_down" if wanted < current else "none"


def wants_metrics(autoscaler: Autoscaler, scale: scale_pb2.Scale) -> bool:
    """Say whether what the Pods use decides: not when scaling is off, or the number is outside the bounds."""
    spec, current = autoscaler.spec, scale.spec.replicas
    if current == 0 and least(spec) != 0:
        return False
    if not least(spec) <= current <= spec.max_replicas or not scale.status.selector:
        return False
    return any(metric.type in ("Resource", "ContainerResource") for metric in spec.metrics)


def least(spec: v2.HorizontalPodAutoscalerSpec) -> int:
    """Return the lower bound."""
    return spec.min_replicas if spec.HasField("min_replicas") else 1


def no_scale(autoscaler: Autoscaler, history: History, why: str, now: float) -> Plan:
    """Return what is said when the target, or its scale, cannot be had."""
    status = _status_of(autoscaler)
    message = f"the HPA controller was unable to get the target's current scale: {why}"
    _set(status, ABLE, "False", "FailedGetScale", message, now)
    return Plan(status, history, (Note(WARNING, "FailedGetScale", why),), error=why)


def reconcile(autoscaler: Autoscaler, seen: Seen, history: History, rules: Rules, now: float) -> Plan:
    """Return what to do about the target."""
    look = _Look(autoscaler, seen, rules, now)
    spec, status, current = autoscaler.spec, look.status, look.current
    history = start(history, current, now)
    _set(status, ABLE, "True", "SucceededGetScale", _GOT_SCALE, now)
    if current == 0 and least(spec) != 0:
        _set(status, ACTIVE, "False", "ScalingDisabled", _DISABLED, now)
        return Plan(_counted(status, current, current, ()), history)
    if current > spec.max_replicas:
        wanted, reason = spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
    elif current < least(spec):
        wanted, reason = least(spec), "Current number of replicas below Spec.MinReplicas"
    else:
        return look.plan(history)
    return Plan(_counted(status, current, current, ()), history, (), wanted, reason)


class _Look:
    def __init__(self, autoscaler: Autoscaler, seen: Seen, rules: Rules, now: float) -> None:
        self.autoscaler, self.seen, self.rules, self.now = autoscaler, seen, rules, now
        self.status, self.current = _status_of(autoscaler), seen.scale.spec.replicas
        self.notes: list[Note] = []
        #: as `Plan.computed`
        self.computed: list[tuple[str, str, str]] = []

    def plan(self, history: History) -> Plan:
        spec, status, current, now = self.autoscaler.spec, self.status, self.current, self.now
        chosen, shown, error = self._ask()
        if chosen is None:
            self._warn("FailedComputeMetricsReplicas", error)
            _counted(status, current, self.autoscaler.status.desired_replicas, shown)
            return Plan(status, history, tuple(self.notes), error=error, computed=tuple(self.computed))
        reason = ""
        if chosen.replicas > current:
            reason = f"{chosen.name} above target"
        elif chosen.replicas < current:
            reason = "All metrics below target"
        behavior = spec.behavior if spec.HasField("behavior") else None
        wish = Wish(current, chosen.replicas, least(spec), spec.max_replicas, now)
        verdict = normalise(behavior, wish, history, self.rules.window)
        _set(status, ABLE, "True", *verdict.able, now)
        _set(status, LIMITED, "True" if verdict.limited else "False", *verdict.limit, now)
        _counted(status, current, current, shown)
        moved = verdict.replicas if verdict.replicas != current else None
        notes, computed = tuple(self.notes), tuple(self.computed)
        return Plan(status, verdict.history, notes, moved, reason, error, computed)

    def _ask(self) -> tuple[Answer | None, list[v2.MetricStatus], str]:
        """Ask all metrics; the one that calls for most holds, if those that failed could not call for more."""
        problem = self._selector_problem()
        if problem:
            return None, [], problem
        seen, rules, metrics = self.seen, self.rules, self.autoscaler.spec.metrics
        known = Measured(
            seen.pods, seen.metrics, self.current, self.now, tolerances_of(self.autoscaler.spec, rules), rules.readiness
        )  # fmt: skip
        chosen: Answer | None = None
        first: NoAnswer | None = None
        shown, failed = list[v2.MetricStatus](), 0
        for metric in metrics:
            try:
                answer = measure(self.autoscaler.metadata.namespace, metric, known)
            except NoAnswer as error:
                self._warn(error.reason, error.detail)
                shown.append(v2.MetricStatus())
                first, failed = first or error, failed + 1
                # A type that there is not is the user's failure.
                fault = "internal" if metric.type in METRIC_TYPES else "spec"
                self.computed.append(("none", fault, metric.type))
                continue
            self.computed.append((action(answer.replicas, self.current), "none", metric.type))
            shown.append(answer.status)
            if chosen is None or answer.replicas > chosen.replicas:
                chosen = answer
        text = ""
        if first is not None:
            text = f"invalid metrics ({failed} invalid out of {len(metrics)}), first error is: {first}"
            if chosen is None or chosen.replicas < self.current:
                message = f"the HPA was unable to compute the replica count: {first.detail}"
                _set(self.status, ACTIVE, "False", first.reason, message, self.now)
                return None, shown, text
        if chosen is not None:
            message = f"the HPA was able to successfully calculate a replica count from {chosen.name}"
            _set(self.status, ACTIVE, "True", "ValidMetricFound", message, self.now)
        return chosen, shown, text

    def _selector_problem(self) -> str:
        selector = self.seen.scale.status.selector
        if not selector:
            self._warn("SelectorRequired", "selector is required")
            _set(self.status, ACTIVE, "False", "InvalidSelector", _NO_SELECTOR, self.now)
            return "selector is required"
        if len(self.seen.autoscalers) > 1:
            keys = " ".join(sorted(self.seen.autoscalers))
            message = f"pods by selector {selector} are controlled by multiple HPAs: [{keys}]"
            self._warn("AmbiguousSelector", message)
            _set(self.status, ACTIVE, "False", "AmbiguousSelector", message, self.now)
            return message
        return ""

    def _warn(self, reason: str, message: str) -> None:
        self.notes.append(Note(WARNING, reason, message))


def tolerances_of(spec: v2.HorizontalPodAutoscalerSpec, rules: Rules) -> Tolerances:
    """Return how far from the target is near enough, each way (KEP-4951)."""

    def one(asked: v2.HPAScalingRules) -> float:
        has = asked.HasField("tolerance")
        return quantity.milli_value(asked.tolerance.string) / 1000 if has else rules.tolerance

    return Tolerances(one(spec.behavior.scale_down), one(spec.behavior.scale_up))


def rescaled(autoscaler: Autoscaler, plan: Plan, current: int, now: float) -> Plan:
    """Return what is said, and remembered, after the scale was set."""
    if plan.replicas is None:
        return plan
    message = f"the HPA controller was able to update the target scale to {plan.replicas}"
    _set(plan.status, ABLE, "True", "SucceededRescale", message, now)
    plan.status.desired_replicas = plan.replicas
    plan.status.last_scale_time.CopyFrom(timestamp(now))
    behavior = autoscaler.spec.behavior if autoscaler.spec.HasField("behavior") else None
    history = changed(plan.history, behavior, current, plan.replicas, now)
    note = Note(NORMAL, "SuccessfulRescale", f"New size: {plan.replicas}; reason: {plan.reason}")
    return replace(plan, history=history, notes=(*plan.notes, note))


def not_rescaled(autoscaler: Autoscaler, plan: Plan, why: str, now: float) -> Plan:
    """Return what is said after the scale could not be set."""
    text = f"New size: {plan.replicas}; reason: {plan.reason}; error: {why}"
    message = f"the HPA controller was unable to update the target scale: {why}"
    _set(plan.status, ABLE, "False", "FailedUpdateScale", message, now)
    plan.status.desired_replicas = autoscaler.status.desired_replicas
    note = Note(WARNING, "FailedRescale", text)
    return replace(plan, notes=(*plan.notes, note), error=why)


def _status_of(autoscaler: Autoscaler) -> v2.HorizontalPodAutoscalerStatus:
    status = copy_of(autoscaler.status)
    status.observed_generation = autoscaler.metadata.generation
    return status


def _counted(
    status: v2.HorizontalPodAutoscalerStatus, current: int, desired: int, shown: Sequence[v2.MetricStatus]
) -> v2.HorizontalPodAutoscalerStatus:
    status.current_replicas, status.desired_replicas = current, desired
    del status.current_metrics[:]
    status.current_metrics.extend(shown)
    return status


def _set(
    status: v2.HorizontalPodAutoscalerStatus, kind: str, value: str, reason: str, message: str, now: float
) -> None:
    wanted = v2.HorizontalPodAutoscalerCondition(type=kind, status=value, reason=reason, message=message)
    set_condition(status, wanted, now)
