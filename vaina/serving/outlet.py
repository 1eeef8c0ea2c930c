"""What leaves the server, and is counted until it is gone.

Answers that somebody waits for, and messages of a stream that nobody waits for.

A handler of a stream that yields its messages is woken for each of them, through whatever lies around it. One
that has many alike takes the stream's outlet instead, and hands its messages over: the core calls back when
the next may follow.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import Counter

from vaina.errors import TooManyRequests
from vaina.serving.draining import Calls
from vaina.serving.unsent import MIN_BYTES

#: a large answer, or message of a stream, is taken within this time, or the call ends
SEND_SECONDS: Final = 60.0


class Sending:
    """A large answer on its way: counted until it is gone, which it must be within a time, or the task that
    serves the call ends.
    """

    __slots__ = ("_calls", "_late", "_peer", "_size")

    def __init__(
        self, calls: Calls, peer: str, answer: bytes, task: "asyncio.Task[Any] | None" = None
    ) -> None:
        """Begin.

        Args:
            calls: of the server.
            peer: who gets it.
            answer: whose bytes are counted.
            task: that serves the call; the current one when it is not named.

        Raises:
            TooManyRequests: there is no room; earlier answers were not read.
        """
        self._calls, self._peer, self._size = calls, peer, len(answer)
        if not calls.unsent.add(peer, self._size):
            raise TooManyRequests(
                "Too many requests, please try again later: earlier answers were not read yet.",
                retry_seconds=1,
            )
        task = task or asyncio.current_task()
        assert task is not None
        self._late = asyncio.get_running_loop().call_later(SEND_SECONDS, task.cancel)

    def end(self, *_: object) -> None:
        """The answer is gone, or never will be."""
        self._late.cancel()
        self._calls.unsent.remove(self._peer, self._size)


class Outlet:
    """Sends messages of one stream. Owned by the loop of its server; used once the handler yields no more."""

    __slots__ = ("_call", "_calls", "_idle", "_on_idle", "_peer", "_sending", "_sent", "_task", "is_busy")

    def __init__(self, call: Any, calls: Calls, peer: str, sent: Counter) -> None:
        """Make it.

        Args:
            call: `vaina.serving.calls.Call`, served by the current task.
            calls: of the server.
            peer: who gets the messages.
            sent: counts them.
        """
        self._call, self._calls, self._peer, self._sent = call, calls, peer, sent
        self._task = asyncio.current_task()
        #: the last message is still on its way
        self.is_busy = False
        self._sending: Sending | None = None
        self._on_idle: Callable[[], None] | None = None
        self._idle: asyncio.Future[None] | None = None

    @classmethod
    def of(cls, context: Any, calls: Calls, peer: str, sent: Counter) -> "Outlet | None":
        """Return the outlet of a stream; None where gRPC has changed inside, and grpc.aio's own context
        serves.
        """
        return cls(context, calls, peer, sent) if hasattr(context, "post") else None

    def send(self, message: bytes) -> None:
        """Send a message; not while busy.

        Raises TooManyRequests: earlier ones were not read, and it is large.
        """
        assert not self.is_busy
        if len(message) > MIN_BYTES:
            self._sending = Sending(self._calls, self._peer, message, self._task)
        self.is_busy = True
        self._sent.inc()
        self._call.post(message, self._went_out)

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Call back each time that a message is on its way and the next may follow."""
        self._on_idle = callback

    async def flush(self) -> None:
        """Return when nothing is on its way any more; nobody is called back from now on."""
        self._on_idle = None
        if self.is_busy:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def _went_out(self, is_sent: bool) -> None:
        self.is_busy = False
        if self._sending is not None:
            self._sending.end()
            self._sending = None
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        elif is_sent and self._on_idle is not None:
            self._on_idle()
