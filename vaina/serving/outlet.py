"""Sends messages of a stream that its handler does not yield.

A handler that yields its messages is woken for each of them, through every generator around it. A handler that
sends the same bytes to many streams takes each stream's outlet instead (decision 179).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import grpc
from prometheus_client import Counter

from vaina.serving.unsent import MIN_BYTES, Unsent


class Outlet(Protocol):
    """Sends messages of one stream, once the handler yields no more. Owned by the loop of its server."""

    @property
    def is_busy(self) -> bool:
        """Whether the last message is still on its way."""
        ...

    def send(self, message: bytes) -> None:
        """Send a message; not while busy.

        Raises TooManyRequests: earlier ones were not read, and it is large.
        """
        ...

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Call back each time that a message is on its way and the next may follow.

        It is called once, when the handler yields no more: nothing of the call can be refused from here on.
        """
        ...

    async def flush(self) -> None:
        """Return when nothing is on its way any more; there are no callbacks from now on."""
        ...


class GrpcOutlet:
    """The outlet of a stream of gRPC."""

    __slots__ = ("_client", "_context", "_on_idle", "_peer", "_sent", "_unsent", "_writing", "is_busy")

    def __init__(self, context: Any, unsent: Unsent, client: str, peer: str, sent: Counter) -> None:
        """Make it.

        Args:
            context: grpc.aio's, of the stream.
            unsent: counts large messages until they are gone.
            client: whom the messages count for.
            peer: the connection that gets them.
            sent: counts all messages.
        """
        self._context, self._unsent, self._sent = context, unsent, sent
        self._client, self._peer = client, peer
        #: the last message is still on its way
        self.is_busy = False
        self._writing: asyncio.Task[None] | None = None
        self._on_idle: Callable[[], None] | None = None

    def send(self, message: bytes) -> None:
        """Send a message; not while busy.

        Raises TooManyRequests: earlier ones were not read, and it is large.
        """
        assert not self.is_busy
        if len(message) > MIN_BYTES:
            self._unsent.add(self._client, self._peer, len(message))
        self.is_busy = True
        self._sent.inc()
        self._writing = asyncio.get_running_loop().create_task(self._write(message))

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Call back each time that a message is on its way and the next may follow."""
        self._on_idle = callback

    async def flush(self) -> None:
        """Return when nothing is on its way any more; there are no callbacks from now on."""
        self._on_idle = None
        if self._writing is not None:
            await asyncio.wait((self._writing,))

    async def _write(self, message: bytes) -> None:
        try:
            await self._context.write(message)
        except grpc.aio.BaseError:
            # The client has gone: gRPC cancels the task of the stream.
            self._on_idle = None
        finally:
            self.is_busy = False
            if len(message) > MIN_BYTES:
                self._unsent.remove(self._client, self._peer, len(message))
        if self._on_idle is not None:
            self._on_idle()
