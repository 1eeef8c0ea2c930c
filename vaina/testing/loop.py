"""SimulatedLoop: an asyncio event loop without time, threads or sockets; a seed decides who runs next.

Time stands still while anything can run, and jumps to the next timer when nothing can: `loop.time()`,
`asyncio.sleep`, `asyncio.timeout` and `LoopClock` agree. Each seed is another interleaving, and the same seed
the same one again, byte for byte. After FoundationDB's simulator, madsim and TigerBeetle's VOPR (decision
060).
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from itertools import count
from typing import Any, TypeVar

from vaina.clock import SystemClock
from vaina.testing.clock import EPOCH

T = TypeVar("T")

#: callbacks in a row without a moment passing: somebody spins
MAX_CALLBACKS_AT_ONCE = 20_000
#: how long a callback is taken to run, seconds: time is never quite still, so that timers and answers race
CALLBACK_SECONDS = 2e-6

_sleeping = SystemClock()


class Stuck(Exception):
    """Nothing will ever happen again, or the same moment for ever."""


class _Numbered:
    """Gives an object the same hash in every run, which decides the order of a set of tasks."""

    _number = 0

    def __hash__(self) -> int:
        return self._number


class SimulatedTask(_Numbered, asyncio.Task[T]):
    """A task with a number for a hash."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, T],
        *,
        number: int,
        loop: asyncio.AbstractEventLoop,
        name: str | None,
        context: Context | None,
    ) -> None:
        # Before the task registers itself, which hashes it.
        self._number = number
        super().__init__(coroutine, loop=loop, name=name, context=context)


class SimulatedFuture(_Numbered, asyncio.Future[T]):
    """A future with a number for a hash."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs callbacks one by one. Everything in one thread; executors run their functions in place."""

    def __init__(self, rng: random.Random, *, disorder: float = 1.0) -> None:
        """Make a loop; `rng` draws which callback runs next.

        At a share `disorder` of turns any ready callback may be next; at the others it is the one that has
        waited longest.
        """
        super().__init__()
        self._rng, self._disorder = rng, disorder
        self._now = 0.0
        self._numbers = count(1)
        #: callbacks that ran
        self.turns = 0
        self._turns_at_once = 0
        # BaseEventLoop appends and clears only: a list is drawn from in one step.
        self._ready: list[asyncio.Handle] = []
        # Tuples: handles compare in Python, one by one, and that is what a heap does all the time. Of one
        # moment the first comes first. BaseEventLoop clears it only.
        self._scheduled: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self._now

    def create_task(  # type: ignore[override]  # typeshed's has overloads for the same
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        number = next(self._numbers)
        if name is None:
            # Who began it is more telling than a number.
            parent = asyncio.current_task(self)
            name = parent.get_name() if parent is not None else "main"
        return SimulatedTask(coro, number=number, loop=self, name=name, context=context)

    def call_at(  # type: ignore[override]  # typeshed's is generic in the arguments
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, (when, next(self._numbers), timer))
        timer._scheduled = True  # type: ignore[attr-defined]  # as BaseEventLoop marks it
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        future: SimulatedFuture[Any] = SimulatedFuture(loop=self)
        future._number = next(self._numbers)
        return future

    def run_in_executor(  # type: ignore[override]  # no thread, and so no executor's future
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - it is the caller that hears of it
                future.set_exception(error)

        self.call_soon(run)
        return future

    def _write_to_self(self) -> None:
        """Wake the selector; there is none."""

    def _run_once(self) -> None:
        """Run one callback. `run_forever` calls this until somebody stops it."""
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0][2].cancelled():
            heapq.heappop(scheduled)[2]._scheduled = False  # type: ignore[attr-defined]  # as BaseEventLoop marks it
        if not ready:
            if not scheduled:
                raise Stuck("nobody can run, and nobody waits for a time")
            self._advance(scheduled[0][0])
        while scheduled and scheduled[0][0] <= self._now:
            timer = heapq.heappop(scheduled)[2]
            timer._scheduled = False  # type: ignore[attr-defined]  # as BaseEventLoop marks it
            ready.append(timer)
        index = 0
        if len(ready) > 1 and (self._disorder >= 1.0 or self._rng.random() < self._disorder):
            index = int(self._rng.random() * len(ready))
        handle = ready.pop(index)
        if not handle.cancelled():
            self.turns += 1
            self._turns_at_once += 1
            if self._turns_at_once > MAX_CALLBACKS_AT_ONCE:
                raise Stuck(f"{MAX_CALLBACKS_AT_ONCE} callbacks ran and nobody waited for a time: {handle!r}")
            self._now += CALLBACK_SECONDS
            handle._run()

    def _advance(self, when: float) -> None:
        if when > self._now:
            self._now, self._turns_at_once = when, 0


class LoopClock:
    """A Clock over the running loop's time; the wall clock of each part of a simulation may be wrong."""

    def __init__(self, start: float = EPOCH) -> None:
        self._start = start
        #: seconds that this wall clock is ahead; may change at any time, also backwards
        self.skew = 0.0

    def now(self) -> float:
        return self._start + self.skew + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await _sleeping.sleep(seconds)


def run_simulated(main: Coroutine[Any, Any, T], loop: SimulatedLoop) -> T:
    """Run a coroutine on a loop, cancel what else runs on it, and close it. Raises Stuck: nothing can happen."""
    try:
        return loop.run_until_complete(main)
    finally:
        left = sorted(asyncio.all_tasks(loop), key=hash)
        for task in left:
            task.cancel()
        # Who spins goes on spinning, whatever is asked of it.
        with suppress(Stuck):
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
