"""Things that are due at a time, in their order: what goes on beside a load waits here. One event loop."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Due(Generic[T]):
    """A queue by time, of which several tasks may take.

    It is bounded by who puts things in: at most one for each Pod of a run.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Make it empty. Args: now: the clock of all its times, in seconds."""
        self._now = now
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()
        self._wake = asyncio.Event()

    def put(self, at: float, thing: T) -> None:
        """Have a thing be due at a time; of those of one time the first that was put in is the first."""
        heapq.heappush(self._heap, (at, next(self._order), thing))
        self._wake.set()

    async def take(self, most: int) -> list[tuple[float, T]]:
        """Return what is due, with when it was, at least one thing and at most so many.

        Wait until there is one.
        """
        while True:
            now = self._now()
            if self._heap and self._heap[0][0] <= now:
                break
            self._wake.clear()
            try:
                async with asyncio.timeout(self._heap[0][0] - now if self._heap else None):
                    await self._wake.wait()
            except TimeoutError:
                continue
        taken: list[tuple[float, T]] = []
        while self._heap and len(taken) < most and self._heap[0][0] <= now:
            at, _, thing = heapq.heappop(self._heap)
            taken.append((at, thing))
        return taken
