"""The engine's raw streams: what the SDK has only as blocking sockets. Called by the docker runtime's exec and attach.

An Engine API call with `Upgrade: tcp` turns its connection into a byte stream in both directions. With a terminal the bytes are the
terminal's; without one the output comes in frames: a byte for the stream (1 output, 2 error), three zeros, four bytes of length (big-endian).
https://docs.docker.com/reference/api/engine/ (ContainerAttach, "Stream format").
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

_CHUNK = 32 * 1024
_HEADER = 8
#: until the engine has begun a command: on a loaded node that takes seconds, as any of its calls (`engine.CALL_SECONDS`)
UPGRADE_SECONDS = 120.0
STDOUT, STDERR = 1, 2


class StreamRefused(Exception):
    """The engine did not upgrade the connection; the message has its answer."""


@dataclass(frozen=True, slots=True)
class RawStream:
    """A connection after the upgrade."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        """Send standard input."""
        self.writer.write(data)
        await self.writer.drain()

    def end_input(self) -> None:
        """Say that standard input has ended; output goes on."""
        if self.writer.can_write_eof() and not self.writer.is_closing():
            self.writer.write_eof()

    def close(self) -> None:
        """Drop the connection."""
        self.writer.close()

    async def frames(self, *, tty: bool) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (STDOUT or STDERR, bytes) until the other side ends; a terminal's bytes are all STDOUT."""
        while True:
            if tty:
                data = await self.reader.read(_CHUNK)
                if not data:
                    return
                yield STDOUT, data
                continue
            try:
                header = await self.reader.readexactly(_HEADER)
            except asyncio.IncompleteReadError:
                return
            stream, left = header[0], int.from_bytes(header[4:], "big")
            while left:
                data = await self.reader.read(min(left, _CHUNK))
                if not data:
                    return
                left -= len(data)
                yield (STDERR if stream == STDERR else STDOUT), data


async def upgrade(
    socket_path: str, path: str, body: dict[str, Any], *, timeout_seconds: float = UPGRADE_SECONDS
) -> RawStream:
    """Post `body` to the engine's `path` and take over the connection.

    Raises:
        StreamRefused: the engine answered with an error, or with what is no answer.
        OSError: it did not answer at all, or not in time.
    """
    text = json.dumps(body).encode()
    request = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            stream = RawStream(*await asyncio.open_unix_connection(socket_path))
            try:
                await stream.write(request.encode() + text)
                await _upgraded(stream.reader)
            except BaseException:
                stream.close()
                raise
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {timeout_seconds:g} s") from error
    return stream


async def _upgraded(reader: asyncio.StreamReader) -> None:
    """Read the engine's answer. Raises StreamRefused: it is not the one that was asked for."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("it closed the connection") from error
    except asyncio.LimitOverrunError as error:
        raise StreamRefused("the engine's answer is too long") from error
    line = head.partition("\r\n")[0]
    if line.split(" ")[1:2] not in (["101"], ["200"]):
        body = (await reader.read(4096)).decode(errors="replace")
        raise StreamRefused(body.strip() or line)
