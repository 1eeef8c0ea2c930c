"""The price of Events: what each process used until the scheduler's recorder had written or dropped them all.
Shell around a page.

A recorder writes 1,000 Events a second beyond a burst (decision 170), so after a fast run most of them are
still to be written when the last Pod is bound. What is counted until then leaves that out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from bench.load.scrape import Page, Usage

#: how long it is waited until nothing waits to be written: a recorder keeps at most 16,000, and writes 1,000
#: a second
EVENTS_SECONDS = 30.0
_LOOK_SECONDS = 0.25
WAITING, DROPPED = "vaina_events_waiting", "vaina_events_dropped_total"
#: processes whose CPU until then limits and comparisons name
PROCESSES = ("etcd", "apiserver", "scheduler", "controller", "load")
METRICS = ("events_scheduled", "events_dropped", *(f"{name}_with_events_us" for name in PROCESSES))


class EventsWritten(msgspec.Struct, frozen=True):
    """When a scheduler had no Event left to write."""

    #: from the last binding until nothing waited, or the wait was over
    seconds: float
    #: what waited then all the same; 0: nothing
    left: int
    #: dropped since the measurement began
    dropped: int
    #: CPU since the measurement began, by process
    cpu_seconds: dict[str, float]
    #: ... in microseconds by Pod
    cpu_us_per_pod: dict[str, float]


def dropped_since(before: Page, now: Page) -> int:
    """Return how many were dropped; a count that is smaller than before began anew."""
    first, last = before.total(DROPPED), now.total(DROPPED)
    return int(last - first if last >= first else last)


async def until_written(
    read: Callable[[], Awaitable[Page]], now: Callable[[], float], *, patience_seconds: float = EVENTS_SECONDS
) -> int | None:
    """Return when no Event waits to be written, or the patience is over: how many wait then.

    Args:
        read: the scheduler's page.
        now: the time in seconds.
        patience_seconds: at most.

    Returns:
        None where the scheduler does not tell, which is known at once.
    """
    begun = now()
    while True:
        page = await read()
        if not page.has(WAITING):
            return None
        left = int(page.total(WAITING))
        if not left or now() - begun >= patience_seconds:
            return left
        await asyncio.sleep(_LOOK_SECONDS)


def used(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Return the seconds of CPU that each process took meanwhile; of one that is new, all of its own."""
    return {
        name: usage.cpu_seconds - (before[name].cpu_seconds if name in before else 0.0)
        for name, usage in after.items()
    }


def rows(found: EventsWritten, scheduled: int | None, bound: int) -> list[tuple[str, str]]:
    """Return what is told, in words."""
    written = "" if scheduled is None else f"{scheduled:,} stored for {bound:,} bound Pods; "
    ended = (
        f"{found.left:,} still waited {found.seconds:.1f} s"
        if found.left
        else f"none waited {found.seconds:.1f} s"
    )
    cpu = "   ".join(f"{name} {value:,.0f}" for name, value in found.cpu_us_per_pod.items())
    return [
        ("Events", f"{written}{found.dropped:,} dropped; {ended} after the last binding"),
        ("... CPU µs with them", cpu),
    ]
