"""Two reports beside one another: what is called better or worse, and what may be chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from bench.load.compare import Difference, differences, table, unlike
from bench.load.repeated import Repeated, repeated, spread
from bench.load.report import Balance, Report, Verification
from tests.unit.load.loads import measurement, report


@dataclass(frozen=True)
class Case:
    name: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    #: of the throughput
    want: str
    tolerance: float = 0.1


CASES = (
    Case("every run is better", (100, 110, 105), (130, 150, 140), "better"),
    Case("every run is worse", (130, 150, 140), (100, 110, 105), "worse"),
    Case("one run of B is as good as one of A", (100, 135, 105), (130, 150, 140), ""),
    Case("one run of B is far off and the others are not", (100, 110, 105), (130, 50, 140), ""),
    Case("the runs only touch", (100, 130, 105), (130, 150, 140), ""),
    Case("the runs are apart by less than the tolerance", (100, 101, 102), (103, 104, 105), ""),
    Case("the same, and nothing is tolerated", (100, 101, 102), (103, 104, 105), "better", 0.0),
    Case("a single run on both sides", (100,), (150,), "better?"),
    Case("a single run that is worse than all others", (100, 110, 105), (50,), "worse?"),
    Case("a single run within the others", (100, 200, 150), (120,), ""),
    Case("a single run within the tolerance", (100,), (105,), ""),
    Case("from nothing to something", (0, 0), (5, 6), "better"),
    Case("nothing stays nothing", (0, 0), (0, 0), "", 0.0),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_counts_beyond_the_spread_of_both_and_the_tolerance(case: Case) -> None:
    found = Difference("", "throughput", spread(case.before), spread(case.after))
    assert found.verdict(case.tolerance) == case.want


def runs(*reports: Report) -> Repeated:
    return repeated(reports)


def rates(pods: Sequence[int]) -> Repeated:
    return repeated([report(measurement(pods=count)) for count in pods])


def test_of_latency_and_cpu_less_is_better() -> None:
    found = {
        one.name: one.verdict(0.1)
        for one in differences(rates((100, 102)), repeated([report(measurement(latency=0.02, pods=200))] * 2))
    }
    assert found["throughput"] == "better"
    assert found["create_to_bound_p99"] == "worse"
    assert found["scheduler_us"] == "better"
    assert found["scheduler_mb"] == ""
    assert found["attempts_scheduled"] == ""


def test_what_only_one_has_is_shown_without_a_ratio() -> None:
    found = {one.name: one for one in differences(runs(report()), runs(report(measurement(processes={}))))}
    assert (found["scheduler_us"].after, found["scheduler_us"].ratio) == (None, None)
    assert found["scheduler_us"].verdict(0.1) == ""


def test_a_line_has_medians_ratio_spreads_and_verdict() -> None:
    lines = table(rates((100, 120, 110)), rates((200, 220, 240)))
    [line] = [line for line in lines if line.startswith("  throughput ")]
    assert line.split() == ["throughput", "Pods/s", "55", "110", "2.00", "18", "%", "18", "%", "better"]
    assert any(line.startswith("better, worse: every run of the one is beyond every run") for line in lines)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((100,), (200,), "A and B are each a single run: "),
        ((100,), (200, 210), "A is a single run: "),
        ((100, 110), (200,), "B is a single run: "),
    ],
)
def test_of_a_single_run_it_says_that_the_spread_is_not_known(
    before: tuple[int, ...], after: tuple[int, ...], words: str
) -> None:
    lines = table(rates(before), rates(after))
    [told] = [line for line in lines if "is not known from one run" in line]
    assert told.startswith(words)
    assert "may be chance" in told
    assert told.endswith("run both with --repeat 5")
    [line] = [line for line in lines if line.startswith("  throughput ")]
    assert line.endswith(" better?")


def test_differences_in_the_way_of_running_come_first() -> None:
    one, other = runs(report()), runs(report(how={"nodes": "real", "fsync": True}, commit="def"))
    assert unlike(one, other) == ["commit: abc / def", "nodes: objects / real"]
    assert table(one, other)[2:4] == ["differs: commit: abc / def", "differs: nodes: objects / real"]
    assert unlike(one, one) == []


def test_of_several_runs_each_counts_for_what_differs() -> None:
    wrong = report(verification=Verification(bindings=5, thorough=5, violations=["twice"]))
    fine = report(verification=Verification(bindings=5, thorough=5))
    assert unlike(runs(fine), runs(fine, wrong)) == [
        "runs: 1 / 2", "verified: in order / 1 violations, in order",
    ]  # fmt: skip


def test_what_was_nothing_before_is_judged_too() -> None:
    uneven = Balance(nodes=10, used=2, least=0, most=60, average=10.0, deviation=8.6)
    lines = table(runs(report()), runs(report(measurement(balance=uneven))))
    [line] = [line for line in lines if line.startswith("  balance_deviation ")]
    assert line.split() == ["balance_deviation", "0", "8.6", "-", "-", "worse?"]


def test_a_comparison_says_in_what_it_counts() -> None:
    lines = table(runs(report()), runs(report(measurement(latency=0.02))))
    [line] = [line for line in lines if line.startswith("  create_to_bound_p99 ")]
    assert line.split()[1:5] == ["ms", "9.9", "19.8", "2.00"]
    assert any(line.split()[:2] == ["scheduler_us", "µs/Pod"] for line in lines)
