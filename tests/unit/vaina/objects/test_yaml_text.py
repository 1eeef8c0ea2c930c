"""YAML as kubectl reads and writes it. The table of scalars was made by asking kubectl 1.32."""

from typing import Any

import pytest

from vaina.objects.tree import Number, TextError, Tree
from vaina.objects.yaml_text import parse_yaml, write_yaml

SCALARS: list[tuple[str, Any]] = [
    ("y", True), ("Y", True), ("yes", True), ("on", True), ("TRUE", True), ("n", False), ("no", False), ("off", False),
    ("tRUE", "tRUE"), ("null", None), ("~", None), ("", None), ("nULL", "nULL"),
    ("1", 1), ("+1", 1), ("-1", -1), ("017", 15), ("0o17", 15), ("-017", -15), ("0x1F", 31), ("-0x1f", -31), ("0b11", 3),
    ("08", 8), ("1_000", 1000), ("1__0", 10), ("_1", "_1"), ("0x", "0x"), ("0o8", "0o8"), ("00", 0), ("-0", 0),
    ("18446744073709551615", 18446744073709551615),
    ("1:30", "1:30"), ("12:30:45", "12:30:45"),
    ("1e3", 1000), ("1e-3", Number("0.001")), (".5", Number("0.5")), ("5.", 5), ("80.0", 80), ("0.1", Number("0.1")),
    ("1.5e300", Number("1.5e+300")), ("1e21", Number("1e+21")), ("1e-7", Number("1e-7")), ("100e6", 100_000_000),
    ("1e16", 10**16), ("0.30000000000000004", Number("0.30000000000000004")), ("1e400", "1e400"), ("-0.0", 0),
    ("2001-01-01", "2001-01-01"), ("2001-1-1", "2001-1-1"), ("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z"),
    ("=", "="), ("<<", "<<"), (".", "."), ("1.2.3", "1.2.3"), ("1e", "1e"), ("1,000", "1,000"),
    ("'y'", "y"), ('"1"', "1"), ("!!str 1", "1"), ('!!int "3"', 3), ("!!float 1", 1), ("!!binary aGk=", "hi"),
    ("!mine x", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[text for text, _ in SCALARS])
def test_a_scalar_is_read_as_kubectl_reads_it(text: str, value: Any) -> None:
    found = parse_yaml(f"v: {text}\n")[0][0]["v"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: .inf", "unsupported value"),
        ("a: .nan", "unsupported value"),
        ("a: !!int x", "cannot decode !!str `x` as a !!int"),
        ("a: !!binary '*'", "invalid base64"),
        ("a: b: c", "line 1: mapping values are not allowed"),
        ("a: [1", "line"),
        ("\ta: 1", "line 1: found character that cannot start any token"),
        ("a: *x", "unknown anchor 'x' referenced"),
        ("a: &x [*x]", "anchor 'x' value contains itself"),
        ("? [1]\n: 2", "invalid map key"),
        ("~: 2", "unsupported map key"),
        ("<<: 1", "map merge requires"),
        ("a: \x01", "control characters"),
        ("a:\n  - b\n c: 1", "line 3"),
        ("[" * 101 + "]" * 101, "exceeded max depth"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, why: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_yaml(text)
    assert str(caught.value).startswith("yaml: ")
    assert why in str(caught.value)


def test_aliases_expand_only_so_far() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    with pytest.raises(TextError, match="excessive aliasing"):
        parse_yaml(bomb)


def test_deep_nesting_costs_nothing() -> None:
    with pytest.raises(TextError):
        parse_yaml("{a: " * 100_000)


def test_keys_are_text_and_duplicates_are_noted() -> None:
    tree = parse_yaml("1: a\ntrue: b\n1.5: c\nx: 1\nx: 2\n")[0][0]
    assert tree == {"1": "a", "true": "b", "1.5": "c", "x": 2}
    assert isinstance(tree, Tree)
    assert tree.duplicates == {"x": 4}


def test_anchors_and_merge_keys_work() -> None:
    text = "base: &b {a: 1, b: 2}\nmore: &m {a: 3, c: 4}\np: {<<: *b, b: 5}\nq: {<<: [*b, *m], d: 6}\nr: *b\n"
    tree = parse_yaml(text)[0][0]
    assert tree["p"] == {"a": 1, "b": 5}
    assert tree["q"] == {"a": 1, "b": 2, "c": 4, "d": 6}
    assert tree["r"] == {"a": 1, "b": 2}
    assert type(tree["p"]) is dict


def test_documents_come_with_their_lines() -> None:
    assert parse_yaml("# first\na: 1\n---\n---\n\nb: 2\n...\n") == [({"a": 1}, 2), (None, 4), ({"b": 2}, 6)]
    assert parse_yaml("") == []


def test_writing_quotes_what_would_be_read_as_something_else() -> None:
    strings = [
        "y",
        "1",
        "1e3",
        "null",
        "",
        "2001-01-01",
        "0o17",
        "1:30",
        "=",
        "<<",
        ".inf",
        "a: b",
        " x",
        "é",
        "a\nb\n",
        "#x",
    ]
    for text in strings:
        assert parse_yaml(write_yaml({"v": text}))[0][0] == {"v": text}
    assert write_yaml({"b": ["y", "x"], "a": {"k": 1, "l": True, "z": None}}) == (
        'a:\n  k: 1\n  l: true\n  z: null\nb:\n- "y"\n- x\n'
    )
    assert write_yaml({"v": "a\nb\n"}) == "v: |\n  a\n  b\n"
    assert write_yaml({"v": "w" * 300 + " x"}) == "v: " + "w" * 300 + " x\n"
