"""The page of a HorizontalPodAutoscaler: kubectl `pkg/describe` (HorizontalPodAutoscalerDescriber)."""

from collections.abc import Sequence
from typing import Any

from cli.printers.page import Page, describe_labels, describe_meta, show_time
from vaina.printers.cells import UNKNOWN, set_text
from vaina.printers.metrics import FIELDS, amount_of, amount_text, current_of
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
        page.value(1, *_long(metric, measured))
    page.value(0, "Min replicas", set_text(spec, "min_replicas"))
    page.value(0, "Max replicas", str(spec.max_replicas))
    if spec.HasField("behavior"):
        page.line(0, "Behavior:")
        for title, field in (("Scale Up", "scale_up"), ("Scale Down", "scale_down")):
            if spec.behavior.HasField(field):
                page.line(1, f"{title}:")
                _rules(page, getattr(spec.behavior, field))
    counts = f"{status.current_replicas} current / {status.desired_replicas} desired"
    page.value(0, f"{spec.scale_target_ref.kind} pods", counts)
    page.conditions(status, "Type", "Status", "Reason", "Message")


def _rules(page: Page, rules: Any) -> None:
    if rules.HasField("stabilization_window_seconds"):
        page.value(2, "Stabilization Window", f"{rules.stabilization_window_seconds} seconds")
    page.value(2, "Select Policy", rules.select_policy or "Max")
    page.line(2, "Policies:")
    for policy in rules.policies:
        page.line(
            3, f"- Type: {policy.type}", f"Value: {policy.value}", f"Period: {policy.period_seconds} seconds"
        )


def _long(metric: Any, status: Any | None) -> tuple[str, str]:
    """Return what a metric is called on a page, and what is measured of it beside what is wanted."""
    field = FIELDS.get(metric.type)
    if field is None:
        return "<unknown metric type", f"{go_quote(metric.type)}>"
    source, measured = getattr(metric, field), current_of(status, field)
    match field:
        case "resource":
            return _resource(f"resource {source.name} on pods", source.target, measured)
        case "container_resource":
            name = f'resource {source.name} of container "{source.container}" on pods'
            return _resource(name, source.target, measured)
        case "pods":
            values = f"{amount_of(measured, 'average_value')} / {amount_text(source.target.average_value)}"
            return f"{go_quote(source.metric.name)} on pods", values
        case "object":
            about = source.described_object
            return _either(
                f"{go_quote(source.metric.name)} on {about.kind}/{about.name}", source.target, measured
            )
        case _:
            return _either(go_quote(source.metric.name), source.target, measured)


def _resource(name: str, target: Any, current: Any | None) -> tuple[str, str]:
    amount = amount_of(current, "average_value")
    if target.HasField("average_value"):
        return name, f"{amount} / {amount_text(target.average_value)}"
    now = UNKNOWN
    if current is not None and current.HasField("average_utilization"):
        now = f"{current.average_utilization}% ({amount})"
    return f"{name}  (as a percentage of request)", f"{now} / {target.average_utilization}%"


def _either(name: str, target: Any, current: Any | None) -> tuple[str, str]:
    field, words = "value", "target value"
    if target.HasField("average_value"):
        field, words = "average_value", "target average value"
    return f"{name} ({words})", f"{amount_of(current, field)} / {amount_text(getattr(target, field))}"
