"""PURE: the server's side of SPDY/3.1 for port-forward: bytes in, what happened and bytes out.

kubectl tunnels it through a WebSocket. Each forwarded connection is two streams that it opens with the headers
streamType (error, data), port and requestID; the error stream carries words of the server, and ends last.

Follows kubelet `pkg/cri/streaming/portforward/httpstream.go` and moby/spdystream `connection.go`.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from vaina.quoting import go_quote
from vaina.spdy import (
    CANCEL,
    FIN,
    GOAWAY,
    HEADERS,
    PING,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SYN_REPLY,
    SYN_STREAM,
    Control,
    Data,
    FrameReader,
    HeaderReader,
    HeaderWriter,
    control_frame,
    data_frame,
    reset_frame,
)

#: connections of one session, with those that lack one of their two streams
MAX_CONNECTIONS: Final = 1_000
#: until a connection has both of its streams (`DefaultStreamCreationTimeout` of upstream's kubelet)
PAIR_SECONDS: Final = 30.0
#: bytes for a port that may come before its connection has both of them
MAX_HELD: Final = 64 * 1024
_PORT: Final = re.compile(r"[0-9]{1,5}\Z")
_MAX_PORT: Final = 65_535
_DATA, _ERROR = "data", "error"


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection has both of its streams; `connection` is its number in later events."""

    connection: int
    port: int


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes for the port; `last`: no more come."""

    connection: int
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The client wants nothing more of a connection."""

    connection: int


@dataclass(frozen=True, slots=True)
class WentAway:
    """The client ends the session."""


Event: TypeAlias = Opened | Received | Abandoned | WentAway


@dataclass(slots=True)
class _Stream:
    number: int
    pair: "_Pair"
    kind: str
    #: we send no more on it
    is_ended: bool = False


@dataclass(slots=True)
class _Pair:
    request: str
    port: int
    opened: float
    data: _Stream | None = None
    error: _Stream | None = None
    #: what came for the port before the error stream was there
    held: bytes = b""
    has_all: bool = False


