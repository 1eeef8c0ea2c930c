"""Quantities: the table of ways in which people write amounts."""

import pytest

from vaina.objects import quantity

CASES = [
    # text, canonical, value, milli value
    ("0", "0", 0, 0),
    ("1", "1", 1, 1000),
    ("100m", "100m", 1, 100),
    ("0.1", "100m", 1, 100),
    (".5", "500m", 1, 500),
    ("1.", "1", 1, 1000),
    ("+2", "2", 2, 2000),
    ("-1", "-1", -1, -1000),
    ("-0.5", "-500m", -1, -500),
    ("1Gi", "1Gi", 1 << 30, (1 << 30) * 1000),
    ("1024Mi", "1Gi", 1 << 30, (1 << 30) * 1000),
    ("1023Mi", "1023Mi", 1023 << 20, (1023 << 20) * 1000),
    ("1.5Gi", "1536Mi", 3 << 29, (3 << 29) * 1000),
    ("0.5Ki", "512", 512, 512_000),
    ("0.1Gi", "107374182400m", 107374183, 107374182400),
    ("1000", "1k", 1000, 1_000_000),
    ("1000k", "1M", 1_000_000, 1_000_000_000),
    ("1500m", "1500m", 2, 1500),
    ("1000m", "1", 1, 1000),
    ("1e3", "1e3", 1000, 1_000_000),
    ("1E3", "1e3", 1000, 1_000_000),
    ("3e4", "30e3", 30_000, 30_000_000),
    ("100e6", "100e6", 100_000_000, 100_000_000_000),
    ("1e-3", "1e-3", 1, 1),
    ("1u", "1u", 1, 1),
    ("0.0000000001", "1n", 1, 1),
    ("1E", "1E", 10**18, quantity.MAX_INT64),
    ("1Ei", "1Ei", 1 << 60, quantity.MAX_INT64),
    ("16Ei", str(quantity.MAX_INT64), quantity.MAX_INT64, quantity.MAX_INT64),
    ("1e99999999", str(quantity.MAX_INT64), quantity.MAX_INT64, quantity.MAX_INT64),
    ("1e-99999999", "1e-9", 1, 1),
    ("00012", "12", 12, 12_000),
]


@pytest.mark.parametrize(("text", "canonical", "value", "millis"), CASES, ids=[case[0] for case in CASES])
def test_an_amount_has_one_canonical_text_and_two_integers(
    text: str, canonical: str, value: int, millis: int
) -> None:
    assert (quantity.canonical(text), quantity.value(text), quantity.milli_value(text)) == (
        canonical,
        value,
        millis,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must match"),
        (" 1", "must match"),
        ("1 ", "must match"),
        ("abc", "must match"),
        ("1x", "must match"),
        ("1.2.3", "must match"),
        ("\u0661", "must match"),
        ("1" * 257, "must match"),
        ("1Kii", "suffix"),
        ("1e", "suffix"),
        ("1mi", "suffix"),
        ("--1", "suffix"),
        ("1K", "suffix"),
    ],
)
def test_other_texts_are_refused_in_upstreams_words(text: str, why: str) -> None:
    with pytest.raises(quantity.QuantityError, match=why):
        quantity.canonical(text)


def test_amounts_are_written_with_the_suffix_that_fits() -> None:
    assert quantity.format_millis(1500) == "1500m"
    assert quantity.format_millis(2000) == "2"
    assert quantity.format_bytes(1 << 30) == "1Gi"
    assert quantity.format_bytes(1000) == "1k"
    assert quantity.format_count(110) == "110"


def test_defaulting_rounds_requests_up_to_thousandths() -> None:
    assert quantity.round_up_milli("0.0001") == "1m"
    assert quantity.round_up_milli("1Gi") == "1Gi"


def test_amounts_compare_across_formats() -> None:
    assert quantity.compare("1Gi", "1024Mi") == 0
    assert quantity.compare("1", "1001m") == -1
    assert quantity.compare("1k", "999") == 1


@pytest.mark.parametrize("text", [".", "+", "-", "Ki", "-.m", "e5"])
def test_what_has_no_digit_before_its_suffix_is_none_as_upstreams_parser_has_it(text: str) -> None:
    assert str(quantity.parse(text)) == "0"
