"""Processes with their streams connected: exec and attach over the runtime's streaming server.

The remote command protocol v4.channel.k8s.io (`k8s.io/apimachinery/pkg/util/remotecommand`) goes over as much
of SPDY/3.1 as it needs (`vaina.spdy`): every runtime has that and no Python library any more, and up to v4
WebSocket cannot end standard input and go on reading. Headers that come are not read.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from kubelet.runtime.interface import RuntimeFailure, RuntimeUnavailable
from kubelet.runtime.records import Output, OutputStream
from kubelet.runtime.sessions import StreamRefused, upgrade
from vaina.spdy import (
    GOAWAY,
    PING,
    RST_STREAM,
    SYN_STREAM,
    Data,
    FrameReader,
    HeaderWriter,
    SpdyError,
    control_frame,
    data_frame,
)

_CHUNK = 32 * 1024
#: until the server has upgraded the connection (upstream's forgets a prepared session after a minute)
CONNECT_SECONDS = 30.0


class SpdyConnection:
    """A connection after the upgrade. Written to by any task, read by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._headers = HeaderWriter()
        self._next = 1

    async def open_stream(self, headers: Mapping[str, str]) -> int:
        number, self._next = self._next, self._next + 2
        block = self._headers.compressed(headers)
        self._writer.write(control_frame(SYN_STREAM, 0, struct.pack(">IIH", number, 0, 0) + block))
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
        frames = FrameReader()
        try:
            while data := await self._reader.read(_CHUNK):
                for frame in frames.feed(data):
                    if isinstance(frame, Data):
                        yield frame
                    elif frame.kind == PING:
                        # One with an even number is the server's own.
                        if len(frame.payload) == 4 and not frame.stream & 1:
                            self._writer.write(control_frame(PING, 0, frame.payload))
                    elif frame.kind == RST_STREAM:
                        yield Data(frame.stream, b"", last=True)
                    elif frame.kind == GOAWAY:
                        return
        except (SpdyError, ConnectionError):
            return


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
