"""The scheduler's own histograms: as growth, by the labels that upstream's scheduler_perf parts them by."""

import pytest

from bench.load.histograms import absent, compute_histograms, metrics_of, quantile, rows
from bench.load.scrape import Page

ATTEMPT = "scheduler_scheduling_attempt_duration_seconds"
INFINITE = float("inf")


def attempts(result: str, counts: tuple[int, int, int], total: float, profile: str = "default") -> str:
    """Return a page's lines of a histogram with the bounds 1, 2 and infinite.

    Counts are of each and all before it.
    """
    labels = f'profile="{profile}",result="{result}"'
    lines = [
        f'{ATTEMPT}_bucket{{{labels},le="{bound}"}} {count}'
        for bound, count in zip(("1.0", "2.0", "+Inf"), counts, strict=True)
    ]
    return "\n".join(
        [*lines, f"{ATTEMPT}_count{{{labels}}} {counts[-1]}", f"{ATTEMPT}_sum{{{labels}}} {total}\n"]
    )


@pytest.mark.parametrize(
    ("share", "buckets", "want"),
    [
        # The rank of half of ten is the fifth: the last of the first bucket.
        (0.5, [(1.0, 5), (2.0, 10), (INFINITE, 10)], 1.0),
        (0.9, [(1.0, 5), (2.0, 10), (INFINITE, 10)], 1.8),
        (0.5, [(4.0, 10), (INFINITE, 10)], 2.0),
        # What is above the last bound is told as this bound, as upstream does.
        (0.99, [(1.0, 5), (2.0, 5), (INFINITE, 10)], 2.0),
        (0.5, [(1.0, 0), (2.0, 0), (3.0, 4), (INFINITE, 4)], 2.5),
    ],
)
def test_quantiles_lie_within_their_bucket(
    share: float, buckets: list[tuple[float, float]], want: float
) -> None:
    assert quantile(share, buckets) == pytest.approx(want)


def test_only_what_came_since_the_beginning_counts() -> None:
    before, after = (
        Page(attempts("scheduled", (100, 100, 100), 1.0)),
        Page(attempts("scheduled", (100, 110, 110), 16.0)),
    )
    [one] = compute_histograms(before, after)
    assert (one.name, one.count, one.average) == ("scheduling attempt: scheduled", 10, 1.5)
    assert (one.p50, one.p99) == (pytest.approx(1.5), pytest.approx(1.99))
    assert metrics_of([one])["attempt_p50"] == pytest.approx(1.5)
    [row] = rows([one])
    assert row[:3] == ("scheduling attempt: scheduled", "10", "1,500")


def test_profiles_are_summed_up_and_results_are_not() -> None:
    text = (
        attempts("scheduled", (2, 2, 2), 1)
        + attempts("scheduled", (0, 2, 2), 3, "other")
        + attempts("error", (1, 1, 1), 1)
    )
    found = compute_histograms(Page(), Page(text))
    assert [(one.labels, one.count, one.average) for one in found] == [
        (["error"], 1, 1.0),
        (["scheduled"], 4, 1.0),
    ]


def test_a_scheduler_that_began_anew_is_counted_from_nothing() -> None:
    before, after = (
        Page(attempts("scheduled", (50, 50, 50), 9.0)),
        Page(attempts("scheduled", (4, 4, 4), 2.0)),
    )
    [one] = compute_histograms(before, after)
    assert (one.count, one.average) == (4, 0.5)


def test_series_that_did_not_grow_or_cannot_be_read_are_left_out() -> None:
    page = Page(attempts("scheduled", (3, 3, 3), 1.0))
    assert compute_histograms(page, page) == []
    assert (
        compute_histograms(
            Page(), Page(f'{ATTEMPT}_count{{result="x"}} 3\n{ATTEMPT}_bucket{{result="x",le="?"}} 3\n')
        )
        == []
    )


def test_metrics_that_a_page_lacks_are_named_and_no_page_is_no_news() -> None:
    assert ATTEMPT not in absent(Page(attempts("scheduled", (1, 1, 1), 1.0)))
    assert "scheduler_plugin_execution_duration_seconds" in absent(
        Page(attempts("scheduled", (1, 1, 1), 1.0))
    )
    assert absent(Page()) == []
    # Nothing was observed yet: it is there all the same.
    declared = Page(f"# TYPE {ATTEMPT} histogram\nscheduler_pending_pods 1\n")
    assert ATTEMPT not in absent(declared)
