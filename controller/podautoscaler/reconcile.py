"""PURE: what an autoscaler does now, and what its status says.

Follows reconcileAutoscaler of upstream's `pkg/controller/podautoscaler/horizontal.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from controller.plans import NORMAL, WARNING, Note, copy_of
from controller.podautoscaler.behavior import History, Wish, changed, normalise, start
from controller.podautoscaler.measure import Answer, Measured, NoAnswer, measure
from controller.podautoscaler.replicas import Readiness, Tolerances
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
    #: why
    reason: str = ""
    #: what went wrong with metrics
    error: str = ""
    #: of each metric that was asked: action, error and type, as upstream's metrics label them
    computed: tuple[tuple[str, str, str], ...] = ()


def action(wanted: int, current: int) -> str:
    """Return upstream's word for a change of the number of replicas."""
    return "scale_up" if wanted > current else "scale_down" if wanted < current else "none"


def known_type(metric: v2.MetricSpec) -> bool:
    """Say whether a metric is of a type that there is: if not, its failure is the user's."""
    return metric.type in ("Resource", "ContainerResource", "Pods", "Object", "External")


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
    spec, status = autoscaler.spec, _status_of(autoscaler)
    current = seen.scale.spec.replicas
    history = start(history, current, now)
    _set(status, ABLE, "True", "SucceededGetScale", _GOT_SCALE, now)
    if current == 0 and least(spec) != 0:
        _set(status, ACTIVE, "False", "ScalingDisabled", _DISABLED, now)
        return Plan(_counted(status, current, current, ()), history)
    outside = _outside(spec, current)
    if outside is not None:
        wanted, reason = outside
        return Plan(_counted(status, current, current, ()), history, (), wanted, reason)
    return _by_metrics(autoscaler, seen, history, rules, status, now)


def _outside(spec: v2.HorizontalPodAutoscalerSpec, current: int) -> tuple[int, str] | None:
    if current > spec.max_replicas:
        return spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
    if current < least(spec):
        return least(spec), "Current number of replicas below Spec.MinReplicas"
    return None


def _by_metrics(
    autoscaler: Autoscaler,
    seen: Seen,
    history: History,
    rules: Rules,
    status: v2.HorizontalPodAutoscalerStatus,
    now: float,
) -> Plan:
    spec, current, notes = autoscaler.spec, seen.scale.spec.replicas, list[Note]()
    computed = list[tuple[str, str, str]]()
    chosen, shown, error = _ask(autoscaler, seen, rules, status, notes, computed, now)
    if chosen is None:
        notes.append(Note(WARNING, "FailedComputeMetricsReplicas", error))
        _counted(status, current, autoscaler.status.desired_replicas, shown)
        return Plan(status, history, tuple(notes), error=error, computed=tuple(computed))
    reason = ""
    if chosen.replicas > current:
        reason = f"{chosen.name} above target"
    elif chosen.replicas < current:
        reason = "All metrics below target"
    behavior = spec.behavior if spec.HasField("behavior") else None
    wish = Wish(current, chosen.replicas, least(spec), spec.max_replicas, now)
    verdict = normalise(behavior, wish, history, rules.window)
    _set(status, ABLE, "True", *verdict.able, now)
    _set(status, LIMITED, "True" if verdict.limited else "False", *verdict.limit, now)
    _counted(status, current, current, shown)
    moved = verdict.replicas if verdict.replicas != current else None
    return Plan(status, verdict.history, tuple(notes), moved, reason, error, tuple(computed))


def _ask(
    autoscaler: Autoscaler,
    seen: Seen,
    rules: Rules,
    status: v2.HorizontalPodAutoscalerStatus,
    notes: list[Note],
    computed: list[tuple[str, str, str]],
    now: float,
) -> tuple[Answer | None, list[v2.MetricStatus], str]:
    """Ask all metrics; the one that calls for most holds, if those that failed could not call for more."""
    problem = _selector_problem(seen, status, notes, now)
    if problem:
        return None, [], problem
    known = Measured(
        seen.pods, seen.metrics, seen.scale.spec.replicas, now, tolerances_of(autoscaler.spec, rules), rules.readiness
    )  # fmt: skip
    chosen: Answer | None = None
    first: NoAnswer | None = None
    shown, failed = list[v2.MetricStatus](), 0
    for metric in autoscaler.spec.metrics:
        try:
            answer = measure(autoscaler.metadata.namespace, metric, known)
        except NoAnswer as error:
            notes.append(Note(WARNING, error.reason, error.detail))
            shown.append(v2.MetricStatus())
            first, failed = first or error, failed + 1
            computed.append(("none", "internal" if known_type(metric) else "spec", metric.type))
            continue
        computed.append((action(answer.replicas, known.current), "none", metric.type))
        shown.append(answer.status)
        if chosen is None or answer.replicas > chosen.replicas:
            chosen = answer
    text = ""
    if first is not None:
        total = len(autoscaler.spec.metrics)
        text = f"invalid metrics ({failed} invalid out of {total}), first error is: {first}"
        if chosen is None or chosen.replicas < seen.scale.spec.replicas:
            message = f"the HPA was unable to compute the replica count: {first.detail}"
            _set(status, ACTIVE, "False", first.reason, message, now)
            return None, shown, text
    if chosen is not None:
        message = f"the HPA was able to successfully calculate a replica count from {chosen.name}"
        _set(status, ACTIVE, "True", "ValidMetricFound", message, now)
    return chosen, shown, text


def _selector_problem(
    seen: Seen, status: v2.HorizontalPodAutoscalerStatus, notes: list[Note], now: float
) -> str:
    selector = seen.scale.status.selector
    if not selector:
        notes.append(Note(WARNING, "SelectorRequired", "selector is required"))
        _set(status, ACTIVE, "False", "InvalidSelector", _NO_SELECTOR, now)
        return "selector is required"
    if len(seen.autoscalers) > 1:
        keys = " ".join(sorted(seen.autoscalers))
        message = f"pods by selector {selector} are controlled by multiple HPAs: [{keys}]"
        notes.append(Note(WARNING, "AmbiguousSelector", message))
        _set(status, ACTIVE, "False", "AmbiguousSelector", message, now)
        return message
    return ""


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
