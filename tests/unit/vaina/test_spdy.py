"""Frames of SPDY/3.1: cut anywhere they read the same, and what is no frame is refused."""

import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaina.spdy import (
    DICTIONARY,
    GOAWAY,
    MAX_CONTROL,
    PING,
    SYN_STREAM,
    Control,
    Data,
    Frame,
    FrameReader,
    HeaderReader,
    HeaderWriter,
    SpdyError,
    control_frame,
    data_frame,
    header_block,
    read_header_block,
    reset_frame,
)

NUMBERS = st.integers(1, 2**31 - 1)
CONTROLS = st.builds(Control, st.integers(1, 10), st.integers(0, 3), st.binary(max_size=40))
DATA = st.builds(Data, NUMBERS, st.binary(max_size=60), st.booleans())


def encoded(frame: Frame) -> bytes:
    if isinstance(frame, Data):
        return data_frame(frame.stream, frame.data, last=frame.last)
    return control_frame(frame.kind, frame.flags, frame.payload)


def joined(frames: list[Frame]) -> list[Frame]:
    """Put the pieces of data frames together again."""
    whole: list[Frame] = []
    for frame in frames:
        before = whole[-1] if whole else None
        if (
            isinstance(frame, Data)
            and isinstance(before, Data)
            and not before.last
            and before.stream == frame.stream
        ):
            whole[-1] = Data(frame.stream, before.data + frame.data, frame.last)
        else:
            whole.append(frame)
    return whole


@given(st.lists(st.one_of(CONTROLS, DATA), max_size=8), st.lists(st.integers(0, 200), max_size=8))
def test_frames_read_the_same_wherever_they_are_cut(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encoded(frame) for frame in frames)
    reader, found, at = FrameReader(), list[Frame](), 0
    for cut in [*sorted(cuts), len(stream)]:
        found += reader.feed(stream[at:cut])
        at = max(at, cut)
    assert joined(found) == joined(list(frames))


@given(st.binary(max_size=300))
def test_what_comes_is_read_or_refused(data: bytes) -> None:
    reader = FrameReader()
    with suppress(SpdyError):
        for frame in reader.feed(data):
            assert isinstance(frame, (Data, Control))


NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12)
HEADERS = st.dictionaries(
    NAMES, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), max_size=6
)


@given(st.lists(HEADERS, max_size=4))
def test_headers_of_one_connection_are_read_as_they_were_written(all_headers: list[dict[str, str]]) -> None:
    writer, reader = HeaderWriter(), HeaderReader()
    for headers in all_headers:
        assert reader.read(writer.compressed(headers)) == headers


def test_headers_are_read_that_were_compressed_with_the_protocols_dictionary() -> None:
    # As moby/spdystream compresses them, and every SPDY/3 client.
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)
    compress = zlib.compressobj(zdict=DICTIONARY)
    reader = HeaderReader()
    for headers in ({"streamType": "error", "port": "80"}, {"streamType": "data", "port": "80"}):
        block = compress.compress(header_block(headers)) + compress.flush(zlib.Z_SYNC_FLUSH)
        assert reader.read(block) == {name.lower(): value for name, value in headers.items()}


@given(st.binary(max_size=60))
def test_a_header_block_is_read_or_refused(block: bytes) -> None:
    with suppress(SpdyError):
        read_header_block(block)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (struct.pack(">HHI", 0x8002, SYN_STREAM, 10), "a frame of version 2, not 3"),
        (
            struct.pack(">HHI", 0x8003, SYN_STREAM, MAX_CONTROL + 1),
            "a control frame of 65537 bytes",
        ),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(SpdyError, match=words):
        list(FrameReader().feed(data))


def test_headers_that_inflate_without_end_are_refused() -> None:
    bomb = zlib.compress(bytes(10 * 1024 * 1024))
    assert len(bomb) < MAX_CONTROL
    with pytest.raises(SpdyError, match="headers of more than"):
        HeaderReader().read(bomb)


def test_headers_that_are_no_deflate_are_refused() -> None:
    with pytest.raises(SpdyError, match="cannot be inflated"):
        HeaderReader().read(b"plain text")


def test_a_control_frame_says_which_stream_it_is_about() -> None:
    [frame] = FrameReader().feed(reset_frame(7, 5))
    assert isinstance(frame, Control)
    assert (frame.stream, frame.payload) == (7, struct.pack(">II", 7, 5))
    assert Control(PING, 0, b"").stream == Control(GOAWAY, 0, b"\0").stream == 0
