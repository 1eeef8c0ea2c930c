import pytest

from vaina.objects.integers import parse_int, parse_uint


@pytest.mark.parametrize(
    ("text", "bits", "want"),
    [
        ("0", 64, 0),
        ("+7", 64, 7),
        ("-7", 64, -7),
        ("007", 64, 7),
        ("9223372036854775807", 64, 2**63 - 1),
        ("9223372036854775808", 64, None),
        ("-9223372036854775808", 64, -(2**63)),
        ("2147483648", 32, None),
        ("", 64, None),
        ("-", 64, None),
        ("1_000", 64, None),
        (" 1", 64, None),
        ("1\n", 64, None),
        ("\u0663", 64, None),
        ("1.0", 64, None),
        ("9" * 5000, 64, None),
    ],
)
def test_signed_numbers_are_read_as_go_reads_them(text: str, bits: int, want: int | None) -> None:
    assert parse_int(text, bits=bits) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0", 0),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", None),
        ("+1", None),
        ("-1", None),
    ],
)
def test_numbers_without_a_sign(text: str, want: int | None) -> None:
    assert parse_uint(text) == want
