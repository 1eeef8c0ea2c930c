"""What is asked of Prometheus, and what its answers say."""

import json
from typing import Any

import pytest

from dashboard.history.plots import PLOTS, RANGES, Stretch, Unreadable, parse_topic, read_answer
from tests.support.prometheus import matrix
from vaina.errors import ApiError

STRETCH = Stretch(100, 130, 10)


def answer(*series: tuple[str, list[tuple[float, str]]]) -> bytes:
    return json.dumps(
        matrix([{"metric": {"line": name}, "values": values} for name, values in series])
    ).encode()


def test_values_stand_where_their_time_is_and_gaps_are_null() -> None:
    body = answer(("active", [(100, "0"), (120.0, "3")]), ("gated", [(130, "1.23456789")]))
    assert read_answer(body, ("active", "gated"), STRETCH) == {
        "active": [0.0, None, 3.0, None], "gated": [None, None, None, 1.2346],
    }  # fmt: skip


def test_what_cannot_be_drawn_is_null() -> None:
    body = answer(("p50", [(100, "NaN"), (110, "+Inf"), (120, "-Inf"), (130, "0.5")]))
    assert read_answer(body, ("p50",), STRETCH) == {"p50": [None, None, None, 0.5]}


def test_what_was_not_asked_for_is_left_out() -> None:
    body = answer(("<script>", [(100, "1")]), ("p50", [(90, "1"), (140, "1"), (1e18, "1"), (110, "2")]))
    assert read_answer(body, ("p50",), STRETCH) == {"p50": [None, 2.0, None, None]}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b'{"status": "error"}', json.dumps(matrix([])).replace("matrix", "vector").encode(),
        answer(("p50", [(100, "many")])), answer(("p50", [(100, 3)])),  # type: ignore[list-item]  # a number is no answer
    ],
)  # fmt: skip
def test_an_answer_of_somebody_else_is_told(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_answer(body, ("p50",), STRETCH)


@pytest.mark.parametrize("chosen", RANGES)
def test_a_range_has_few_points_that_lie_on_whole_steps(chosen: str) -> None:
    asked = RANGES[chosen]
    now, later = (Stretch.until(1_000_000.7 + more, asked) for more in (0, asked.step))
    assert now.points <= 241
    assert now.end <= 1_000_000.7 < now.end + asked.step
    assert later.start - now.start == asked.step
    assert now.start % asked.step == 0


@pytest.mark.parametrize("view", PLOTS)
def test_every_expression_is_whole(view: str) -> None:
    for name, plot in PLOTS[view].items():
        expression = plot.over("60s")
        assert "WINDOW" not in expression, name
        assert expression.count("(") == expression.count(")"), name
        assert expression.count("label_replace") in {1, len(plot.lines)}, name


def test_a_topic_names_a_view_and_a_range() -> None:
    assert parse_topic("history/scheduler?range=6h") == ("scheduler", "6h")


@pytest.mark.parametrize(
    "name",
    ["history", "history/", "history/nowhere?range=1h", "history/scheduler", "history/scheduler?range=9h",
     "history/scheduler?range=1h&a=1&b=2", "history/scheduler/../x?range=1h"],
)  # fmt: skip
def test_other_topics_there_are_none(name: str) -> None:
    with pytest.raises(ApiError):
        parse_topic(name)


def lines_of(view: str) -> dict[str, Any]:
    return {name: plot.lines for name, plot in PLOTS[view].items()}


def test_the_browser_knows_every_line() -> None:
    assert lines_of("scheduler") == {
        "queue": ("active", "backoff", "unschedulable", "gated"), "pace": ("decided", "scheduled"),
        "latency": ("p50", "p99"),
    }  # fmt: skip
    assert lines_of("machinery") == {"requests": ("reads", "writes", "failed"), "etcd": ("size",)}
