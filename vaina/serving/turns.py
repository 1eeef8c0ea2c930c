"""Turns for calls that are expensive to begin: streams and lists.

A hundred watches that come together would take a tenth of a second of the loop, and a call that comes meanwhile
would wait for all of them. So in one turn of the loop only as many begin as keep the turn short: one at least,
one more after each short turn, half as many after a long one. Users take turns, one call each, and where nobody
is known connections do. Without other work the loop turns at once, so nothing is lost.

The number of waiting calls is bounded by the calls under way (`vaina.serving.wrapping.MAX_CALLS`).
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

#: a turn of the loop is long from here on, in seconds
LONG_SECONDS: Final = 0.002
#: calls that begin in a turn, at most
MOST: Final = 16


class Turns:
    """Owned by one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        """Begin.

        Args:
            loop: whose turns they are.
            now: monotonic seconds.
        """
        self._loop, self._now = loop, now
        #: calls that may begin in a turn, and have begun in this one
        self.allowed, self._begun = MOST, 0
        #: by client, whose turn it is first
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        #: when this turn began; None while nothing is counted
        self._since: float | None = None

    async def take(self, client: str) -> None:
        """Return when a call of a client may begin."""
        if self._since is None:
            self._since = self._now()
            self._loop.call_soon(self._next)
        if self._begun < self.allowed and not self._waiting:
            self._begun += 1
            return
        turn = self._loop.create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        await turn

    def _next(self) -> None:
        """A turn of the loop is over."""
        now = self._now()
        assert self._since is not None
        if now - self._since > LONG_SECONDS:
            self.allowed = max(1, self.allowed // 2)
        elif self.allowed < MOST:
            self.allowed += 1
        self._begun = 0
        while self._waiting and self._begun < self.allowed:
            client, line = self._waiting.popitem(last=False)
            turn = line.popleft()
            if line:
                self._waiting[client] = line
            # A cancelled one has gone.
            if not turn.done():
                turn.set_result(None)
                self._begun += 1
        if self._begun or self.allowed < MOST:
            self._since = now
            self._loop.call_soon(self._next)
        else:
            self._since = None
