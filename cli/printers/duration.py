"""Ages and durations as people read them."""

from google.protobuf.timestamp_pb2 import Timestamp

from vaina.clock import seconds_of

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
        return (
            f"{millis:.2f} ms"
            if millis < 9.995
            else f"{millis:.1f} ms"
            if millis < 99.95
            else f"{millis:.0f} ms"
        )
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    return (
        f"{whole // 60}m{whole % 60:02d}s" if whole < _HOUR else f"{whole // _HOUR}h{whole // 60 % 60:02d}m"
    )
