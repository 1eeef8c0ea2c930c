"""Rates by windows of a second, and quantiles. PURE.

Every Pod's time is kept, so quantiles are exact: nothing is rounded to buckets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: points of a distribution that are kept for plots
_POINTS = 200


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, and how much happened in it."""

    #: seconds from the start of the measurement
    start: float
    seconds: float
    count: int

    @property
    def rate(self) -> float:
        """Things a second."""
        return self.count / self.seconds


def quantile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` % of the values do not exceed (the nearest rank, as
    scheduler_perf has it); 0 without values.
    """
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def windows(times: Sequence[float], start: float, length: float = 1.0) -> list[Window]:
    """Cut from `start` to the last of `times` into windows.

    A window in which nothing happened is joined with the next one, as scheduler_perf does (a pause is a lower
    rate, not a zero beside a higher one). What is left at the end is a window of its own when it is half as
    long as a window, and otherwise belongs to the one before.

    Args:
        times: when something happened, in seconds, in any order, none before `start`.
        start: when it began.
        length: of a window in seconds.
    """
    ordered = sorted(times)
    if not ordered:
        return []
    found: list[Window] = []
    begin, count, position = start, 0, 0
    whole = int((ordered[-1] - start) / length)
    for number in range(1, whole + 1):
        end = start + number * length
        while position < len(ordered) and ordered[position] <= end:
            position, count = position + 1, count + 1
        if count:
            found.append(Window(begin - start, end - begin, count))
            begin, count = end, 0
    rest, seconds = len(ordered) - position + count, ordered[-1] - begin
    if not rest:
        return found
    if found and seconds < length / 2:
        last = found.pop()
        found.append(Window(last.start, last.seconds + seconds, last.count + rest))
    else:
        # All at one moment: a rate of a thing that took no time is nothing to divide by.
        found.append(Window(begin - start, max(seconds, 1e-3), rest))
    return found


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of many values."""

    count: int
    average: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    maximum: float


def summary(values: Sequence[float]) -> Summary:
    """Sum up values; of none, all is 0."""
    ordered = sorted(values)
    p50, p90, p95, p99, p999 = (quantile(ordered, percent) for percent in (50, 90, 95, 99, 99.9))
    average = math.fsum(ordered) / len(ordered) if ordered else 0.0
    return Summary(len(ordered), average, p50, p90, p95, p99, p999, ordered[-1] if ordered else 0.0)


def throughput(found: Sequence[Window], length: float = 1.0) -> Summary:
    """Sum up the rates of windows. The average is all that happened by all the time that it took.

    A window that was joined from several counts as often, so that quantiles are of equal stretches of time. A
    high quantile is a good second, a low one a bad second.
    """
    rates = sorted(window.rate for window in found for _ in range(max(1, round(window.seconds / length))))
    seconds = math.fsum(window.seconds for window in found)
    total = sum(window.count for window in found)
    p50, p90, p95, p99, p999 = (quantile(rates, percent) for percent in (50, 90, 95, 99, 99.9))
    return Summary(
        len(found), total / seconds if seconds else 0.0, p50, p90, p95, p99, p999, rates[-1] if rates else 0.0
    )


def distribution(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return (value, share of the values up to it) for a plot, at most some 200 points, dense towards the end
    where the slow ones are.
    """
    ordered = sorted(values)
    if not ordered:
        return []
    shares = {1 - 10 ** (-4 * point / _POINTS) for point in range(_POINTS)} | {1.0}
    found = sorted({(quantile(ordered, share * 100), share) for share in shares})
    return [(value, share) for value, share in found]


def accumulated(times: Sequence[float], start: float) -> list[tuple[float, float]]:
    """Return (seconds from `start`, how much had happened until then) for a plot.

    At most some 200 points, evenly chosen of what happened.
    """
    ordered = sorted(times)
    if not ordered:
        return []
    places = sorted({math.ceil(len(ordered) * point / _POINTS) for point in range(1, _POINTS + 1)})
    return [(0.0, 0.0)] + [(max(0.0, ordered[place - 1] - start), float(place)) for place in places]


def spread(counts: Sequence[int]) -> Summary:
    """Sum up how many Pods each node has."""
    return summary([float(count) for count in counts])


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of all there are."""
    if not values:
        return 0.0
    middle = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / len(values))
