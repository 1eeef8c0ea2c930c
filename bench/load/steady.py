"""A steady state: Pods come at a rate, stay for a while and go, so that about as many are there all the time.
PURE: randomness is handed in.

How many are held, and how many come a second, say how long one stays on average: held by rate. Those that are
there at the beginning are made before anything is measured, and have of their stay what Pods of a steady
state have left: so it is steady from the first second on.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from bench.load.arrivals import Arrivals, at_rate
from bench.load.podset import PodSet
from bench.load.workload import MAX_COUNT, MAX_SLEEP_SECONDS, CreatePods, Lifetimes, Workload

#: more than what comes in so many seconds waits at the end: the scheduler did not keep up
BEHIND_SECONDS = 1.0
#: figures that limits and comparisons name
METRICS = ("held_average", "waiting_most", "waiting_end")


class Steady(msgspec.Struct, frozen=True):
    """What a steady state was, in a report."""

    #: Pods that were to be there
    wanted: int
    #: that came a second
    rate: float
    #: in seconds, on average, from the binding
    lifetime: float
    lifetimes: str
    #: for so long Pods came
    seconds: float
    #: Pods with a node, over that time
    held_average: float
    held_least: int
    held_most: int
    #: Pods that were due, and that went, in that time
    arrivals: int
    departures: int
    #: Pods that were due and had no node: the most at the end of a second, and at the end
    waiting_most: int
    waiting_end: int
    #: those of the latter that the apiserver had not yet taken
    uncreated_end: int
    #: how late a Pod was asked to go, at worst, in seconds
    departures_late: float

    @property
    def behind_seconds(self) -> float:
        """How much later than they came Pods were bound at the end: what waits, by the rate."""
        return self.waiting_end / self.rate

    @property
    def most_behind_seconds(self) -> float:
        """The same at worst."""
        return self.waiting_most / self.rate

    @property
    def keeps_up(self) -> bool:
        """Whether Pods were bound as they came, at the end at least."""
        return self.behind_seconds <= BEHIND_SECONDS


@dataclass(frozen=True, slots=True)
class SteadyPlan:
    """Who comes when, and for how long."""

    held: int
    rate: float
    seconds: float
    lifetimes: Lifetimes
    #: when those that come are due, seconds from the start
    offsets: Sequence[float]
    #: how long each stays: first those that are there when it begins (from then on), then those that come
    #: (from their binding)
    stays: Sequence[float]

    @property
    def lifetime(self) -> float:
        """In seconds, on average."""
        return self.held / self.rate


def plan_steady(
    *, held: int, rate: float, seconds: float, arrivals: Arrivals, lifetimes: Lifetimes, rng: random.Random
) -> SteadyPlan:
    """Return who comes when and stays how long.

    Constant lifetimes: the Pods of the beginning go evenly, one after the other.
    """
    count, lifetime = arrivals_of(rate, seconds), held / rate
    offsets = at_rate(count, rate, arrivals, rng)
    if lifetimes == "constant":
        stays = [*((index + 1) / rate for index in range(held)), *[lifetime] * count]
    else:
        stays = [rng.expovariate(1 / lifetime) for _ in range(held + count)]
    return SteadyPlan(held, rate, seconds, lifetimes, offsets, stays)


def arrivals_of(rate: float, seconds: float) -> int:
    """Return how many Pods come."""
    return max(1, round(rate * seconds))


def check_steady(step: CreatePods, workloads: Sequence[Workload]) -> None:
    """See that a step says all that a steady state needs, and nothing of one where it is none.

    Its parameters are known to be there.

    Raises:
        ValueError: it does not; the text begins with the field.
    """
    given = {
        "duration": step.duration, "durationParam": step.duration_param,
        "podsPerSecond": step.pods_per_second, "podsPerSecondParam": step.pods_per_second_param,
        "lifetimes": step.lifetimes,
    }  # fmt: skip
    if not step.steady_state:
        for name, value in given.items():
            if value:
                raise ValueError(f"{name} is for steadyState: true")
        return
    for name in ("duration", "podsPerSecond"):
        if bool(given[name]) == bool(given[f"{name}Param"]):
            raise ValueError(f"one of {name} and {name}Param is needed with steadyState")
    if not step.collect_metrics:
        raise ValueError("steadyState needs collectMetrics: true")
    for workload in workloads:
        _check_numbers(step, workload)


def _check_numbers(step: CreatePods, workload: Workload) -> None:
    place = f"workloads {workload.variant.name}"
    try:
        seconds = workload.seconds(step)
    except ValueError as error:
        raise ValueError(f"duration: {error}") from error
    if not 0 < seconds <= MAX_SLEEP_SECONDS:
        raise ValueError(
            f"duration: {place}: {seconds:g}s is not above 0 and at most {MAX_SLEEP_SECONDS:.0f}s"
        )
    rate, held = workload.rate(step), workload.count(step)
    if rate < 1:
        raise ValueError(f"podsPerSecond: {place}: {rate:g} is less than 1")
    if held < 1:
        raise ValueError(f"count: {place}: a steady state of {held} Pods is none")
    pods = held + arrivals_of(rate, seconds)
    if pods > MAX_COUNT:
        raise ValueError(f"duration: {place}: {pods:,} Pods would come, more than {MAX_COUNT:,}")


def sum_up(plan: SteadyPlan, first: PodSet, came: PodSet, *, start: float, late: float) -> Steady:
    """Say what became of a plan.

    Args:
        plan: what was to be.
        first: the Pods that were there.
        came: those that came.
        start: when the first of these could be due, of the clock of all times.
        late: how late a Pod was asked to go, at worst.
    """
    end = start + plan.seconds
    bound = _sorted(chain(first.bound, came.bound))
    gone = _sorted(
        # One that went before it had a node was never held.
        at
        for pods in (first, came)
        for at, node in zip(pods.gone, pods.nodes, strict=True)
        if node
    )
    due, waited = _sorted(came.intended), _sorted(came.bound)
    seconds = [start + second for second in range(1, int(plan.seconds) + 1)]
    waiting = [bisect_right(due, at) - bisect_right(waited, at) for at in (*seconds, end)]
    uncreated = bisect_right(due, end) - bisect_right(_sorted(came.created), end)
    average, least, most = _held(bound, gone, start, end)
    return Steady(
        wanted=plan.held, rate=plan.rate, lifetime=plan.lifetime, lifetimes=plan.lifetimes, seconds=plan.seconds,
        held_average=average, held_least=least, held_most=most, arrivals=bisect_right(due, end),
        departures=bisect_right(gone, end) - bisect_right(gone, start), waiting_most=max(waiting),
        waiting_end=waiting[-1], uncreated_end=min(uncreated, waiting[-1]), departures_late=late,
    )  # fmt: skip


def _sorted(times: Iterable[float]) -> list[float]:
    return sorted(at for at in times if not math.isnan(at))


def _held(bound: Sequence[float], gone: Sequence[float], start: float, end: float) -> tuple[float, int, int]:
    """Return how many had a node between two moments: the average over time, the least and the most."""
    now = bisect_right(bound, start) - bisect_right(gone, start)
    least = most = now
    area, since = 0.0, start
    changes = sorted([(at, 1) for at in bound] + [(at, -1) for at in gone])
    for at, change in changes:
        if not start < at <= end:
            continue
        area, since, now = area + now * (at - since), at, now + change
        least, most = min(least, now), max(most, now)
    return (area + now * (end - since)) / (end - start), least, most


def rows(steady: Steady) -> list[tuple[str, str]]:
    """Return what a report says of it: of what, and what."""
    return [
        (
            "steady state",
            f"{steady.wanted:,} Pods wanted, {steady.held_average:,.0f} held on average ({steady.held_least:,} to "
            f"{steady.held_most:,}) for {steady.seconds:g} s",
        ),
        (
            "came and went",
            f"{steady.arrivals:,} came ({steady.rate:,.0f}/s), {steady.departures:,} went after {steady.lifetime:,.1f} s "
            f"({steady.lifetimes}), asked at most {steady.departures_late * 1e3:,.0f} ms late",
        ),
        (
            "due without a node",
            f"at most {steady.waiting_most:,}, at the end {steady.waiting_end:,}: {words(steady)}",
        ),
    ]


def words(steady: Steady) -> str:
    """Say whether Pods were bound as they came."""
    if steady.keeps_up:
        if steady.most_behind_seconds <= BEHIND_SECONDS:
            return "the scheduler kept up"
        return f"{steady.most_behind_seconds:.1f} s behind at worst, and caught up"
    who = "creation" if steady.uncreated_end * 2 > steady.waiting_end else "the scheduler"
    return (
        f"{who} DID NOT KEEP UP, it was {steady.behind_seconds:.1f} s behind at the end "
        f"({steady.uncreated_end:,} of them were not created)"
    )
