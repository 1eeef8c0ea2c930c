"""When a CronJob is due: the five fields, `@hourly` and its like, and `@every 1h30m`, in any time zone. PURE.

What can be written, what it means and the words of errors are those of robfig/cron v3 (ParseStandard, SpecSchedule), which
Kubernetes uses. The times are found by cronsim, which gets the fields spelled out (decision 137).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_MACROS: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_EVERY: Final = "@every "
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
#: 2**63 nanoseconds, the longest time that Go knows
_MAX_SECONDS: Final = 9_223_372_036.0


class ScheduleError(ValueError):
    """A schedule cannot be read; the text says why, as upstream."""


class Schedule(Protocol):
    """When something is due."""

    def next(self, after: float) -> float | None:
        """Return the first time after a time, both in seconds since the epoch; None: never."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59), _Field("hour", 0, 23), _Field("day of month", 1, 31), _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calendar:
    """Five fields, spelled out for cronsim, and the zone in which they are meant.

    With its field of seconds cronsim goes by the hours that pass, as upstream: what stands in an hour that is left out in spring
    is left out, what stands in one that comes twice in autumn comes twice.
    """

    expression: str
    zone: ZoneInfo

    def next(self, after: float) -> float | None:
        """Return the first time after a time."""
        try:
            found: datetime = next(CronSim(self.expression, datetime.fromtimestamp(after, self.zone)))
        except (CronSimError, StopIteration, OverflowError):
            # The 31st of February: cronsim refuses it, or gives up after 50 years.
            return None
        return found.timestamp()


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again after so many seconds, from whole second to whole second."""

    seconds: int

    def next(self, after: float) -> float | None:
        """Return the time after a time."""
        return float(int(after) + self.seconds)


def time_zone(name: str | None) -> ZoneInfo:
    """Return the zone of a name; the controllers' own, UTC, for none. Raises ScheduleError."""
    if not name:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


@lru_cache(maxsize=4096)
def parse(text: str, zone_name: str | None = None) -> Schedule:
    """Read a schedule. Raises ScheduleError."""
    zone = time_zone(zone_name)
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith(_EVERY):
        rest = text.removeprefix(_EVERY)
        seconds = _go_duration(rest)
        if seconds is None:
            raise ScheduleError(f"failed to parse duration {text}: time: invalid duration {_quoted(rest)}")
        return Every(max(1, int(seconds)))
    if text.startswith("@"):
        if text not in _MACROS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _MACROS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        shown = " ".join(parts)
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{shown}]")
    # A second of 0 before the five: cronsim then leaves the days of changing clocks as they are.
    spelled = (_spell(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    return Calendar(" ".join(("0", *spelled)), zone)


def format_time(seconds: float, zone_name: str | None = None) -> str:
    """Write a time in a zone as RFC 3339, with the zone's offset: 2026-01-01T09:00:00+01:00."""
    shown = (datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(seconds))).astimezone(
        time_zone(zone_name)
    )
    text = shown.isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _spell(text: str, field: _Field) -> str:
    """Return a field as numbers, or `*` where it stands for any and days of month and week must both fit."""
    values: set[int] = set()
    star = False
    for item in text.split(","):
        if item:
            found, any_value = _range(item, field)
            values.update(found)
            star = star or any_value
    if not values:
        raise ScheduleError(f"empty {field.name}: {text}")
    return "*" if star else ",".join(str(value) for value in sorted(values))


def _range(text: str, field: _Field) -> tuple[range, bool]:
    """Read `*`, `5`, `1-5`, `*/2`, `1-9/2`, `5/10`; says too whether it is a plain star."""
    bounds, *steps = text.split("/")
    low_and_high = bounds.split("-")
    star = False
    if low_and_high[0] in ("*", "?"):
        low, high, star = field.low, field.high, True
    else:
        low = _number_or_name(low_and_high[0], field)
        high = _number_or_name(low_and_high[1], field) if len(low_and_high) > 1 else low
        if len(low_and_high) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
    step = 1
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0])
        if len(low_and_high) == 1:
            high = field.high
        star = star and step <= 1
    if low < field.low:
        raise ScheduleError(f"beginning of range ({low}) below minimum ({field.low}): {text}")
    if high > field.high:
        raise ScheduleError(f"end of range ({high}) above maximum ({field.high}): {text}")
    if low > high:
        raise ScheduleError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(low, high + 1, step), star


def _number_or_name(text: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    return _number(text)


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        raise ScheduleError(
            f"failed to parse int from {text}: strconv.Atoi: parsing {_quoted(text)}: invalid syntax"
        )
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


def _go_duration(text: str) -> float | None:
    """Return the seconds of a duration as Go writes them (1h30m, 1.5s); None when it is none."""
    body = text.lstrip("+-") if text[:1] in ("+", "-") else text
    if body == "0":
        return 0.0
    total, position = 0.0, 0
    for match in _PART.finditer(body):
        if match.start() != position:
            return None
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not body or position != len(body) or total > _MAX_SECONDS:
        return None
    return -total if text.startswith("-") else total


def _quoted(text: str) -> str:
    return f'"{text}"'
