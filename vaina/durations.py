"""PURE: durations as Go writes and reads them, in events, messages and configuration."""

import re
from collections.abc import Mapping
from typing import Final


def go_duration(seconds: float) -> str:
    """Write a duration as Go's time.Duration does: 10s, 1m20s, 5m0s, 1.234s, 250ms, 0s."""
    nanos = round(seconds * 1e9)
    sign = "-" if nanos < 0 else ""
    nanos = abs(nanos)
    if nanos == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if nanos < size * 1000:
            return f"{sign}{_decimal(nanos, size)}{unit}"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    digits = len(str(unit)) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


#: nanoseconds in a unit; both ways to write a micro
_UNITS: Final[Mapping[str, int]] = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_ODD: Final = re.compile(r'["\\]|[^ -\x7f]')
_MAX: Final = 1 << 63
_MAX_DIGITS: Final = len(str(_MAX))
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^.0-9]*)", re.ASCII)


class DurationError(ValueError):
    """A text is no duration; the words say why, as Go's."""


def parse_duration(text: str) -> int:
    """Read a duration in nanoseconds, of 64 bits: 1m30s, 250ms, -1.5h, 0.

    Follows Go's `time/format.go` (ParseDuration) in all it takes and refuses. Raises DurationError.
    """
    wrong = DurationError(f"time: invalid duration {_quote(text)}")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise wrong
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        assert part is not None
        nanos = _part(part[1], part[2] or "", part[3], text)
        # as Go's sum of 64 bits, which twice the longest brings back to nothing
        total = (total + nanos) & (2 * _MAX - 1)
        if nanos > _MAX or total > _MAX:
            raise wrong
        at = part.end()
    if text[0] == "-":
        return -total
    if total == _MAX:
        raise wrong
    return total


def _part(digits: str, fraction: str, unit: str, text: str) -> int:
    whole = digits.lstrip("0") or "0"
    if (not digits and not fraction) or len(whole) > _MAX_DIGITS or int(whole) > _MAX:
        raise DurationError(f"time: invalid duration {_quote(text)}")
    if not unit:
        raise DurationError(f"time: missing unit in duration {_quote(text)}")
    if unit not in _UNITS:
        raise DurationError(f"time: unknown unit {_quote(unit)} in duration {_quote(text)}")
    return int(whole) * _UNITS[unit] + _part_of(_UNITS[unit], fraction)


def _part_of(unit: int, digits: str) -> int:
    """Return the nanoseconds of a fraction of a unit, of as many digits as 63 bits can hold."""
    number, scale = 0, 1.0
    for digit in digits:
        longer = number * 10 + int(digit)
        if number > (_MAX - 1) // 10 or longer > _MAX:
            break
        number, scale = longer, scale * 10
    return int(number * (unit / scale)) if number else 0


def _quote(text: str) -> str:
    """Quote as Go's `time` does, by bytes, which is not as strconv does."""
    return f'"{_ODD.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return (
        f"\\{char}" if char in '"\\' else "".join(f"\\x{byte:02x}" for byte in char.encode(errors="replace"))
    )
