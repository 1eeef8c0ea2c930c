"""Time and MicroTime as text."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from vaina.objects.times import TimeError, format_time, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("2008-01-01T01:01:01Z", 1199149261),
        ("2008-01-01T01:01:01.999Z", 1199149261),
        ("2008-01-01T03:01:01+02:00", 1199149261),
        ("2007-12-31T19:31:01-05:30", 1199149261),
        ("2024-02-29T00:00:00Z", 1709164800),
        ("9999-12-31T23:59:59Z", 253402300799),
        ("0001-01-01T00:00:01Z", -62135596799),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_a_time_is_read_to_the_second(text: str, seconds: int) -> None:
    assert parse_time(text) == Timestamp(seconds=seconds)


def test_a_micro_time_has_six_digits() -> None:
    stamp = parse_time("2010-01-01T01:01:01.000010Z", micro=True)
    assert (stamp.seconds, stamp.nanos) == (1262307661, 10_000)
    assert format_time(stamp, micro=True) == "2010-01-01T01:01:01.000010Z"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("x", 'cannot parse "x" as "2006"'),
        ("2006-01-02", 'cannot parse "" as "T"'),
        ("2006-01-02 15:04:05Z", 'cannot parse " 15:04:05Z" as "T"'),
        ("2006-01-02T15:04:05", 'cannot parse "" as "Z07:00"'),
        ("2006-01-02T15:04:05Zx", 'extra text: "x"'),
        ("2006-13-02T15:04:05Z", "month out of range"),
        ("2006-02-30T15:04:05Z", "day out of range"),
        ("2023-02-29T15:04:05Z", "day out of range"),
        ("2006-01-02T24:04:05Z", "hour out of range"),
        ("2006-01-02T15:60:05Z", "minute out of range"),
        ("2006-01-02T15:04:60Z", "second out of range"),
    ],
)
def test_other_texts_are_refused_in_gos_words(text: str, why: str) -> None:
    with pytest.raises(TimeError) as caught:
        parse_time(text)
    assert why in str(caught.value)


def test_a_micro_time_without_six_digits_is_refused() -> None:
    with pytest.raises(TimeError, match=r"\.000000"):
        parse_time("2010-01-01T01:01:01Z", micro=True)


@pytest.mark.parametrize("seconds", [1, -1, 951782400, 1709164800, 253402300799, -62135596799, 10**15])
def test_any_number_of_seconds_can_be_written(seconds: int) -> None:
    text = format_time(Timestamp(seconds=seconds))
    assert text is not None
    if seconds < 253402300800:
        assert parse_time(text).seconds == seconds


def test_the_zero_time_is_null() -> None:
    assert format_time(Timestamp()) is None
