"""The server's side of SPDY/3.1, against a client made of the same frames as kubectl's."""

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.rest.streams.tunnel import (
    MAX_CONNECTIONS,
    MAX_HELD,
    PAIR_SECONDS,
    Abandoned,
    Event,
    Opened,
    Received,
    Tunnel,
    WentAway,
    header_error,
)
from vaina.spdy import (
    CANCEL,
    DICTIONARY,
    GOAWAY,
    PING,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SYN_REPLY,
    SYN_STREAM,
    Control,
    Data,
    FrameReader,
    SpdyError,
    control_frame,
    data_frame,
    header_block,
    reset_frame,
)


class Client:
    """Writes what kubectl writes."""

    def __init__(self) -> None:
        self.compress = zlib.compressobj(zdict=DICTIONARY)
        self.number = -1

    def open(
        self, kind: str, request: str = "0", *, port: str = "80", number: int = 0, flags: int = 0
    ) -> bytes:
        self.number = number or self.number + 2
        headers = {"streamType": kind, "port": port, "requestID": request}
        block = self.compress.compress(header_block({name: text for name, text in headers.items() if text}))
        block += self.compress.flush(zlib.Z_SYNC_FLUSH)
        return control_frame(SYN_STREAM, flags, struct.pack(">IIBB", self.number, 0, 0, 0) + block)

    def connect(self, request: str = "0", *, port: str = "80") -> bytes:
        return (
            self.open("error", request, port=port)
            + data_frame(self.number, b"", last=True)
            + self.open("data", request, port=port)
        )


def said(tunnel: Tunnel) -> list[tuple[int, int, bytes]]:
    """Return what was sent: of control frames kind and stream, of data 0 and the stream with its bytes."""
    return read(tunnel.take_output())


