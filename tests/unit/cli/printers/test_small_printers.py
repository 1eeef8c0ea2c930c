"""Durations, tables, errors, templates."""

from typing import Any

import pytest

from cli.failures import explain_error
from cli.printers.describe_pod import describe_pod
from cli.printers.jsonpath import JsonPathError, render
from cli.printers.page import Page
from cli.printers.style import Paint, for_terminal
from cli.printers.table import Table, render_table
from vaina import errors
from vaina.clock import timestamp
from vaina.errors import ApiError, FieldError
from vaina.printers.cells import age, human_duration, precise
from vaina.testing.builders import make_pod


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-0.5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"),
        (3600 * 2, "120m"), (3600 * 3, "3h"), (3600 * 3 + 60, "3h1m"), (3600 * 8, "8h"), (3600 * 47, "47h"),
        (86400 * 2, "2d"), (86400 * 2 + 3600, "2d1h"), (86400 * 8, "8d"), (86400 * 700, "700d"), (86400 * 731, "2y1d"),
        (86400 * 365 * 9, "9y"),
    ],
)  # fmt: skip
def test_an_age_has_two_units_at_most(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_an_age_of_nothing_is_unknown() -> None:
    assert age(timestamp(0), 5.0) == "<unknown>"
    assert age(timestamp(10), 15.0) == "5s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"), (0, "0 ms"), (0.00085, "850 µs"), (0.0042, "4.20 ms"), (0.0124, "12.4 ms"), (0.31, "310 ms"),
        (1.2345, "1.23 s"), (12.34, "12.3 s"), (65, "1m05s"), (3700, "1h01m"),
    ],
)  # fmt: skip
def test_a_step_took_three_digits(seconds: float, text: str) -> None:
    assert precise(seconds) == text


def test_a_table_is_padded_and_coloured() -> None:
    table = Table(
        ("A", "B"), [("x", "yy"), ("longer", "two\nlines")], {"B": lambda cell: "red" if cell == "yy" else ""}
    )
    assert render_table(table) == "A        B\nx        yy\nlonger   two...\n"
    assert render_table(table, show_headers=False) == "x        yy\nlonger   two...\n"
    coloured = for_terminal(render_table(table, paint=Paint(True)))
    assert coloured.splitlines()[1] == "x        \x1b[31myy\x1b[0m"
    assert render_table(Table(("A",), []), show_headers=False) == ""
    assert render_table(Table(("A",), [("\x1b[31m\ra",)])) == "A\n^[[31m...\n"


def invalid(*details: str) -> ApiError:
    causes = [FieldError("FieldValueInvalid", "spec.x", detail) for detail in details]
    return errors.Invalid("all of it", kind="Pod", name="a", causes=causes)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.NotFound('pods "x" not found', kind="pods", name="x"),
            'Error from server (NotFound): pods "x" not found',
        ),
        (invalid("Required value"), 'The Pod "a" is invalid: spec.x: Required value'),
        (invalid("one", "two", "one"), 'The Pod "a" is invalid: \n* spec.x: one\n* spec.x: two'),
        (
            errors.Invalid("all", group="apps", kind="Deployment", name="a", causes=invalid("one").causes),
            'The Deployment "a" is invalid: spec.x: one',
        ),
        (errors.Invalid("words"), "The request is invalid: words"),
        (
            errors.Unavailable("failed to connect to all addresses; last error: Connection refused"),
            "The connection to the server s:1 was refused - did you specify the right host or port?",
        ),
        (errors.Unavailable("etcd is away"), "Error from server (ServiceUnavailable): etcd is away"),
        (errors.Timeout("Deadline Exceeded"), "Unable to connect to the server: s:1 did not answer in time"),
    ],
)
def test_an_error_reads_as_kubectls(error: ApiError, text: str) -> None:
    assert explain_error(error, server="s:1") == text


def test_an_error_names_the_file_it_is_about() -> None:
    text = explain_error(errors.AlreadyExists('pods "x" already exists'), doing='creating "x.yaml"')
    assert text == 'Error from server (AlreadyExists): error when creating "x.yaml": pods "x" already exists'


TREE: dict[str, Any] = {
    "items": [
        {"metadata": {"name": "a", "labels": {"k8s.io/x": "1"}}, "n": 1, "ready": True},
        {"metadata": {"name": "b"}, "n": 2, "ready": False, "list": [1, 2, 3]},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        (".items[0].n", "1"),
        ("items[-1].metadata.name", "b"),
        ("{.items[0:1].n}", "1"),
        ("{.items[1].list[1:]}", "2 3"),
        ("{.items[0].metadata.labels.k8s\\.io/x}", "1"),
        ("{.items[0].metadata.labels['k8s.io/x']}", "1"),
        ('{.items[?(@.n==2)].metadata.name}{"\\n"}', "b\n"),
        ('{.items[?(@.metadata.name!="a")].n}', "2"),
        ("{.items[?(@.list)].n}", "2"),
        ('{range .items[*]}{.metadata.name}={.ready}{"\\t"}{end}!', "a=true\tb=false\t!"),
        ("{..name}", "a b"),
        ("{.nothing.there}", ""),
        ("{.items[0].metadata}", '{"labels":{"k8s.io/x":"1"},"name":"a"}'),
        ("plain {.items[0].n} text", "plain 1 text"),
        ("{.items.*.n}", "1 2"),
        ("{$.items[0].n}", "1"),
    ],
)
def test_a_template_is_filled(template: str, text: str) -> None:
    assert render(template, TREE) == text


@pytest.mark.parametrize("template", ["{.items[}", "{range .items[*]}{.n}", "{end}", "{.a[?(x)]}", "{.a b}"])
def test_a_template_that_cannot_be_read_is_an_error(template: str) -> None:
    with pytest.raises(JsonPathError):
        render(template, {"a": [1], **TREE})


def test_a_pod_that_preempts_names_the_node_that_it_has_in_view() -> None:
    waiting = make_pod("important")
    waiting.status.nominated_node_name = "node-1"
    page = Page()
    describe_pod(page, waiting)
    assert ["NominatedNodeName:", "node-1"] in [line.split() for line in page.text().splitlines()]
    other = Page()
    describe_pod(other, make_pod("plain"))
    assert "NominatedNodeName" not in other.text()
