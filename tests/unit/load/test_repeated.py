"""Several runs of one workload: what is told of them together, as JSON, as text and as a page."""

from dataclasses import dataclass

import msgspec
import pytest

from bench.load.html_repeated import page_of_runs
from bench.load.repeated import Spread, decode_runs, encode_runs, figures_of, repeated, spread, table
from bench.load.report import ReportError, Verification, encode
from tests.unit.load.loads import measurement, report


@dataclass(frozen=True)
class Case:
    name: str
    values: tuple[float, ...]
    want: Spread


CASES = (
    Case("of one run the spread is not known", (7.0,), Spread(1, 7.0, 7.0, 7.0, None)),
    Case("of two the median is between them", (10.0, 20.0), Spread(2, 15.0, 10.0, 20.0, 10 / 15)),
    Case("one bad run moves the spread and not the median", (100.0, 20.0, 110.0), Spread(3, 100.0, 20.0, 110.0, 0.9)),
    Case("runs that agree have a spread of nothing", (4.0, 4.0, 4.0), Spread(3, 4.0, 4.0, 4.0, 0.0)),
    Case("where the median is 0 there is no share of it", (0.0, 0.0, 5.0), Spread(3, 0.0, 0.0, 5.0, None)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_spread_of_a_figure(case: Case) -> None:
    assert spread(case.values) == case.want


def test_every_figure_of_every_measurement_is_summed_up() -> None:
    runs = [
        report(measurement("a", pods=pods), measurement("b", latency=pods / 1000)) for pods in (100, 300, 200)
    ]
    first, second = figures_of(runs)
    assert (first.measurement, second.measurement) == ("a", "b")
    rate = first.figures["throughput"]
    assert (rate.runs, rate.median, rate.least, rate.most) == (3, 100.0, 50.0, 150.0)
    assert second.figures["create_to_bound_maximum"].median == pytest.approx(0.2)


def test_a_figure_that_not_all_runs_have_is_of_those_that_have_it() -> None:
    [one] = figures_of([report(), report(measurement(processes={}))])
    assert (one.figures["throughput"].runs, one.figures["scheduler_us"].runs) == (2, 1)
    assert one.figures["scheduler_us"].relative is None


def test_the_report_of_several_runs_keeps_each_run_as_it_was() -> None:
    ones = [report(run="load-1-1", notes=["x"]), report(measurement(pods=200), run="load-1-2")]
    found = decode_runs(encode_runs(repeated(ones, 3)))
    assert found == repeated(ones, 3)
    assert found.reports == ones


def test_the_report_of_one_run_is_read_as_one_of_several() -> None:
    assert decode_runs(encode(report())) == repeated([report()])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "no report of a load test"),
        (b"[1]", "no report of a load test"),
        (b'{"format": "vaina-load-repeated/1"}', "no report of a load test"),
        (b'{"format": "vaina-load-repeated/1", "asked": 2, "figures": [], "reports": []}', "there is none"),
        (b'{"format": "vaina-load-repeated/9"}', "no report of a load test"),
        (msgspec.json.encode(repeated([report(format="vaina-load/9")])), 'of the format "vaina-load/9"'),
    ],
)
def test_what_is_no_report_of_several_runs_is_refused(data: bytes, error: str) -> None:
    with pytest.raises(ReportError, match=error):
        decode_runs(data)


def test_the_text_has_median_and_spread_and_a_line_for_each_run() -> None:
    runs = [report(measurement(pods=pods), run=f"load-1-{pods}") for pods in (100, 120, 110)]
    lines = table(repeated(runs))
    [line] = [line for line in lines if line.startswith("  throughput ")]
    assert line.split() == ["throughput", "Pods/s", "55", "50", "60", "18", "%"]
    assert not any("attempts_unschedulable" in line for line in lines), "0 in all runs says nothing"
    assert [
        line for line in lines if line.startswith("load-1-120: 60 Pods/s, load of the machine before 0.10;")
    ]


def test_notes_say_in_how_many_runs_and_runs_that_are_missing_are_told() -> None:
    runs = repeated([report(notes=["all"]), report(notes=["all", "one"])], 3)
    notes = [line for line in table(runs) if line.startswith("note: ")]
    assert notes == [
        "note: all", "note: one (1 of 2 runs)", "note: 3 runs were asked for, and 2 came to their end",
    ]  # fmt: skip


def test_the_page_has_the_medians_on_top_and_each_run_below() -> None:
    wrong = Verification(bindings=5, thorough=5, violations=["<web> twice"])
    runs = [report(measurement(pods=pods), run=f"load-{pods}") for pods in (100, 120)]
    text = page_of_runs(repeated([*runs, report(run="load-3", verification=wrong)]))
    # Each run, and what was wrong in one of them: that twice.
    assert text.count("<details>") == 3 + 2
    # The latencies of all runs in one plot, and each run's own.
    assert text.count("<svg") == 1 + 9
    assert "<dt>Pods a second</dt><dd>50</dd><dd>50 to 60, spread 20 %</dd>" in text
    assert "load-3: verified: 1 VIOLATIONS" in text
    assert "<li>&lt;web&gt; twice</li>" in text
    assert "Small &lt;Pods&gt;." in text
    assert "://" not in text
