"""When a CronJob is due: the five fields, `@hourly` and its like, and `@every 1h30m`, in any time zone. PURE.

What can be written, what it means and the words of errors are those of robfig/cron v3 (ParseStandard,
SpecSchedule), which Kubernetes uses. The times are found by cronsim, which gets the fields spelled out
(decision 137).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from vaina.durations import DurationError, parse_duration
from vaina.objects.integers import parse_int
from vaina.quoting import go_quote

_MACROS: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_EVERY: Final = "@every "
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DIGITS: Final = re.compile(r"[+-]?([0-9]+)", re.ASCII)
_MAX_DIGITS: Final = len(str(1 << 64))
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


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

    With its field of seconds cronsim goes by the hours that pass, as upstream: what stands in an hour that is
    left out in spring is left out, what stands in one that comes twice in autumn comes twice.
    """

    #: "": it is never due
    expression: str
    zone: ZoneInfo

    def next(self, after: float) -> float | None:
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
        try:
            nanos = parse_duration(text.removeprefix(_EVERY))
        except DurationError as error:
            raise ScheduleError(f"failed to parse duration {text}: {error}") from error
        return Every(max(1, nanos // 10**9))
    if text.startswith("@"):
        if text not in _MACROS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _MACROS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        shown = " ".join(parts)
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(parts)}: [{shown}]")
    # A second of 0 before the five: cronsim then leaves the days of changing clocks as they are.
    spelled = [_spell(part, field) for part, field in zip(parts, _FIELDS, strict=True)]
    # Of commas alone no times come: upstream takes that, and it is never due.
    return Calendar(" ".join(("0", *spelled)) if all(spelled) else "", zone)


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
        if len(low_and_high) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
        high = _number_or_name(low_and_high[1], field) if len(low_and_high) > 1 else low
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
    number = parse_int(text)
    if number is None:
        why = "value out of range" if _is_too_long(text) else "invalid syntax"
        raise ScheduleError(f"failed to parse int from {text}: strconv.Atoi: parsing {go_quote(text)}: {why}")
    if number < 0:
        raise ScheduleError(f"negative number ({number}) not allowed: {text}")
    return number


def _is_too_long(text: str) -> bool:
    """Say whether Go finds, in what is no number of 64 bits, too many digits before it finds anything else."""
    found = _DIGITS.match(text)
    if found is None:
        return False
    digits = found[1].lstrip("0")
    return found.end() == len(text) or len(digits) > _MAX_DIGITS or int(digits or "0") >= 1 << 64
