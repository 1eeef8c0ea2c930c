"""Texts of cells that tables and descriptions show, and how a cell of a table is made from an object."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from cli.printers.duration import age, human_duration
from vaina.clock import seconds_of
from vaina.objects import selectors

NONE: Final = "<none>"
UNSET: Final = "<unset>"
UNKNOWN: Final = "<unknown>"

#: (object, now in seconds since the epoch) -> what a cell of it shows
Cell = Callable[[Any, float], str]


def at(path: str, none: str = "") -> Cell:
    """Show the field at a path; `none` where it is empty."""
    read = attrgetter(path)

    def cell(obj: Any, _: float) -> str:
        value = read(obj)
        return str(value).lower() if isinstance(value, bool) else str(value) or none

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
    return lambda obj, _: str(len(read(obj)))


def selector(path: str) -> Cell:
    """Show the selector at a path."""
    read = attrgetter(path)
    return lambda obj, _: selector_text(read(obj))


def template(path: str) -> dict[str, Cell]:
    """Return the columns of the containers of the Pod template at a path."""
    read = attrgetter(f"{path}.spec.containers")
    return {
        "CONTAINERS": lambda obj, _: ",".join(container.name for container in read(obj)),
        "IMAGES": lambda obj, _: ",".join(container.image for container in read(obj)),
    }


def set_text(message: Any, field: str, none: str = UNSET) -> str:
    """Write a field that may be unset."""
    return str(getattr(message, field)) if message.HasField(field) else none


def show_selector(owner: Any) -> str:
    """Write the selector of what makes Pods as text."""
    return selector_text(owner.spec.selector)


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


def first_of(texts: Sequence[str]) -> str:
    """Return the first text that says something."""
    return next(filter(None, texts), "")
