"""Processes with their streams connected: exec and attach over the runtime's streaming server.

The remote command protocol v4.channel.k8s.io (`k8s.io/apimachinery/pkg/util/remotecommand`) goes over as much
of SPDY/3.1 as it needs: every runtime has that and no Python library any more, and up to v4 WebSocket cannot
end standard input and go on reading. Frames:
https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/. Servers made of moby/spdystream keep no
windows. Our headers are compressed without the protocol's dictionary; headers that come are not read.
"""

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from kubelet.runtime.interface import RuntimeFailure, RuntimeUnavailable
from kubelet.runtime.records import Output, OutputStream
from kubelet.runtime.sessions import StreamRefused, upgrade

_VERSION = 3
_SYN_STREAM, _RST_STREAM, _PING, _GOAWAY = 1, 3, 6, 7
_CONTROL = 0x8000
_FIN = 0x01
_HEADER = 8
_CHUNK = 32 * 1024
#: a control frame that is longer is none that a streaming server sends
_MAX_CONTROL = 64 * 1024
#: until the server has upgraded the connection (upstream's forgets a prepared session after a minute)
CONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of what came on a stream; `last`: nothing more comes on it."""

    stream: int
    data: bytes
    last: bool


def control_frame(kind: int, flags: int, payload: bytes) -> bytes:
    """PURE: return a control frame."""
    return struct.pack(">HHI", _CONTROL | _VERSION, kind, flags << 24 | len(payload)) + payload


def data_frame(stream: int, data: bytes, *, last: bool = False) -> bytes:
    """PURE: return a data frame (at most 16 MiB)."""
    return struct.pack(">II", stream, (_FIN if last else 0) << 24 | len(data)) + data


def header_block(headers: Mapping[str, str]) -> bytes:
    """PURE: return headers before compression; names are sent in lower case."""
    texts = [text.encode() for name, value in headers.items() for text in (name.lower(), value)]
    return struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(text)) + text for text in texts)


class SpdyConnection:
    """A connection after the upgrade. Written to by any task, read by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._compress = zlib.compressobj()
        self._next = 1

    async def open_stream(self, headers: Mapping[str, str]) -> int:
        number, self._next = self._next, self._next + 2
        block = self._compress.compress(header_block(headers)) + self._compress.flush(zlib.Z_SYNC_FLUSH)
        self._writer.write(control_frame(_SYN_STREAM, 0, struct.pack(">IIH", number, 0, 0) + block))
        await self._writer.drain()
        return number

    async def write(self, stream: int, data: bytes) -> None:
        for at in range(0, len(data), _CHUNK):
            self._writer.write(data_frame(stream, data[at : at + _CHUNK]))
            await self._writer.drain()

    def end(self, stream: int) -> None:
        """Say that nothing more comes on a stream; the other direction goes on."""
        if not self._writer.is_closing():
            self._writer.write(data_frame(stream, b"", last=True))

    def close(self) -> None:
        self._writer.close()

    async def frames(self) -> AsyncIterator[Data]:
        """Yield what comes, in pieces of at most 32 KiB, until the server ends the connection."""
        try:
            while True:
                header = await self._reader.readexactly(_HEADER)
                first, second = struct.unpack(">II", header)
                flags, left = second >> 24, second & 0xFFFFFF
                if first >> 31:
                    ended = await self._control(first & 0xFFFF, left)
                    if ended == 0:
                        return
                    if ended is not None:
                        yield Data(ended, b"", last=True)
                    continue
                stream, last = first & 0x7FFFFFFF, bool(flags & _FIN)
                while left > _CHUNK:
                    yield Data(stream, await self._reader.readexactly(_CHUNK), last=False)
                    left -= _CHUNK
                yield Data(stream, await self._reader.readexactly(left), last=last)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def _control(self, kind: int, length: int) -> int | None:
        """Act on a control frame; return the stream that it ends, 0 when it ends the connection."""
        if length > _MAX_CONTROL:
            return 0
        payload = await self._reader.readexactly(length)
        if kind == _PING and length == 4 and not payload[-1] & 1:
            # One with an even number is the server's own.
            self._writer.write(control_frame(_PING, 0, payload))
        if kind == _RST_STREAM and length >= 4:
            return int(struct.unpack(">I", payload[:4])[0]) & 0x7FFFFFFF
        return 0 if kind == _GOAWAY else None


