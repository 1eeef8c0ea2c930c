"""The page of a HorizontalPodAutoscaler in `vaina describe`, in kubectl's form.

Follows `pkg/describe`: HorizontalPodAutoscalerDescriber.
"""

from collections.abc import Sequence
from typing import Any

from cli.printers.autoscaler_columns import UNKNOWN
from cli.printers.page import Page, describe_labels, describe_meta, show_time
from vaina.objects.quantity import canonical
from vaina.quoting import go_quote


def describe_autoscaler(page: Page, found: Any, _: Sequence[Any]) -> None:
    """Write the page."""
    spec, status = found.spec, found.status
    describe_meta(page, found)
    describe_labels(page, found)
    page.value(0, "CreationTimestamp", show_time(found.metadata.creation_timestamp))
    page.value(0, "Reference", f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}")
    page.value(0, "Metrics", "( current / target )")
    for index, metric in enumerate(spec.metrics):
        measured = status.current_metrics[index] if index < len(status.current_metrics) else None
        page.value(1, *_metric(metric, measured))
    page.value(0, "Min replicas", str(spec.min_replicas) if spec.HasField("min_replicas") else "<unset>")
    page.value(0, "Max replicas", str(spec.max_replicas))
    if spec.HasField("behavior"):
        page.line(0, "Behavior:")
        for title, field in (("Scale Up", "scale_up"), ("Scale Down", "scale_down")):
            if spec.behavior.HasField(field):
                page.line(1, f"{title}:")
                _rules(page, getattr(spec.behavior, field))
    counts = f"{status.current_replicas} current / {status.desired_replicas} desired"
    page.value(0, f"{spec.scale_target_ref.kind} pods", counts)
    if status.conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type", "Status", "Reason", "Message")
        page.line(1, "----", "------", "------", "-------")
        for condition in status.conditions:
            page.line(1, condition.type, condition.status, condition.reason, condition.message)


def _rules(page: Page, rules: Any) -> None:
    if rules.HasField("stabilization_window_seconds"):
        page.value(2, "Stabilization Window", f"{rules.stabilization_window_seconds} seconds")
    page.value(2, "Select Policy", rules.select_policy or "Max")
    page.line(2, "Policies:")
    for policy in rules.policies:
        page.line(
            3, f"- Type: {policy.type}", f"Value: {policy.value}", f"Period: {policy.period_seconds} seconds"
        )


def _metric(metric: Any, measured: Any | None) -> tuple[str, str]:
    match metric.type:
        case "Resource":
            name = f"resource {metric.resource.name} on pods"
            return _resource(name, metric.resource.target, _current(measured, "resource"))
        case "ContainerResource":
            source = metric.container_resource
            name = f'resource {source.name} of container "{source.container}" on pods'
            return _resource(name, source.target, _current(measured, "container_resource"))
        case "Pods":
            now, goal = _amount(_current(measured, "pods"), "average_value"), metric.pods.target.average_value
            return f"{go_quote(metric.pods.metric.name)} on pods", f"{now} / {_text(goal)}"
        case "Object":
            about = metric.object.described_object
            name = f"{go_quote(metric.object.metric.name)} on {about.kind}/{about.name}"
            return _either(name, metric.object.target, _current(measured, "object"))
        case "External":
            name = go_quote(metric.external.metric.name)
            return _either(name, metric.external.target, _current(measured, "external"))
        case _:
            return "<unknown metric type", f"{go_quote(metric.type)}>"


def _resource(name: str, target: Any, current: Any | None) -> tuple[str, str]:
    amount = _amount(current, "average_value")
    if target.HasField("average_value"):
        return name, f"{amount} / {_text(target.average_value)}"
    now = UNKNOWN
    if current is not None and current.HasField("average_utilization"):
        now = f"{current.average_utilization}% ({amount})"
    return f"{name}  (as a percentage of request)", f"{now} / {target.average_utilization}%"


def _either(name: str, target: Any, current: Any | None) -> tuple[str, str]:
    field, words = "value", "target value"
    if target.HasField("average_value"):
        field, words = "average_value", "target average value"
    return f"{name} ({words})", f"{_amount(current, field)} / {_text(getattr(target, field))}"


def _current(measured: Any | None, field: str) -> Any | None:
    return getattr(measured, field).current if measured is not None and measured.HasField(field) else None


def _amount(current: Any | None, field: str) -> str:
    return _text(getattr(current, field)) if current is not None and current.HasField(field) else UNKNOWN


def _text(amount: Any) -> str:
    return canonical(amount.string) if amount.string else "0"
