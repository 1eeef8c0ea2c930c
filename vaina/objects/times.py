"""RFC 3339 text of Kubernetes' Time and MicroTime, and the Timestamp messages that carry them.

Time has whole seconds, MicroTime exactly six digits. A zero Time (an empty message, or year 1) means null.
A stored object may hold any number of seconds, beyond the years of `datetime` too.
"""

import re
from calendar import monthrange
from datetime import date
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from vaina.quoting import go_quote

_LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT: Final = "2006-01-02T15:04:05.000000Z07:00"
#: seconds since the epoch of Go's zero time, 0001-01-01T00:00:00Z
_ZERO_SECONDS: Final = -62135596800
_SHAPE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
#: days of 400 years, after which the dates of the calendar come again
_CYCLE_DAYS: Final = 146097
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
#: the parts of the text in their order: what matches each, and how the layout writes it
_PARTS: Final = tuple(
    (re.compile(pattern, re.ASCII), name)
    for pattern, name in (
        (r"\d{4}", "2006"), ("-", "-"), (r"\d\d", "01"), ("-", "-"), (r"\d\d", "02"), ("T", "T"), (r"\d\d", "15"),
        (":", ":"), (r"\d\d", "04"), (":", ":"), (r"\d\d", "05"), (r"(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)", "Z07:00"),
    )
)  # fmt: skip


class TimeError(ValueError):
    """The text is no time. The message is in the words of Go's time.Parse."""


def _days_from_civil(year: int, month: int, day: int) -> int:
    cycles, rest = divmod(year - 1, 400)
    return date(rest + 1, month, day).toordinal() + cycles * _CYCLE_DAYS - _EPOCH_DAY


def _civil_from_days(days: int) -> tuple[int, int, int]:
    cycles, rest = divmod(days + _EPOCH_DAY - 1, _CYCLE_DAYS)
    found = date.fromordinal(rest + 1)
    return found.year + cycles * 400, found.month, found.day


def _wrong(text: str, layout: str) -> TimeError:
    start = f"parsing time {go_quote(text)} as {go_quote(layout)}"
    rest = text
    for pattern, name in _PARTS:
        match = pattern.match(rest)
        if match is None:
            return TimeError(f"{start}: cannot parse {go_quote(rest)} as {go_quote(name)}")
        rest = rest[match.end() :]
    if rest:
        return TimeError(f"parsing time {go_quote(text)}: extra text: {go_quote(rest)}")
    return TimeError(f'{start}: cannot parse {go_quote(text[19:])} as ".000000"')


def parse_time(text: str, *, micro: bool = False) -> Timestamp:
    """Read RFC 3339 text; the zero time is an empty message.

    A Time is cut to seconds, a MicroTime must have six digits. Raises TimeError.
    """
    layout = _MICRO_LAYOUT if micro else _LAYOUT
    match = _SHAPE.fullmatch(text)
    if match is None or (micro and len(match[7] or "") != 6):
        raise _wrong(text, layout)
    year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
    days = monthrange(2000 + year % 400, month)[1] if 1 <= month <= 12 else 0
    for name, good in (
        ("month", days > 0), ("day", 1 <= day <= days), ("hour", hour < 24),
        ("minute", minute < 60), ("second", second < 60),
    ):  # fmt: skip
        if not good:
            raise TimeError(f"parsing time {go_quote(text)}: {name} out of range")
    offset = 0
    if match[8]:
        offset = (int(match[9]) * 60 + int(match[10])) * (-60 if match[8] == "-" else 60)
    seconds = _days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    if seconds == _ZERO_SECONDS:
        return Timestamp()
    return Timestamp(seconds=seconds, nanos=int(match[7]) * 1000 if micro else 0)


def format_time(stamp: Timestamp, *, micro: bool = False) -> str | None:
    """Write a Timestamp as RFC 3339 in UTC; None for the zero time."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if not seconds and not nanos:
        return None
    days, rest = divmod(seconds, 86400)
    year, month, day = _civil_from_days(days)
    text = f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{text}.{nanos // 1000:06d}Z" if micro else f"{text}Z"