class Tunnel:
    """One session. Owned by one task; what it has to send gathers until `take_output`."""

    def __init__(self) -> None:
        self._frames, self._read, self._write = FrameReader(), HeaderReader(), HeaderWriter()
        #: by number: what the client may still speak of
        self._streams: dict[int, _Stream] = {}
        #: by request id: those that lack a stream
        self._waiting: dict[str, _Pair] = {}
        #: by the number of their data stream
        self._pairs: dict[int, _Pair] = {}
        self._last = 0
        self._output: list[bytes] = []

    def receive(self, data: bytes, now: float) -> Iterator[Event]:
        """Yield what more bytes say. `now`: monotonic seconds. Raises SpdyError."""
        for frame in self._frames.feed(data):
            if isinstance(frame, Data):
                yield from self._data(frame)
            elif frame.kind == SYN_STREAM:
                yield from self._open(frame, now)
            elif frame.kind == RST_STREAM:
                yield from self._reset(frame.stream)
            elif frame.kind == PING:
                self._ping(frame)
            elif frame.kind == GOAWAY:
                yield WentAway()
            elif frame.kind in (HEADERS, SYN_REPLY):
                # Nobody asks what they say, but what follows is compressed after them.
                self._read.read(frame.payload[4:])

    def take_output(self) -> bytes:
        """Return what is to be sent now, once."""
        output, self._output = b"".join(self._output), []
        return output

    def send(self, connection: int, data: bytes) -> bytes:
        """Return the frame that carries bytes of a port; empty where the client wants no more."""
        pair = self._pairs.get(connection)
        if pair is None or pair.data is None or pair.data.is_ended:
            return b""
        return data_frame(pair.data.number, data)

    def finish(self, connection: int, error: str = "") -> bytes:
        """Return the frames that end a connection: of its data, then words on its error stream, and its end."""
        pair = self._pairs.pop(connection, None)
        if pair is None:
            return b""
        frames = []
        if pair.data is not None and not pair.data.is_ended:
            frames.append(data_frame(pair.data.number, b"", last=True))
        if pair.error is not None and not pair.error.is_ended:
            frames.append(data_frame(pair.error.number, error.encode(), last=True))
        self._forget(pair)
        return b"".join(frames)

    def expire(self, now: float) -> None:
        """Give up connections that lack a stream for long."""
        for pair in [pair for pair in self._waiting.values() if now - pair.opened >= PAIR_SECONDS]:
            del self._waiting[pair.request]
            words = f"(request={pair.request}) timed out waiting for streams"
            for stream in (pair.data, pair.error):
                if stream is not None and not stream.is_ended:
                    text = words.encode() if stream.kind == _ERROR else b""
                    self._output.append(data_frame(stream.number, text, last=True))
            self._forget(pair)

    def _forget(self, pair: _Pair) -> None:
        for stream in (pair.data, pair.error):
            if stream is not None:
                stream.is_ended = True
                self._streams.pop(stream.number, None)

    def _open(self, frame: Control, now: float) -> Iterator[Event]:
        number = frame.stream
        headers = self._read.read(frame.payload[10:])
        # Numbers of a client are odd, and rise.
        if not number % 2 or number <= self._last:
            self._output.append(reset_frame(number, PROTOCOL_ERROR))
            return
        self._last = number
        port, kind = headers.get("port", ""), headers.get("streamtype", "")
        if header_error(headers):
            self._output.append(reset_frame(number, CANCEL))
            return
        request = headers.get("requestid", "") or str(number if kind == _ERROR else number - 2)
        pair = self._waiting.get(request)
        if pair is None:
            if len(self._waiting) + len(self._pairs) >= MAX_CONNECTIONS:
                self._output.append(reset_frame(number, REFUSED_STREAM))
                return
            pair = self._waiting[request] = _Pair(request, int(port), now)
        stream = _Stream(number, pair, kind)
        if (pair.data if kind == _DATA else pair.error) is not None:
            self._output.append(reset_frame(number, PROTOCOL_ERROR))
            return
        if kind == _DATA:
            pair.data, pair.port = stream, int(port)
        else:
            pair.error = stream
        self._streams[number] = stream
        reply = struct.pack(">I", number) + self._write.compressed({})
        self._output.append(control_frame(SYN_REPLY, 0, reply))
        if pair.data is None or pair.error is None:
            return
        del self._waiting[request]
        self._pairs[pair.data.number] = pair
        yield Opened(pair.data.number, pair.port)
        has_all = pair.has_all or (kind == _DATA and bool(frame.flags & FIN))
        if pair.held or has_all:
            yield Received(pair.data.number, pair.held, has_all)
            pair.held = b""

    def _data(self, frame: Data) -> Iterator[Event]:
        stream = self._streams.get(frame.stream)
        # What comes on an error stream nobody reads.
        if stream is None or stream.kind != _DATA or stream.pair.has_all:
            return
        pair = stream.pair
        if frame.stream in self._pairs:
            pair.has_all = frame.last
            if frame.data or frame.last:
                yield Received(frame.stream, frame.data, frame.last)
            return
        pair.held, pair.has_all = pair.held + frame.data, frame.last
        if len(pair.held) > MAX_HELD:
            del self._waiting[pair.request]
            self._output.append(reset_frame(frame.stream, CANCEL))
            self._forget(pair)

    def _reset(self, number: int) -> Iterator[Event]:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        stream.is_ended = True
        pair = stream.pair
        if pair.data is None or pair.error is None:
            self._waiting.pop(pair.request, None)
            self._forget(pair)
        elif stream.kind == _DATA and number in self._pairs:
            yield Abandoned(number)

    def _ping(self, frame: Control) -> None:
        # One with an even number is ours, of which there are none.
        if len(frame.payload) == 4 and frame.stream % 2:
            self._output.append(control_frame(PING, 0, frame.payload))


def header_error(headers: dict[str, str]) -> str:
    """Return what is wrong with the headers of a stream, in upstream's words; empty: nothing."""
    port, kind = headers.get("port", ""), headers.get("streamtype", "")
    if not port:
        return '"port" header is required'
    if not _PORT.match(port) or int(port) > _MAX_PORT:
        return f"unable to parse {go_quote(port)} as a port"
    if not int(port):
        return f"port {go_quote(port)} must be > 0"
    if not kind:
        return '"streamType" header is required'
    return "" if kind in (_DATA, _ERROR) else f"invalid stream type {go_quote(kind)}"