def read(frames: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    for frame in FrameReader().feed(frames):
        if isinstance(frame, Control):
            found.append((frame.kind, frame.stream, frame.payload[4:] if frame.kind == RST_STREAM else b""))
        else:
            found.append((0, frame.stream, frame.data + (b"<fin>" if frame.last else b"")))
    return found


def reason(code: int) -> bytes:
    return struct.pack(">I", code)


def test_a_connection_opens_with_both_streams_and_carries_bytes() -> None:
    client, tunnel = Client(), Tunnel()
    assert list(tunnel.receive(client.connect(port="8080"), 0)) == [Opened(3, 8080)]
    assert said(tunnel) == [(SYN_REPLY, 1, b""), (SYN_REPLY, 3, b"")]
    events = list(tunnel.receive(data_frame(3, b"GET /") + data_frame(3, b"", last=True), 1))
    assert events == [Received(3, b"GET /", False), Received(3, b"", True)]
    # The other direction goes on.
    assert read(tunnel.send(3, b"200 OK")) == [(0, 3, b"200 OK")]
    assert read(tunnel.finish(3)) == [(0, 3, b"<fin>"), (0, 1, b"<fin>")]
    # kubectl resets what has ended.
    assert list(tunnel.receive(reset_frame(3, CANCEL), 2)) == []
    assert tunnel.send(3, b"late") == tunnel.finish(3) == b""


def test_connections_are_side_by_side() -> None:
    client, tunnel = Client(), Tunnel()
    opened = list(tunnel.receive(client.connect("0") + client.connect("1", port="81"), 0))
    assert opened == [Opened(3, 80), Opened(7, 81)]
    assert list(tunnel.receive(data_frame(7, b"b") + data_frame(3, b"a"), 0)) == [
        Received(7, b"b", False), Received(3, b"a", False)
    ]  # fmt: skip
    tunnel.finish(3)
    assert list(tunnel.receive(data_frame(3, b"a") + data_frame(7, b"b"), 0)) == [Received(7, b"b", False)]


def test_an_error_stands_on_the_error_stream_and_ends_last() -> None:
    client, tunnel = Client(), Tunnel()
    list(tunnel.receive(client.connect(), 0))
    assert read(tunnel.finish(3, "refused")) == [(0, 3, b"<fin>"), (0, 1, b"refused<fin>")]


def test_who_leaves_a_connection_still_hears_its_end() -> None:
    client, tunnel = Client(), Tunnel()
    list(tunnel.receive(client.connect(), 0))
    assert list(tunnel.receive(reset_frame(3, CANCEL), 0)) == [Abandoned(3)]
    assert tunnel.send(3, b"more") == b""
    # kubectl waits for the end of the error stream.
    assert read(tunnel.finish(3)) == [(0, 1, b"<fin>")]


def test_data_that_comes_before_the_error_stream_is_kept() -> None:
    client, tunnel = Client(), Tunnel()
    assert list(tunnel.receive(client.open("data") + data_frame(1, b"early", last=True), 0)) == []
    assert list(tunnel.receive(client.open("error"), 0)) == [Opened(1, 80), Received(1, b"early", True)]


def test_too_much_of_it_is_not() -> None:
    client, tunnel = Client(), Tunnel()
    list(tunnel.receive(client.open("data") + data_frame(1, bytes(MAX_HELD + 1)), 0))
    assert said(tunnel)[-1] == (RST_STREAM, 1, reason(CANCEL))
    # The other half is one of its own now.
    assert list(tunnel.receive(client.open("error"), 0)) == []


def test_a_stream_may_end_with_its_beginning() -> None:
    client, tunnel = Client(), Tunnel()
    assert list(tunnel.receive(client.open("error") + client.open("data", flags=1), 0)) == [
        Opened(3, 80), Received(3, b"", True)
    ]  # fmt: skip


def test_clients_without_request_ids_are_paired_by_their_numbers() -> None:
    client, tunnel = Client(), Tunnel()
    assert list(tunnel.receive(client.open("error", "") + client.open("data", ""), 0)) == [Opened(3, 80)]


def test_half_a_connection_is_given_up_after_a_while() -> None:
    client, tunnel = Client(), Tunnel()
    list(tunnel.receive(client.open("error", "a"), 0))
    list(tunnel.receive(client.open("data", "b"), 10))
    said(tunnel)
    tunnel.expire(PAIR_SECONDS - 1)
    assert said(tunnel) == []
    tunnel.expire(PAIR_SECONDS)
    assert said(tunnel) == [(0, 1, b"(request=a) timed out waiting for streams<fin>")]
    assert list(tunnel.receive(client.open("data", "a"), 40)) == []
    tunnel.expire(PAIR_SECONDS + 10)
    assert (0, 3, b"<fin>") in said(tunnel)


@pytest.mark.parametrize(
    ("frames", "answer"),
    [
        (["error", "error"], (RST_STREAM, 3, reason(PROTOCOL_ERROR))),
        (["data", "data"], (RST_STREAM, 3, reason(PROTOCOL_ERROR))),
        (["stdin"], (RST_STREAM, 1, reason(CANCEL))),
        ([""], (RST_STREAM, 1, reason(CANCEL))),
    ],
)
def test_streams_that_are_none_are_reset(frames: list[str], answer: tuple[int, int, bytes]) -> None:
    client, tunnel = Client(), Tunnel()
    for kind in frames:
        assert list(tunnel.receive(client.open(kind), 0)) == []
    assert said(tunnel)[-1] == answer


@pytest.mark.parametrize("number", [2, 1, 4])
def test_numbers_of_streams_are_odd_and_rise(number: int) -> None:
    client, tunnel = Client(), Tunnel()
    list(tunnel.receive(client.open("error", "0"), 0))
    said(tunnel)
    assert list(tunnel.receive(client.open("data", "0", number=number), 0)) == []
    assert said(tunnel) == [(RST_STREAM, number, reason(PROTOCOL_ERROR))]
    # Its headers were read: what comes later can be.
    client.number = 5
    assert list(tunnel.receive(client.open("data", "0"), 0)) == [Opened(7, 80)]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"streamtype": "data"}, '"port" header is required'),
        ({"port": "http", "streamtype": "data"}, 'unable to parse "http" as a port'),
        ({"port": "65536", "streamtype": "data"}, 'unable to parse "65536" as a port'),
        ({"port": "-1", "streamtype": "data"}, 'unable to parse "-1" as a port'),
        ({"port": "0", "streamtype": "data"}, 'port "0" must be > 0'),
        ({"port": "80"}, '"streamType" header is required'),
        ({"port": "80", "streamtype": "stdin"}, 'invalid stream type "stdin"'),
        ({"port": "80", "streamtype": "error"}, ""),
    ],
)
def test_headers_of_a_stream(headers: dict[str, str], words: str) -> None:
    assert header_error(headers) == words


