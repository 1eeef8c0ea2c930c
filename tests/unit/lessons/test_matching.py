"""Patterns of outputs."""

import pytest

from vaina.lessons.matching import LONGEST, matches


@pytest.mark.parametrize(
    ("output", "patterns"),
    [
        ("a  b\n", ["a b"]),
        ("a b", ["a   b"]),
        ("", []),
        ("x\ny\nz\n", ["...", "z"]),
        ("z\n", ["...", "z", "..."]),
        ("pod/a created\n", ["pod/... created"]),
        ("10.1.2.3\n10.1.2.3\n", ["<ip>", "<ip>"]),
        ("10.1.2.3 7\n", ["<ip> <age>"]),
        ("NODE <none>\n", ["NODE <none>"]),
        ("a.b (c)*\n", ["a.b (c)*"]),
        ('phase Running, node "one"', ['phase Running, node "<node>"']),
    ],
)
def test_they_match(output: str, patterns: list[str]) -> None:
    assert matches(output, patterns)


@pytest.mark.parametrize(
    ("output", "patterns"),
    [
        ("a b c\n", ["a b"]),
        ("a\nb\n", ["a"]),
        ("a\n", ["a", "b"]),
        ("anb\n", ["a.b"]),
        ("10.1.2.3\n10.1.2.4\n", ["<ip>", "<ip>"]),
        ("two words\n", ["<word>"]),
        ("NODE something\n", ["NODE <none>"]),
        ('node ""', ['node "<node>"']),
    ],
)
def test_they_do_not(output: str, patterns: list[str]) -> None:
    assert not matches(output, patterns)


def test_a_long_output_of_many_lines_is_answered() -> None:
    assert not matches("x y z\n" * (LONGEST // 6), ["...", "... a ...", "...", "<b> c"])
