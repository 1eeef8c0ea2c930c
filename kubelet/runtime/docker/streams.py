"""The engine's raw streams: what the SDK has only as blocking sockets.

Called by the docker runtime's exec and attach.

An Engine API call with `Upgrade: tcp` turns its connection into a byte stream in both directions. With a
terminal the bytes are the terminal's; without one the output comes in frames: a byte for the stream (1
output, 2 error), three zeros, four bytes of length (big-endian).
https://docs.docker.com/reference/api/engine/ (ContainerAttach, "Stream format").
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from kubelet.runtime.upgrading import upgrade as take_over

_CHUNK = 32 * 1024
_HEADER = 8
#: until the engine has begun a command: on a loaded node that takes seconds, as any of its calls
#: (`engine.CALL_SECONDS`)
UPGRADE_SECONDS = 120.0
STDOUT, STDERR = 1, 2


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
    streams = await take_over(
        asyncio.open_unix_connection(socket_path), request.encode() + text,
        server="the Docker engine", accepted=("101", "200"), timeout_seconds=timeout_seconds,
    )  # fmt: skip
    return RawStream(*streams)
