"""Log lines of CRI runtimes: whole and partial ones, times, streams, garbage."""

import pytest

from kubelet.runtime.cri.log_format import LogFormat, ends_a_line, seconds_of
from kubelet.runtime.records import LogOptions, OutputStream

T1 = b"2026-11-22T13:00:00.000000001Z"
T2 = b"2026-11-22T13:00:01.5+00:00"


def shown(options: LogOptions, *lines: bytes) -> bytes:
    form = LogFormat(options)
    return b"".join(form.shown(line) for line in lines)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LogOptions(), b"one\ntwo more\nbad\n"),
        (LogOptions(stream=OutputStream.STDERR), b"bad\n"),
        (LogOptions(stream=OutputStream.STDOUT), b"one\ntwo more\n"),
        # A part of a line has no time of its own.
        (
            LogOptions(timestamps=True),
            T1 + b" one\n" + T1 + b" two more\n2026-11-22T13:00:01.5Z bad\n",
        ),
        (LogOptions(since=seconds_of(T2)), b"bad\n"),
    ],
    ids=["all", "stderr", "stdout", "timestamps", "since"],
)
def test_what_is_asked_for_is_shown(options: LogOptions, expected: bytes) -> None:
    lines = (T1 + b" stdout F one", T1 + b" stdout P two", T1 + b" stdout F  more", T2 + b" stderr F bad")
    assert shown(options, *lines) == expected


def test_parts_of_two_streams_do_not_meet() -> None:
    lines = (T1 + b" stdout P a", T1 + b" stderr F x", T1 + b" stdout F b")
    assert shown(LogOptions(timestamps=True), *lines) == T1 + b" a" + T1 + b" x\n" + b"b\n"


@pytest.mark.parametrize("garbage", [b"", b"nothing", b"a b c", T1, T1 + b" stdout"])
def test_garbage_is_left_out(garbage: bytes) -> None:
    assert shown(LogOptions(), garbage, T1 + b" stdout F one") == b"one\n"


def test_a_time_that_is_none_is_not_after_any() -> None:
    assert shown(LogOptions(since=1.0), b"yesterday stdout F one") == b""


def test_an_empty_line_is_a_line() -> None:
    assert shown(LogOptions(), T1 + b" stdout F ") == b"\n"


@pytest.mark.parametrize(
    ("line", "ends"),
    [(T1 + b" stdout F a", True), (T1 + b" stdout P a", False), (T1 + b" stdout P:x a", False), (b"?", True)],
)
def test_only_a_part_does_not_end_a_line(line: bytes, ends: bool) -> None:
    assert ends_a_line(line) is ends


def test_times_are_read_in_every_zone() -> None:
    assert seconds_of(b"1970-01-01T00:00:01.25Z") == 1.25
    assert seconds_of(b"1970-01-01T01:00:01.25+01:00") == 1.25
    assert seconds_of(b"1970-01-01T00:00:02Z") == 2.0
