"""Windows, quantiles and rates of things that happened at known times."""

import random
import statistics
from itertools import pairwise

import pytest

from bench.load.arrivals import at_rate, parse_trace
from bench.load.stats import Window, deviation, distribution, quantile, summary, throughput, windows


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], []),
        # Two whole seconds and three quarters of one.
        ([0.1, 0.9, 1.5, 2.1, 2.75], [(0, 1, 2), (1, 1, 1), (2, 0.75, 2)]),
        # What is left belongs to the window before when it is short.
        ([0.5, 1.25], [(0, 1.25, 2)]),
        # A second without anything makes the next window longer.
        ([0.5, 2.5, 3.0], [(0, 1, 1), (1, 2, 2)]),
        # Shorter than a window.
        ([0.1, 0.2], [(0, 0.2, 2)]),
        # All in one moment.
        ([0.0, 0.0], [(0, 0.001, 2)]),
        # In any order.
        ([1.0, 0.5, 2.0], [(0, 1, 2), (1, 1, 1)]),
    ],
)
def test_windows(times: list[float], expected: list[tuple[float, float, int]]) -> None:
    found = windows([10 + at for at in times], 10.0)
    assert [(one.start, one.seconds, one.count) for one in found] == [
        (pytest.approx(start), pytest.approx(seconds), count) for start, seconds, count in expected
    ]


@pytest.mark.parametrize("seed", range(20))
def test_windows_lose_nothing_and_cover_the_time(seed: int) -> None:
    rng = random.Random(seed)
    times = [rng.expovariate(0.1) for _ in range(rng.randrange(1, 200))]
    found = windows(times, 0.0, 0.5)
    assert sum(one.count for one in found) == len(times)
    assert sum(one.seconds for one in found) == pytest.approx(max(times))
    for before, after in pairwise(found):
        assert before.start + before.seconds == pytest.approx(after.start)


def test_the_average_is_of_the_whole_time_and_long_windows_weigh_more() -> None:
    found = throughput([Window(0, 1, 100), Window(1, 3, 60), Window(4, 0.6, 60)])
    assert found.average == pytest.approx(220 / 4.6)
    # 20/s counts three times: rates 20, 20, 20, 100, 100.
    assert (found.p50, found.p90, found.maximum) == (
        pytest.approx(20),
        pytest.approx(100),
        pytest.approx(100),
    )
    assert throughput([]).average == 0


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (51, 3), (75, 3), (99, 4), (100, 4), (0, 1)])
def test_quantiles_are_values_that_were_there(percent: float, value: float) -> None:
    assert quantile([1, 2, 3, 4], percent) == value


def test_quantiles_of_nothing_are_zero() -> None:
    assert summary([]).p99 == 0


def test_summary_is_exact() -> None:
    values = [float(value) for value in range(1, 1001)]
    random.Random(1).shuffle(values)
    found = summary(values)
    assert (found.count, found.average, found.p50, found.p99, found.p999, found.maximum) == (
        1000,
        500.5,
        500,
        990,
        999,
        1000,
    )


def test_a_distribution_ends_with_all_values() -> None:
    points = distribution([random.Random(1).random() for _ in range(5000)])
    assert len(points) <= 202
    assert points == sorted(points)
    assert points[-1][1] == 1.0
    assert distribution([]) == []


def test_deviation() -> None:
    assert deviation([1, 2, 3, 4]) == pytest.approx(statistics.pstdev([1, 2, 3, 4]))
    assert deviation([]) == 0


def test_constant_arrivals_are_even() -> None:
    assert at_rate(4, 2.0, "constant", random.Random(1)) == [0, 0.5, 1.0, 1.5]


def test_poisson_arrivals_have_the_rate_and_its_spread() -> None:
    offsets = at_rate(20_000, 1000.0, "poisson", random.Random(1))
    assert offsets == sorted(offsets)
    assert offsets[-1] == pytest.approx(20, rel=0.05)
    gaps = [after - before for before, after in pairwise(offsets)]
    # Of independent arrivals the deviation of the gaps is their average.
    assert statistics.pstdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)
    assert offsets == at_rate(20_000, 1000.0, "poisson", random.Random(1))


def test_a_trace_is_sorted_and_cut() -> None:
    assert parse_trace("# seconds\n0.5\n\n0.1 # first\n7\n", 2) == [0.1, 0.5]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1\ntwo\n", 'line 2: "two" is no number of seconds'),
        ("-1\n", 'line 1: "-1" is no number of seconds'),
        ("inf\n", 'line 1: "inf" is no number'),
        ("nan\n", 'line 1: "nan" is no number'),
        ("1\n", "the trace has 1 offsets and 2 Pods are to be created"),
    ],
)
def test_traces_that_cannot_be_used(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_trace(text, 2)
