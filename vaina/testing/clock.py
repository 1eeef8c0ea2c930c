"""FakeClock: time that moves only when a test moves it."""

import asyncio
import heapq
import math
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
        self._start = start
        #: seconds since the start: small numbers, so that sums of short times are exact enough
        self._monotonic = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._start + self._monotonic

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await _yielding.sleep(0)
            return
        waker = asyncio.get_running_loop().create_future()
        # However short the sleep, time has moved when it ends: a loop that waits for a moment comes to it.
        deadline = max(self._monotonic + seconds, math.nextafter(self._monotonic, math.inf))
        heapq.heappush(self._sleepers, (deadline, next(self._order), waker))
        await waker

    @property
    def sleeping(self) -> int:
        return sum(not waker.done() for _, _, waker in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers one by one at their own time, with all that follows from it."""
        await settle()
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            deadline, _, waker = heapq.heappop(self._sleepers)
            if waker.done():
                continue
            self._monotonic = max(self._monotonic, deadline)
            waker.set_result(None)
            await settle()
        self._monotonic = end
        await settle()


class SkewedClock:
    """The clock of one machine among several: off by an offset, fast or slow, and it can be frozen.

    Frozen it stands for a paused process (SIGSTOP): time goes on for everybody, but who sleeps on it wakes at
    `thaw` only. `going` is for everything else that a paused process cannot do: wait for it before each step.
    """

    def __init__(self, base: FakeClock, *, offset: float = 0.0, rate: float = 1.0) -> None:
        """Make a clock that is `offset` seconds ahead of `base`, and `rate` times as fast."""
        self._base, self._offset, self._rate = base, offset, rate
        self._going = asyncio.Event()
        self._going.set()

    def now(self) -> float:
        return EPOCH + self._offset + self.monotonic()

    def monotonic(self) -> float:
        return self._base.monotonic() * self._rate

    async def sleep(self, seconds: float) -> None:
        await self._base.sleep(seconds / self._rate)
        await self.going()

    async def going(self) -> None:
        await self._going.wait()

    def freeze(self) -> None:
        self._going.clear()

    def thaw(self) -> None:
        self._going.set()
