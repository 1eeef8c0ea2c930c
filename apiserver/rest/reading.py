"""Reads the bodies of requests, one and all of them within bounds.

A body is decoded from no encoding, as in Kubernetes' apiserver: a little of it may be much. All bodies share a
bound by dynamic thresholds, as unread answers do (`vaina.serving.unsent`): a client may have as much as is left
for others, so one that sends slowly what nobody may have yet leaves half of it.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from apiserver.flowcontrol.control import MAX_REQUEST_BYTES
from apiserver.rest.exchange import Exchange
from vaina.errors import BadRequest, TooLarge, TooManyRequests

#: bodies that come in, or wait for their turn to be decoded, all together
MAX_BYTES: Final = 128 * 1024 * 1024


class Bodies:
    """The bodies that are held. Owned by one event loop."""

    def __init__(self, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        """Make it; a body is there within so many seconds."""
        self._seconds, self._max_bytes, self._bytes = seconds, max_bytes, 0
        #: by client
        self._of: dict[str, int] = {}

    @asynccontextmanager
    async def read(self, exchange: Exchange) -> AsyncGenerator[bytes, None]:
        """Read the body of a request, and count it for as long as the context lasts.

        Raises TooLarge, TooManyRequests, BadRequest: it has an encoding, or ends early; TimeoutError.
        """
        http = exchange.http
        if http.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise BadRequest("the body of the request has an encoding, which is not read")
        too_large = TooLarge(f"Request entity too large: limit is {MAX_REQUEST_BYTES}")
        if (http.content_length or 0) > MAX_REQUEST_BYTES:
            raise too_large
        await exchange.go_on()
        client, counted, parts, size = exchange.rpc.client, 0, list[bytes](), 0
        try:
            async with asyncio.timeout(self._seconds):
                while chunk := await http.content.readany():
                    size += len(chunk)
                    if size > MAX_REQUEST_BYTES:
                        raise too_large
                    self._count(client, len(chunk))
                    counted += len(chunk)
                    parts.append(chunk)
            yield b"".join(parts)
        finally:
            self._forget(client, counted)

    def _count(self, client: str, size: int) -> None:
        """Count bytes of a client. Raises TooManyRequests: they are not counted."""
        own = self._of.get(client, 0) + size
        if own > self._max_bytes - self._bytes:
            raise TooManyRequests("Too many requests, please try again later.", retry_seconds=1)
        self._bytes += size
        self._of[client] = own

    def _forget(self, client: str, size: int) -> None:
        self._bytes -= size
        left = self._of.get(client, 0) - size
        if left:
            self._of[client] = left
        else:
            self._of.pop(client, None)
