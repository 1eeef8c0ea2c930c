"""HTTP/2 by hand, for what no client library would send: frames, gRPC messages, and what a server answers.

Names and values of headers go as literals without Huffman coding and without the dynamic table (RFC 7541,
6.2.2); of answers only what a test asks for is read.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode a frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _integer(value: int, bits: int) -> bytes:
    top = (1 << bits) - 1
    if value < top:
        return bytes((value,))
    out, value = bytearray((top,)), value - top
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes((*out, value))


def field(name: str | bytes, value: str | bytes) -> bytes:
    """Encode a header field."""
    raw = [part.encode() if isinstance(part, str) else part for part in (name, value)]
    return b"\0" + b"".join(_integer(len(part), 7) + part for part in raw)


def request_headers(path: str, **more: str) -> bytes:
    """Encode the headers of a gRPC call; underscores in names stand for dashes."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost",
        "content-type": "application/grpc", "te": "trailers",
    }  # fmt: skip
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return b"".join(field(name, value) for name, value in fields.items())


def message(data: bytes, *, compressed: bool = False, length: int | None = None) -> bytes:
    """Encode a gRPC message; `length` is what its prefix claims, where that differs."""
    return struct.pack(">?I", compressed, len(data) if length is None else length) + data


def call(stream: int, path: str, data: bytes, *, compressed: bool = False, **headers: str) -> bytes:
    """Encode a whole unary call of less than 16 KiB."""
    block = request_headers(path, **headers)
    body = message(data, compressed=compressed)
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Connection:
    """A plain socket to a server. Use as a context manager."""

    def __init__(
        self, port: int, *, preface: bytes = PREFACE + frame(SETTINGS, 0, 0), timeout: float = 60
    ) -> None:
        """Connect and send the preface."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._buffer = b""
        if preface:
            self.send(preface)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, data: bytes) -> bool:
        """Send all; False when the server has closed the connection."""
        try:
            self._socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the server closes the connection, or says nothing for the connection's timeout."""
        while True:
            try:
                head = self._read(9)
                payload = self._read(int.from_bytes(head[:3], "big"))
            except (ConnectionError, TimeoutError, EOFError):
                return
            yield Frame(head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, payload)

    def until(self, kind: int, *, stream: int | None = None, ack: bool = False) -> Frame | None:
        """Return the next frame of a kind; None when the connection ends or is silent."""
        for item in self.frames():
            if (
                item.kind == kind
                and (stream is None or item.stream == stream)
                and bool(item.flags & ACK) >= ack
            ):
                return item
        return None

    def is_closed(self) -> bool:
        """Wait for the end of the connection; False when it is still open after the timeout."""
        with contextlib.suppress(ConnectionError):
            try:
                while self._socket.recv(65536):
                    pass
            except TimeoutError:
                return False
        return True

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            got = self._socket.recv(65536)
            if not got:
                raise EOFError
            self._buffer += got
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data
