"""What a HorizontalPodAutoscaler measures, beside what it aims at.

Follows `pkg/printers/internalversion` (formatHPAMetrics).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vaina.objects.quantity import canonical
from vaina.printers.cells import UNKNOWN

#: metrics that a cell shows; the others are counted
_SHOWN: Final = 2
#: types of metrics -> the field that has them
FIELDS: Final[Mapping[str, str]] = {
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
    field = FIELDS.get(metric.type)
    if field is None:
        return "<unknown type>"
    source = getattr(metric, field)
    wanted, measured = source.target, current_of(status, field)
    if field in ("resource", "container_resource"):
        if wanted.HasField("average_value"):
            return (
                f"{source.name}: {amount_of(measured, 'average_value')}/{amount_text(wanted.average_value)}"
            )
        share = measured is not None and measured.HasField("average_utilization")
        now = f"{measured.average_utilization}%" if measured is not None and share else UNKNOWN
        goal = f"{wanted.average_utilization}%" if wanted.HasField("average_utilization") else "<auto>"
        return f"{source.name}: {now}/{goal}"
    if wanted.HasField("average_value"):
        mark = "" if field == "pods" else " (avg)"
        return f"{amount_of(measured, 'average_value')}/{amount_text(wanted.average_value)}{mark}"
    return f"{amount_of(measured, 'value')}/{amount_text(wanted.value)}"


def current_of(status: Any | None, field: str) -> Any | None:
    """Return what is measured of a metric; None where nothing is."""
    return getattr(status, field).current if status is not None and status.HasField(field) else None


def amount_of(current: Any | None, field: str) -> str:
    """Write one measured amount; <unknown> where it was not measured."""
    return (
        amount_text(getattr(current, field)) if current is not None and current.HasField(field) else UNKNOWN
    )


def amount_text(amount: Any) -> str:
    """Write an amount."""
    return canonical(amount.string) if amount.string else "0"
