"""Time as something that is handed in: the only module that reads the machine's clocks.

Shells take a `Clock`; pure code takes `now` as a number. `vaina.testing.clock.FakeClock` is the other
implementation.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp


class Clock(Protocol):
    """What the components may ask of time."""

    def now(self) -> float:
        """Return the wall clock in seconds since the epoch: for timestamps in objects."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back: for durations and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` (at once when it is not positive, but never without yielding)."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))


def timestamp(seconds: float) -> Timestamp:
    """Make a Kubernetes Time (whole seconds) of seconds since the epoch."""
    return Timestamp(seconds=int(seconds // 1))


def micro_timestamp(seconds: float) -> Timestamp:
    """Make a Kubernetes MicroTime (microseconds) of seconds since the epoch."""
    micros = round(seconds * 1_000_000)
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def set_micros(stamp: Timestamp, seconds: float) -> None:
    """Set a Kubernetes MicroTime (microseconds) to seconds since the epoch."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    stamp.seconds, stamp.nanos = whole, micros * 1000


def seconds_of(stamp: Timestamp) -> float:
    """Return a Timestamp as seconds since the epoch."""
    return float(stamp.seconds) + stamp.nanos / 1e9


def rfc3339(seconds: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC, whole seconds: 2026-11-21T08:00:00Z."""
    return datetime.fromtimestamp(int(seconds // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
