"""Slices of long work on the loop: lists that are written, events that are encoded.

A call needs some ten turns of the loop from its first byte to its answer. So the work of a turn has to be short:
where a list of 10,000 Pods held each turn for 5 ms, others waited for 50. All long work of a server shares the
turns: in each of them one slice is begun, of who has waited longest, so that sixteen lists hold up nobody for
longer than one does.

Who waits is bounded by the calls under way (`vaina.serving.wrapping.MAX_CALLS`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

#: of a slice
SECONDS: Final = 0.001


class Slices:
    """The turns of one server. Owned by its event loop."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Make it; `now` returns monotonic seconds."""
        self.now = now
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Return in a later turn of the loop, in which no other slice begins."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._next, loop)
        self._waiting.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the first begin, in the next turn."""
        while self._waiting:
            turn = self._waiting.popleft()
            # A cancelled one has gone.
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            loop.call_soon(self._next, loop)


class Slice:
    """The slice of now of one piece of work. Owned by its task."""

    def __init__(self, slices: Slices) -> None:
        """Begin one."""
        self._slices = slices
        self._until = slices.now() + SECONDS

    @property
    def is_over(self) -> bool:
        """Whether others are to have a turn."""
        return self._slices.now() > self._until

    async def give_way(self) -> None:
        """Let others run, and begin another slice."""
        await self._slices.turn()
        self._until = self._slices.now() + SECONDS
