"""Durations as Go writes and reads them."""

import pytest

from vaina.durations import DurationError, go_duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (10, "10s"), (20, "20s"), (60, "1m0s"), (80, "1m20s"), (160, "2m40s"), (300, "5m0s"),
        (3600, "1h0m0s"), (5025.5, "1h23m45.5s"), (1.234, "1.234s"), (0.25, "250ms"), (0.0015, "1.5ms"),
        (0.00000025, "250ns"), (-90, "-1m30s"),
    ],
)  # fmt: skip
def test_go_duration(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0), ("15s", 15 * 10**9), ("1m30s", 90 * 10**9), ("1.5h", 5400 * 10**9), ("100ms", 10**8), ("+0", 0),
        ("-2s", -2 * 10**9), (".5s", 5 * 10**8), ("1.s", 10**9), ("1s1s", 2 * 10**9), ("7us7µs7μs", 21_000),
        ("0.3333333333333333333h", 1_200_000_000_000), ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
    ],
)  # fmt: skip
def test_parse_duration(text: str, nanos: int) -> None:
    assert parse_duration(text) == nanos


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'invalid duration ""'), ("-", 'invalid duration "-"'), ("15", 'missing unit in duration "15"'),
        ("s", 'invalid duration "s"'), (".s", 'invalid duration ".s"'), ("1s 2s", 'unknown unit "s " in duration "1s 2s"'),
        ("1x\n", 'unknown unit "x\\x0a" in duration "1x\\x0a"'), ('1"', 'unknown unit "\\"" in duration "1\\""'),
        ("1ä", 'unknown unit "\\xc3\\xa4" in duration "1\\xc3\\xa4"'), ("1m5", 'missing unit in duration "1m5"'),
        ("9223372036854775808ns", 'invalid duration "9223372036854775808ns"'), ("--1s", 'invalid duration "--1s"'),
        ("1٢s", 'unknown unit "\\xd9\\xa2s" in duration "1\\xd9\\xa2s"'), ("3000000h", 'invalid duration "3000000h"'),
    ],
)  # fmt: skip
def test_what_is_no_duration_is_told_as_go_tells_it(text: str, words: str) -> None:
    with pytest.raises(DurationError) as error:
        parse_duration(text)
    assert str(error.value) == f"time: {words}"