async def connect(url: str, *, protocol: str, timeout_seconds: float = CONNECT_SECONDS) -> SpdyConnection:
    """Open the stream that a runtime's answer names: http://host:port/exec/TOKEN.

    Raises StreamRefused: the server answered with an error, or with no HTTP; OSError: not in time.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise StreamRefused(f"cannot stream over {url.partition('?')[0]}")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
        f"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {protocol}\r\n\r\n"
    )
    streams = await upgrade(
        asyncio.open_connection(parts.hostname, parts.port or 80), request.encode(),
        server="the streaming server", accepted=("101",), timeout_seconds=timeout_seconds,
    )  # fmt: skip
    return SpdyConnection(*streams)


PROTOCOL = "v4.channel.k8s.io"
_MAX_STATUS = 64 * 1024
#: of a command that was killed with its container, or whose connection broke
_KILLED = 137


def exit_code_of(status: bytes) -> int:
    """Return the exit code of a Status. PURE. Raises RuntimeFailure: the command could not be started."""
    if not status:
        return _KILLED
    try:
        told = json.loads(status)
        if told.get("status") == "Success":
            return 0
        causes = (told.get("details") or {}).get("causes") or ()
        for cause in causes:
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
        message = str(told.get("message", ""))
    except (ValueError, AttributeError, KeyError, TypeError):
        message = status.decode(errors="replace")
    raise RuntimeFailure(message or "the command failed")


class CriSession:
    """Owned by the task that made it. `output` reads everything that comes, the exit code included."""

    def __init__(
        self,
        connection: SpdyConnection,
        streams: dict[str, int],
        exit_code: Callable[[], Awaitable[int]] | None,
        ended: Callable[[bool], Awaitable[None]] | None,
    ) -> None:
        self._connection, self._streams, self._exit_code = connection, streams, exit_code
        self._ended = ended
        self._over = False
        self._status = bytearray()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        stdin: bool,
        tty: bool,
        exit_code: Callable[[], Awaitable[int]] | None = None,
        ended: Callable[[bool], Awaitable[None]] | None = None,
    ) -> "CriSession":
        """Connect to the URL that the runtime gave for this session. Raises RuntimeFailure.

        `exit_code` asks for the code where the session does not tell it (attach). `ended` is called when the
        session is closed, with True before its output has ended (exec).
        """
        try:
            connection = await connect(url, protocol=PROTOCOL)
        except StreamRefused as error:
            raise RuntimeFailure(str(error)) from error
        except OSError as error:
            raise RuntimeUnavailable(f"the runtime's streaming server does not answer: {error}") from error
        kinds = ["error", *(["stdin"] if stdin else []), "stdout", "resize" if tty else "stderr"]
        try:
            streams = {kind: await connection.open_stream({"streamType": kind}) for kind in kinds}
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise RuntimeUnavailable(f"the runtime's streaming server went away: {error}") from error
            raise
        return cls(connection, streams, exit_code, ended)

    async def write(self, data: bytes) -> None:
        # Without a stream for it: the caller did not ask to send any.
        if "stdin" in self._streams:
            await self._connection.write(self._streams["stdin"], data)

    async def close_stdin(self) -> None:
        if "stdin" in self._streams:
            self._connection.end(self._streams["stdin"])

    async def resize(self, width: int, height: int) -> None:
        if "resize" in self._streams:
            size = json.dumps({"Width": width, "Height": height}).encode()
            await self._connection.write(self._streams["resize"], size)

    async def output(self) -> AsyncIterator[Output]:
        names = {number: kind for kind, number in self._streams.items()}
        open_streams = {
            self._streams[kind] for kind in ("error", "stdout", "stderr") if kind in self._streams
        }
        async for frame in self._connection.frames():
            kind = names.get(frame.stream, "")
            if kind == "error":
                self._status += frame.data[: _MAX_STATUS - len(self._status)]
            elif frame.data and kind in {"stdout", "stderr"}:
                yield Output(OutputStream(kind), frame.data)
            if frame.last:
                open_streams.discard(frame.stream)
                if not open_streams:
                    break
        self._over = True

    async def exit_code(self) -> int:
        if self._exit_code is not None:
            return await self._exit_code()
        return exit_code_of(bytes(self._status))

    async def close(self) -> None:
        self._connection.close()
        ended, self._ended = self._ended, None
        if ended is not None:
            await ended(not self._over)
