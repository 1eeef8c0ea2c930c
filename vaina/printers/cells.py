"""Texts of cells that tables and descriptions show, ages and durations too, and how a cell is made."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from vaina.clock import seconds_of
from vaina.objects import selectors

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365


def _two(whole: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{whole}{unit}{rest}{rest_unit}" if rest else f"{whole}{unit}"


def human_duration(seconds: float) -> str:
    """Write a duration with two units at most: 90s, 5m30s, 3h, 2d4h (apimachinery `duration.HumanDuration`)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    if whole < 10 * _MINUTE:
        return _two(whole // _MINUTE, "m", whole % _MINUTE, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole // _HOUR, "h", whole // _MINUTE % 60, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole // _DAY, "d", whole // _HOUR % 24, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole // _YEAR, "y", whole // _DAY % 365, "d")
    return f"{whole // _YEAR}y"


def age(stamp: Timestamp, now: float) -> str:
    """Write how long ago a time was; `<unknown>` for none."""
    if not stamp.seconds and not stamp.nanos:
        return "<unknown>"
    return human_duration(now - seconds_of(stamp))


def precise(seconds: float) -> str:
    """Write a short duration with three digits: 850 µs, 12.3 ms, 1.24 s, 2m05s."""
    if seconds < 0.5e-6:
        return "0 ms"
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        millis = seconds * 1e3
        digits = 2 if millis < 9.995 else 1 if millis < 99.95 else 0
        return f"{millis:.{digits}f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if whole < _HOUR else f"{minutes // 60}h{minutes % 60:02d}m"


NONE: Final = "<none>"
UNSET: Final = "<unset>"
UNKNOWN: Final = "<unknown>"

#: what a cell shows; numbers and booleans stay what they are in a Table
Value = str | int
#: (object, now in seconds since the epoch) -> what a cell of it shows
Cell = Callable[[Any, float], Value]


def text_of(value: Value) -> str:
    """Write what a cell shows."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def at(path: str, none: str = "") -> Cell:
    """Show the field at a path; `none` where it is empty."""
    read = attrgetter(path)

    def cell(obj: Any, _: float) -> Value:
        value = read(obj)
        return value if isinstance(value, int) else str(value) or none

    return cell


def set_at(path: str, none: str = UNSET) -> Cell:
    """Show the field at a path, which may be unset."""
    holder, _, field = path.rpartition(".")
    read = attrgetter(holder)
    return lambda obj, _: set_text(read(obj), field, none)


def since(path: str, none: str = UNKNOWN) -> Cell:
    """Show how long ago the time at a path is."""
    read = attrgetter(path)
    return lambda obj, now: age(read(obj), now) if read(obj).seconds else none


def count(path: str) -> Cell:
    """Show how many entries the field at a path has."""
    read = attrgetter(path)
    return lambda obj, _: len(read(obj))


def selector(path: str) -> Cell:
    """Show the selector at a path."""
    read = attrgetter(path)
    return lambda obj, _: selector_text(read(obj))


def set_text(message: Any, field: str, none: str = UNSET) -> str:
    """Write a field that may be unset."""
    return str(getattr(message, field)) if message.HasField(field) else none


def selector_text(selector: Any) -> str:
    """Write a LabelSelector, or a map of labels, as text."""
    if hasattr(selector, "match_labels"):
        try:
            return str(selectors.from_message(selector)) or NONE
        except selectors.SelectorError:
            return "<error>"
    return pairs_text(selector) or NONE


def pairs_text(pairs: Mapping[str, str]) -> str:
    """Write a map as key=value, in the order of keys."""
    return ",".join(f"{key}={pairs[key]}" for key in sorted(pairs))


def show_amount(amounts: Any, name: str) -> str:
    """Write an amount of a map of amounts; what is not there is nothing."""
    return (amounts[name].string if name in amounts else "") or "0"


def int_or_text(value: Any) -> str:
    """Write an IntOrString."""
    return value.str_val if value.type else str(value.int_val)


def event_times(event: Any) -> tuple[float | None, float | None]:
    """Return when an event was first and last seen, in seconds; None when it does not say."""

    def first_set(*stamps: Any) -> float | None:
        return next((seconds_of(stamp) for stamp in stamps if stamp.seconds), None)

    first = first_set(event.first_timestamp, event.event_time)
    last = first_set(event.series.last_observed_time, event.last_timestamp, event.event_time)
    return first, last if last is not None else first


def event_source(event: Any) -> str:
    """Return who reports an event: kubelet, node-1."""
    component = event.source.component or event.reporting_component
    host = event.source.host or event.reporting_instance
    return f"{component}, {host}" if host else component


def event_count(event: Any) -> int:
    """Return how often an event was seen."""
    return event.series.count or event.count or 1


def job_duration(job: Any, now: float) -> str:
    """Return how long a Job has run, or ran; nothing when it has not begun."""
    status = job.status
    if not status.HasField("start_time"):
        return ""
    end = seconds_of(status.completion_time) if status.HasField("completion_time") else now
    return human_duration(end - seconds_of(status.start_time))
