"""Takes over an HTTP connection that a runtime's server upgrades to a stream. Called by the runtimes'
sessions.
"""

import asyncio
from collections.abc import Awaitable, Collection

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: kept of what a server says that refuses
_MAX_REFUSAL = 4096


class StreamRefused(Exception):
    """The server did not upgrade the connection; the message has its answer."""


async def upgrade(
    connection: Awaitable[Streams],
    request: bytes,
    *,
    server: str,
    accepted: Collection[str],
    timeout_seconds: float,
) -> Streams:
    """Send a request over a new connection, and return that as a stream once the server has upgraded it.

    `server` names the server in messages, `accepted` has the codes by which it agrees. Raises StreamRefused:
    it answered with an error, or with no HTTP; OSError: it did not answer, or not in time.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await connection
            try:
                writer.write(request)
                await writer.drain()
                await _answered(reader, server, accepted)
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {timeout_seconds:g} s") from error
    return reader, writer


async def _answered(reader: asyncio.StreamReader, server: str, accepted: Collection[str]) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError(f"{server} closed the connection") from error
    except asyncio.LimitOverrunError as error:
        raise StreamRefused(f"{server}'s answer is too long") from error
    line = head.partition("\r\n")[0]
    if line.split(" ")[1:2] not in [[code] for code in accepted]:
        body = (await reader.read(_MAX_REFUSAL)).decode(errors="replace")
        raise StreamRefused(body.strip() or line)
