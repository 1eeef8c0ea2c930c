"""FakeClock: time that moves only when a test moves it."""

import asyncio
import heapq
from itertools import count

from vaina.clock import SystemClock

_yielding = SystemClock()

#: 2026-01-01T00:00:00Z
EPOCH = 1_767_225_600.0


async def settle(rounds: int = 50) -> None:
    """Let every task that can run do so, `rounds` times over."""
    for _ in range(rounds):
        await _yielding.sleep(0)


class FakeClock:
    """A Clock under a test's hand. Sleepers wake in the order of their deadlines, then of their coming."""

    def __init__(self, start: float = EPOCH) -> None:
        self._now = start
        self._start = start
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now - self._start

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await _yielding.sleep(0)
            return
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), waker))
        await waker

    @property
    def sleeping(self) -> int:
        """How many wait for time to pass."""
        return sum(not waker.done() for _, _, waker in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers one by one at their own time, with all that follows from it."""
        await settle()
        end = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            deadline, _, waker = heapq.heappop(self._sleepers)
            if waker.done():
                continue
            self._now = max(self._now, deadline)
            waker.set_result(None)
            await settle()
        self._now = end
        await settle()