def test_there_are_so_many_connections_at_most() -> None:
    client, tunnel = Client(), Tunnel()
    for number in range(MAX_CONNECTIONS):
        assert list(tunnel.receive(client.connect(str(number)), 0))
    said(tunnel)
    assert list(tunnel.receive(client.open("error", "more"), 0)) == []
    assert said(tunnel) == [(RST_STREAM, client.number, reason(REFUSED_STREAM))]
    tunnel.finish(3)
    assert list(tunnel.receive(client.connect("again"), 0))


def test_pings_are_answered_and_ours_are_none() -> None:
    tunnel = Tunnel()
    list(tunnel.receive(control_frame(PING, 0, reason(1)) + control_frame(PING, 0, reason(2)), 0))
    assert said(tunnel) == [(PING, 1, b"")]


def test_a_client_may_go() -> None:
    assert list(Tunnel().receive(control_frame(GOAWAY, 0, bytes(8)), 0)) == [WentAway()]


def test_what_is_no_spdy_is_refused() -> None:
    with pytest.raises(SpdyError):
        list(Tunnel().receive(b"\x80\x02\x00\x01\x00\x00\x00\x00", 0))


FRAMES = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from(["data", "error", "x"]), st.sampled_from("012")),
        st.tuples(st.just("data"), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("reset"), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("finish"), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("expire"), st.integers(0, 60), st.booleans()),
    ),
    max_size=30,
)


def step_events(
    client: Client, tunnel: Tunnel, step: tuple[Any, ...], now: float
) -> tuple[list[Event], bytes]:
    """Do one step of a story; return what happened and what was said to nobody who asked."""
    match step:
        case ("open", kind, request):
            return list(tunnel.receive(client.open(kind, request), now)), b""
        case ("data", number, last):
            return list(tunnel.receive(data_frame(number, b"x", last=last), now)), b""
        case ("reset", number, _):
            return list(tunnel.receive(reset_frame(number, CANCEL), now)), b""
        case ("finish", number, _):
            return [], tunnel.finish(number, "why")
        case (_, seconds, _):
            tunnel.expire(now + seconds)
    return [], b""


@given(FRAMES)
def test_whatever_a_client_does_its_connections_have_a_beginning_and_an_end(
    steps: list[tuple[Any, ...]],
) -> None:
    client, tunnel = Client(), Tunnel()
    opened, ended, closed = set[int](), set[int](), set[int]()
    for now, step in enumerate(steps):
        events, output = step_events(client, tunnel, step, now)
        if step[0] == "finish":
            closed.add(step[1])
        for event in events:
            match event:
                case Opened():
                    assert event.connection not in opened
                    opened.add(event.connection)
                case Received():
                    assert event.connection in opened - closed - ended
                    ended |= {event.connection} if event.last else set()
                case _:
                    assert isinstance(event, Abandoned)
                    assert event.connection in opened - closed
        assert all(
            isinstance(frame, (Control, Data)) for frame in FrameReader().feed(tunnel.take_output() + output)
        )
