"""The page of a report: read as a browser reads it, with names that somebody chose to do harm."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from bench.load.events import EventsWritten
from bench.load.histograms import Histogram
from bench.load.html import page
from bench.load.html_document import document, figures_table, items, tiles
from bench.load.html_plot import plot
from bench.load.html_repeated import page_of_runs
from bench.load.repeated import repeated
from bench.load.report import ProcessUse, Report, Verification
from tests.unit.load.loads import measurement, report

HOSTILE = """</title></style></script><script>alert(1)</script><img src=x onerror="alert(2)">'"&\u202e"""
#: of the pages' own
TAGS = frozenset((
    "html", "head", "meta", "title", "style", "body", "script", "h1", "h2", "p", "ul", "li", "dl", "dt", "dd", "div", "figure",
    "figcaption", "table", "tr", "th", "td", "svg", "line", "text", "polyline", "span", "i", "details", "summary",
))  # fmt: skip
VOID = frozenset(("meta",))


class Reader(HTMLParser):
    """Notes elements, and fails where one is not closed as it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hostile_report(**changes: Any) -> Report:
    one = measurement(
        HOSTILE, processes={HOSTILE: ProcessUse(1.0, 1.0, 1)}, attempts={HOSTILE: 3.0}, retries={HOSTILE: 2},
        etcd_requests={HOSTILE: 4.0}, histograms=[Histogram("m", [HOSTILE], 1, 1, 1, 1, 1, 1)], histograms_absent=[HOSTILE],
        events=EventsWritten(1.0, 0, 0, {HOSTILE: 1.0}, {HOSTILE: 1.0}),
    )  # fmt: skip
    found = Verification(bindings=1, violations=[HOSTILE], without=[HOSTILE])
    fields: dict[str, Any] = {
        "workload": HOSTILE, "description": HOSTILE, "notes": [HOSTILE], "run": HOSTILE, "how": {HOSTILE: HOSTILE},
        "verification": found, "commit": HOSTILE,
    }  # fmt: skip
    return report(one, **{**fields, **changes})


@pytest.mark.parametrize(
    "text",
    [page(hostile_report()), page_of_runs(repeated([hostile_report(), hostile_report()]))],
    ids=["one run", "several runs"],
)
def test_what_others_named_is_text_wherever_it_stands(text: str) -> None:
    read = Reader(text)
    assert {tag for tag, _ in read.found} <= TAGS
    names = {name for _, attributes in read.found for name in attributes}
    assert not any(name.startswith("on") or name in ("src", "href", "style") for name in names)
    assert sum(tag == "script" for tag, _ in read.found) == 1
    assert any(HOSTILE in each for each in read.texts), "it is there, as it was written"


def test_the_page_lets_no_script_run_but_its_own() -> None:
    text = page(report())
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [attributes["content"] for _, attributes in Reader(text).found if "http-equiv" in attributes]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_what_nobody_counted_has_no_row_and_no_plot() -> None:
    short = measurement(
        windows=[], queue=[], latencies={}, attempts={"scheduled": 5.0, "error": 0.0}, etcd_requests={"commit": 0.0},
        lag_seconds=0.0, processes={},
    )  # fmt: skip
    text = page(report(short))
    assert "attempts: scheduled" in text
    assert "attempts: error" not in text
    assert "commit</td><td>0" not in text
    assert "<svg" not in text
    assert "Processes" not in text


def test_the_first_thing_on_a_page_is_what_it_comes_to() -> None:
    text = page(report())
    assert text.index("Pods a second") < text.index("<svg") < text.index("Rates and latencies")
    assert "<dd>50</dd>" in text


def test_a_name_that_cannot_be_written_is_a_question_mark() -> None:
    assert "a?b" in document("t", [figures_table("c", ("",), [("a\udcffb",)])])


def test_what_there_is_none_of_is_left_out() -> None:
    assert figures_table("c", ("a", "b"), []) == items([]) == ""
    assert tiles([("a", "1", "")]).count("<dd>") == 1


def test_a_line_that_is_told_apart_by_name_alone_is_escaped_in_its_values_too() -> None:
    read = Reader(plot("t", "s", "", {HOSTILE: [(0.0, 1.0), (1.0, 2.0)]}))
    [figure] = [attributes for tag, attributes in read.found if tag == "figure"]
    assert set(figure) == {"class", "data-plot"}
