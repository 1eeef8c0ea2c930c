"""Label and field selectors: grammar and meaning."""

import pytest

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.selectors import (
    EVERYTHING,
    NOTHING,
    SelectorError,
    from_labels,
    from_message,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  ", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("app!=web", False),
        ("other!=x", True),
        ("app", True),
        ("other", False),
        ("!other", True),
        ("!app", False),
        ("app in (web, db)", True),
        ("app in (db)", False),
        ("other in (db)", False),
        ("app notin (db)", True),
        ("other notin (db)", True),
        ("app notin (web)", False),
        ("n>4", True),
        ("n>5", False),
        ("n<6", True),
        ("app>4", False),
        ("app=web,tier in (front),!other", True),
        ("app=", False),
        ("example.com/x!=1", True),
    ],
)
def test_a_label_selector_selects(text: str, *, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is matches


UNABLE = "unable to parse requirement: "
LETTERS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
    "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
INTEGER = "for 'Gt', 'Lt' operators, the value must be an integer"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        # As apimachinery v0.37 says it, word by word.
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a b", UNABLE + "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=(", UNABLE + "found '(', expected: identifier"),
        ("a in b", UNABLE + "found 'b' expected: '('"),
        ("a in", UNABLE + "found '' expected: '('"),
        ("a in (", UNABLE + "found '', expected: ',', ')' or identifier"),
        ("a in (b", UNABLE + "found '', expected: ',' or ')'"),
        ("a in (b c)", UNABLE + "found 'c', expected: ',' or ')'"),
        ("a in (b,=)", UNABLE + "found '=', expected: ',', or identifier"),
        ("!", UNABLE + "found '', expected: identifier"),
        ("-a=b", f'{UNABLE}<nil>: Invalid value: "-a": name part {LETTERS}'),
        ("a/b/c=d", f'{UNABLE}<nil>: Invalid value: "a/b/c": a valid label key {LETTERS} with an optional DNS subdomain prefix and \'/\' '
         "(e.g. 'example.com/MyName')"),
        ("/a=d", f'{UNABLE}<nil>: Invalid value: "/a": prefix part must be non-empty'),
        ("a=-b", f'{UNABLE}values[0][a]: Invalid value: "-b": {VALUE}'),
        ("a=" + "x" * 64, f'{UNABLE}values[0][a]: Invalid value: "{"x" * 64}": must be no more than 63 bytes'),
        ("a>b", f'{UNABLE}values[0]: Invalid value: "b": {INTEGER}'),
        ("a<9223372036854775808", f'{UNABLE}values[0]: Invalid value: "9223372036854775808": {INTEGER}'),
        ("a>-", f'{UNABLE}[values[0]: Invalid value: "-": {INTEGER}, values[0][a]: Invalid value: "-": {VALUE}]'),
        ("a=b" * 30_000, "a selector may not have more than 65536 characters"),
    ],
)  # fmt: skip
def test_a_label_selector_that_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value) == why


@pytest.mark.parametrize("text", ["a=b,c in (x,y),!d", "a!=b", "a notin (x)", "a", "a>1", ""])
def test_a_label_selector_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_label_selector(text)) == text


def test_a_selector_message_is_read() -> None:
    message = meta_pb2.LabelSelector(
        match_labels={"app": "web"},
        match_expressions=[
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "gone", "operator": "DoesNotExist"},
            {"key": "n", "operator": "Exists"},
            {"key": "tier", "operator": "NotIn", "values": ["x"]},
        ],
    )
    selector = from_message(message)
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "gone": ""})
    assert str(selector) == "app=web,tier in (back,front),!gone,n,tier notin (x)"


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Foo"},
        {"key": "a", "operator": "Gt", "values": ["1"]},
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["x"]},
        {"key": "-a", "operator": "Exists"},
    ],
)
def test_a_selector_message_that_makes_no_sense_is_refused(expression: dict[str, object]) -> None:
    message = meta_pb2.LabelSelector(match_expressions=[expression])  # type: ignore[list-item]
    with pytest.raises(SelectorError):
        from_message(message)


def test_everything_and_nothing() -> None:
    assert EVERYTHING.matches({})
    assert not NOTHING.matches({})
    assert EVERYTHING.is_everything
    assert not NOTHING.is_everything
    assert from_message(meta_pb2.LabelSelector()) == EVERYTHING
    assert from_labels({"app": "web"}).matches(LABELS)


def test_a_field_selector_is_read_with_its_escapes() -> None:
    selector = parse_field_selector(r"spec.nodeName=n1,status.phase!=Running,x==a\,b\=c\\")
    assert selector.requirements == (
        ("spec.nodeName", "=", "n1"), ("status.phase", "!=", "Running"), ("x", "=", "a,b=c\\"),
    )  # fmt: skip
    assert selector.matches({"spec.nodeName": "n1", "x": "a,b=c\\"})
    assert not selector.matches({"spec.nodeName": "n2", "x": "a,b=c\\"})
    assert selector.exact("spec.nodeName") == "n1"
    assert selector.exact("status.phase") is None
    assert parse_field_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("z=1,b,a", "invalid selector: 'z=1,b,a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_a_field_selector_that_cannot_be_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_field_selector(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "written"),
    [("=", ""), ("==", ""), (",,a=b,", "a=b"), ("b=1,a!=2", "a!=2,b=1"), (" a=b", " a=b")],
)
def test_a_field_selector_is_sorted_and_nothing_is_left_out(text: str, written: str) -> None:
    assert str(parse_field_selector(text)) == written
