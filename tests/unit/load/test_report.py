"""Reports: as JSON and back, for the reference's dashboard, as text and as a page."""

import json
from xml.etree import ElementTree

import pytest

from bench.load.html import page
from bench.load.html_plot import plot
from bench.load.report import ReportError, Verification, data_items, decode, encode, metrics_of
from bench.load.report_text import table as text_table
from bench.load.stats import throughput
from tests.unit.load.loads import measurement, report


def test_a_report_survives_being_written() -> None:
    made = report(notes=["something"])
    assert decode(encode(made)) == made


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"bench": "scheduler"}'])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(ReportError):
        decode(data)


def test_a_report_of_another_format_is_refused() -> None:
    with pytest.raises(ReportError, match='of the format "vaina-load/9"'):
        decode(encode(report(format="vaina-load/9")))


def test_the_dashboard_gets_what_it_expects() -> None:
    items = data_items(report())
    assert items["version"] == "v1"
    by_metric = {item["labels"]["Metric"]: item for item in items["dataItems"]}
    rate = by_metric["SchedulingThroughput"]
    assert rate["unit"] == "pods/s"
    assert rate["labels"]["Name"] == "SchedulingBasic/5Nodes/namespace-2"
    assert rate["data"]["Average"] == pytest.approx(50)
    assert set(rate["data"]) == {"Average", "Perc50", "Perc90", "Perc95", "Perc99"}
    assert by_metric["create_to_bound_duration_seconds"]["data"]["Perc99"] == pytest.approx(9.9)
    assert by_metric["SchedulingDuration"]["data"] == {"Duration": 2.0}


def test_the_text_names_what_was_measured() -> None:
    text = "\n".join(text_table(report(notes=["left out"])))
    assert "100 of 100 Pods bound in 2.00 s" in text
    assert "average 50" in text
    assert "reference's threshold 680" in text
    assert "create to bound     p50 5.0 ms" in text
    assert "note: left out" in text


def test_pods_that_all_came_at_once_have_no_rate() -> None:
    made = report(measurement(windows=[], throughput=throughput([]), seconds=0.0))
    [line] = [line for line in text_table(made) if "throughput" in line]
    assert line.startswith("  throughput Pods/s   too short to tell")
    assert "too short to tell" in page(made)
    assert "0 Pods a second" not in page(made)
    # Nothing is compared with, or held to a limit by, what was not measured.
    assert not [name for name in metrics_of(made.measurements[0]) if name.startswith("throughput")]
    items = data_items(made)["dataItems"]
    assert "SchedulingThroughput" not in {item["labels"]["Metric"] for item in items}


def test_the_page_needs_nothing_from_elsewhere_and_is_escaped() -> None:
    text = page(report(notes=["<script>alert(1)</script>"]))
    assert "Small &lt;Pods&gt;." in text
    assert text.count("<script") == 1
    assert "://" not in text
    assert text.count("<svg") == 3


@pytest.mark.parametrize(
    "lines", [{"": [(0.0, 1.0), (1.0, 1.0)]}, {"a": [(1.0, 0.0), (2.0, 5.0)], "b": [(1.5, 3.0)], "c": []}]
)
@pytest.mark.parametrize("logarithmic", [False, True])
def test_plots_stay_within_their_frame(
    lines: dict[str, list[tuple[float, float]]], logarithmic: bool
) -> None:
    moved = {name: [(x + 1, y) for x, y in points] for name, points in lines.items()}
    svg = plot("A & B", "s", "Pods", moved, logarithmic=logarithmic)
    tree = ElementTree.fromstring(svg)
    drawn = tree.findall(".//polyline")
    assert len(drawn) == sum(bool(points) for points in lines.values())
    values = json.loads(tree.attrib["data-plot"])
    assert {line["name"]: [tuple(point) for point in line["points"]] for line in values["lines"]} == {
        name: points for name, points in moved.items() if points
    }
    for line in drawn:
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 480
            assert 0 <= y <= 230


@pytest.mark.parametrize(
    "points", [[], [(0.0, 0.0), (1.0, 0.0)], [(1.0, 5.0)]], ids=["none", "all of them 0", "a single one"]
)
def test_a_plot_in_which_nothing_is_to_be_seen_is_left_out(points: list[tuple[float, float]]) -> None:
    assert plot("Queue", "s", "Pods", {"": points}) == ""


def test_a_plot_is_bounded_and_keeps_its_ends() -> None:
    tree = ElementTree.fromstring(plot("Nodes", "%", "", {"": [(float(at), 1.0) for at in range(100_000)]}))
    [line] = json.loads(tree.attrib["data-plot"])["lines"]
    assert len(line["points"]) <= 400
    assert (line["points"][0][0], line["points"][-1][0]) == (0, 99_999)


def test_metrics_have_the_names_that_limits_use() -> None:
    metrics = metrics_of(measurement())
    assert metrics["throughput"] == pytest.approx(50)
    assert metrics["create_to_bound_p99"] == pytest.approx(0.0099)
    assert metrics["scheduler_us"] == pytest.approx(1e4)
    assert metrics["unscheduled"] == 0


def test_a_queue_in_which_nobody_waits_does_not_hide_another() -> None:
    text = plot(
        "Pods that wait", "s", "Pods", {"active": [(0, 5.0), (1, 0.0)], "gated": [(0, 0.0), (1, 0.0)]}
    )
    assert text.count("<polyline") == 1
    assert "gated: none" in text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "not verified: it was not asked for"),
        (Verification(reason="too much happened"), "not verified: too much happened"),
        (Verification(bindings=5, thorough=5), "verified: no violation in 5 bindings, 0 Pods pending"),
        (Verification(bindings=5, thorough=2), "; affinity and spread of 2 of them, 0 Pods pending"),
        (Verification(bindings=5, thorough=5, violations=["<web> twice"]), "1 VIOLATIONS in 5 bindings"),
    ],
)
def test_every_form_of_a_report_says_whether_it_was_right(found: Verification | None, words: str) -> None:
    one = report(verification=found)
    assert any(words in line for line in text_table(one))
    assert words.removeprefix("not ").removeprefix("verified: ") in page(one)
    assert ("&lt;web&gt; twice" in page(one)) == bool(found and found.violations)
    assert decode(encode(one)).verification == found
