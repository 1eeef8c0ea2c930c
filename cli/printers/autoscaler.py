"""What `get` and `describe` show of HorizontalPodAutoscalers.

Follows `pkg/printers/internalversion` (printHorizontalPodAutoscaler) and `pkg/describe`
(HorizontalPodAutoscalerDescriber).
"""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import UNKNOWN, set_text
from cli.printers.page import Page, describe_labels, describe_meta, show_time
from vaina.objects.quantity import canonical
from vaina.quoting import go_quote

#: metrics that a cell shows; the others are counted
_SHOWN: Final = 2
#: types of metrics -> the field that has them
_FIELDS: Final = {
    "Resource": "resource",
    "ContainerResource": "container_resource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


def metrics_text(metrics: Sequence[Any], current: Sequence[Any]) -> str:
    """Write what is measured beside what is wanted, a metric after the other: cpu: 20%/80%."""
    cells = [
        _short(metric, current[index] if index < len(current) else None)
        for index, metric in enumerate(metrics)
    ]
    more = len(cells) - _SHOWN
    shown = ", ".join(cells[:_SHOWN]) or "<none>"
    return f"{shown} + {more} more..." if more > 0 else shown


def _short(metric: Any, status: Any | None) -> str:
    field = _FIELDS.get(metric.type)
    if field is None:
        return "<unknown type>"
    source = getattr(metric, field)
    wanted, measured = source.target, _current(status, field)
    if field in ("resource", "container_resource"):
        if wanted.HasField("average_value"):
            return f"{source.name}: {_amount(measured, 'average_value')}/{_text(wanted.average_value)}"
        share = measured is not None and measured.HasField("average_utilization")
        now = f"{measured.average_utilization}%" if measured is not None and share else UNKNOWN
        goal = f"{wanted.average_utilization}%" if wanted.HasField("average_utilization") else "<auto>"
        return f"{source.name}: {now}/{goal}"
    if wanted.HasField("average_value"):
        mark = "" if field == "pods" else " (avg)"
        return f"{_amount(measured, 'average_value')}/{_text(wanted.average_value)}{mark}"
    return f"{_amount(measured, 'value')}/{_text(wanted.value)}"


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
    field = _FIELDS.get(metric.type)
    if field is None:
        return "<unknown metric type", f"{go_quote(metric.type)}>"
    source, measured = getattr(metric, field), _current(status, field)
    match field:
        case "resource":
            return _resource(f"resource {source.name} on pods", source.target, measured)
        case "container_resource":
            name = f'resource {source.name} of container "{source.container}" on pods'
            return _resource(name, source.target, measured)
        case "pods":
            values = f"{_amount(measured, 'average_value')} / {_text(source.target.average_value)}"
            return f"{go_quote(source.metric.name)} on pods", values
        case "object":
            about = source.described_object
            return _either(
                f"{go_quote(source.metric.name)} on {about.kind}/{about.name}", source.target, measured
            )
        case _:
            return _either(go_quote(source.metric.name), source.target, measured)


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


def _current(status: Any | None, field: str) -> Any | None:
    return getattr(status, field).current if status is not None and status.HasField(field) else None


def _amount(current: Any | None, field: str) -> str:
    return _text(getattr(current, field)) if current is not None and current.HasField(field) else UNKNOWN


def _text(amount: Any) -> str:
    return canonical(amount.string) if amount.string else "0"
