"""The row of a HorizontalPodAutoscaler in `vaina get`: kubectl's columns.

Follows `pkg/printers/internalversion`: printHorizontalPodAutoscaler.
"""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.duration import age
from vaina.objects.quantity import canonical

AUTOSCALER_HEADERS: Final = ("NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE")
UNKNOWN: Final = "<unknown>"
#: metrics that are shown; the others are counted
_SHOWN: Final = 2


def autoscaler_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells."""
    spec, status = found.spec, found.status
    return (
        found.metadata.name, f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}",
        targets(spec.metrics, status.current_metrics),
        str(spec.min_replicas) if spec.HasField("min_replicas") else "<unset>", str(spec.max_replicas),
        str(status.current_replicas), age(found.metadata.creation_timestamp, now),
    )  # fmt: skip


def targets(metrics: Sequence[Any], current: Sequence[Any]) -> str:
    """Write what is measured beside what is wished for, a metric after the other: cpu: 20%/80%."""
    if not metrics:
        return "<none>"
    cells = [
        target(metric, current[index] if index < len(current) else None)
        for index, metric in enumerate(metrics)
    ]
    more = len(cells) - _SHOWN
    shown = ", ".join(cells[:_SHOWN])
    return f"{shown} + {more} more..." if more > 0 else shown


def target(metric: Any, status: Any | None) -> str:
    """Write one metric."""
    fields = {"Object": "object", "Pods": "pods", "External": "external", "Resource": "resource"}
    field = fields.get(metric.type, "container_resource" if metric.type == "ContainerResource" else "")
    if not field:
        return "<unknown type>"
    source, wanted = getattr(metric, field), getattr(metric, field).target
    measured = getattr(status, field).current if status is not None and status.HasField(field) else None
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


def _amount(measured: Any | None, field: str) -> str:
    return _text(getattr(measured, field)) if measured is not None and measured.HasField(field) else UNKNOWN


def _text(amount: Any) -> str:
    return canonical(amount.string) if amount.string else "0"
