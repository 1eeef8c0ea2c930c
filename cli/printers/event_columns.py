"""What an event says, for tables and descriptions: when, of what, by whom, how often.

And its row (`pkg/printers/internalversion`: printEvent).
"""

from collections.abc import Sequence
from typing import Any

from cli.printers.duration import human_duration
from vaina.clock import seconds_of


def event_times(event: Any) -> tuple[float | None, float | None]:
    """Return when an event was first and last seen, in seconds; None when it does not say."""

    def first_set(*stamps: Any) -> float | None:
        return next((seconds_of(stamp) for stamp in stamps if stamp.seconds), None)

    first = first_set(event.first_timestamp, event.event_time)
    last = first_set(event.series.last_observed_time, event.last_timestamp, event.event_time)
    return first, last if last is not None else first


def event_object(event: Any) -> str:
    """Return the object of an event: pod/web."""
    return f"{event.involved_object.kind.lower()}/{event.involved_object.name}"


def event_source(event: Any) -> str:
    """Return who reports an event: kubelet, node-1."""
    component = event.source.component or event.reporting_component
    host = event.source.host or event.reporting_instance
    return f"{component}, {host}" if host else component


def event_count(event: Any) -> int:
    """Return how often an event was seen."""
    return event.series.count or event.count or 1


def event_row(event: Any, now: float) -> Sequence[str]:
    """Return the cells of an Event."""
    first, last = event_times(event)

    def since(seconds: float | None) -> str:
        return "<unknown>" if seconds is None else human_duration(now - seconds)

    return (
        since(last), event.type, event.reason, event_object(event), event.message.strip(),
        event.involved_object.field_path, event_source(event), since(first), str(event_count(event)), event.metadata.name,
    )  # fmt: skip
