"""A client of gRPC streams by hand over HTTP/2: as cheap as it can be, so that what is measured is the server.

A stream of grpc.aio costs its client 100 µs a message and more, thrice what it costs the server; a thousand
of them on the server's machine are the only thing that would be seen. Here a connection is one socket whose
bytes are cut into messages (RFC 9113, and gRPC over HTTP/2: `doc/PROTOCOL-HTTP2.md` of grpc). Windows are as
large as they may be, so that the socket alone holds the server back; settings and pings are acknowledged.
Nothing here is meant for a server that one does not know.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
#: the largest window, and what it is before it is told
_WINDOW, _FIRST_WINDOW = (1 << 31) - 1, (1 << 16) - 1
#: bytes taken after which the connection's window is filled again
_REFILL: Final = 1 << 29
#: SETTINGS_INITIAL_WINDOW_SIZE, SETTINGS_MAX_FRAME_SIZE
_SETTING_WINDOW, _SETTING_FRAME, _FRAME = 4, 5, (1 << 24) - 1

#: gets a stream's number and a message; None when the server has ended it
OnMessage = Callable[[int, bytes | None], None]


class Connection(asyncio.Protocol):
    """One connection. Owned by one event loop."""

    def __init__(self, on_message: OnMessage) -> None:
        """Prepare it for `loop.create_connection`; `on_message` is called with what comes."""
        self._on_message, self._next = on_message, 1
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        #: bytes of a stream's messages that are not whole yet
        self._parts: dict[int, bytearray] = {}
        self._taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        settings = struct.pack(">HIHI", _SETTING_WINDOW, _WINDOW, _SETTING_FRAME, _FRAME)
        window = struct.pack(">I", _WINDOW - _FIRST_WINDOW)
        transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, window))

    def connection_lost(self, error: Exception | None) -> None:
        for stream in list(self._parts):
            self._on_message(stream, None)
        self._parts.clear()

    def call(self, path: str, request: bytes) -> int:
        """Begin a stream with one request; return its number."""
        stream, self._next = self._next, self._next + 2
        self._parts[stream] = bytearray()
        # :method POST, :scheme http, :path, content-type, te (RFC 7541: literals without indexing)
        headers = b"\x83\x86\x04" + _text(path.encode()) + b"\x0f\x10" + _text(b"application/grpc")
        headers += b"\x01" + _text(b"bench") + b"\x00" + _text(b"te") + _text(b"trailers")
        message = struct.pack(">BI", 0, len(request)) + request
        self._write(
            _frame(_HEADERS, _END_HEADERS, stream, headers) + _frame(_DATA, _END_STREAM, stream, message)
        )
        return stream

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) - at >= 9:
            size = int.from_bytes(buffer[at : at + 3], "big")
            end = at + 9 + size
            if end > len(buffer):
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            self._take(kind, flags, stream, memoryview(buffer)[at + 9 : end])
            at = end
        del buffer[:at]

    def _take(self, kind: int, flags: int, stream: int, body: memoryview) -> None:
        with body:
            if kind == _DATA:
                self._taken += len(body)
                self._messages(stream, body)
            elif kind == _SETTINGS and not flags & _ACK:
                self._write(_frame(_SETTINGS, _ACK, 0, b""))
            elif kind == _PING and not flags & _ACK:
                self._write(_frame(_PING, _ACK, 0, bytes(body)))
            elif kind == _HEADERS and flags & _END_STREAM and self._parts.pop(stream, None) is not None:
                self._on_message(stream, None)
        if self._taken > _REFILL:
            self._write(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0

    def _messages(self, stream: int, body: memoryview) -> None:
        parts = self._parts.get(stream)
        if parts is None:
            return
        parts += body
        while len(parts) >= 5:
            end = 5 + int.from_bytes(parts[1:5], "big")
            if end > len(parts):
                return
            self._on_message(stream, bytes(parts[5:end]))
            del parts[:end]

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def _text(data: bytes) -> bytes:
    assert len(data) < 127
    return bytes((len(data),)) + data
