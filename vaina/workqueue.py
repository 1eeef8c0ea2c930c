"""Work queues with client-go's semantics: a key waits once, one worker has it at a time, back-off is per key.

A queue never holds more keys than there are objects. When a key has several delays the earliest one counts,
as in client-go; the queue removes the others from its heap once they are more than the keys that wait.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterator

from vaina.backoff import Backoff
from vaina.clock import Clock
from vaina.metrics import QueueMetrics
from vaina.tasks import first_of

#: client-go doubles 5 ms up to 1000 s. This stops at 60 s, so that a cluster that came back waits less
BACKOFF = Backoff(base_seconds=0.005, cap_seconds=60.0)

#: the heap may have as many stale entries as it has keys, and so many more
_STALE_ENTRIES = 64


class ShutDown(Exception):
    """The queue ends: there is no next key."""


class WorkQueue:
    """PURE: decides which key is next. Owned by one RateLimitingQueue.

    A key waits once, however often it is added. When a key is added while a worker has it, it waits until
    that worker is done, and comes once more: no addition is lost, and no two workers have the same key.
    """

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        #: keys that wait, or that come again once their worker is done
        self._dirty: set[str] = set()
        self._processing: set[str] = set()

    def add(self, key: str) -> bool:
        """Add a key; return False when it was waiting already."""
        if key in self._dirty:
            return False
        self._dirty.add(key)
        if key not in self._processing:
            self._order.append(key)
        return True

    def pop(self) -> str | None:
        if not self._order:
            return None
        key = self._order.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: str) -> bool:
        """End the work on a key; return whether it waits again, because it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty:
            self._order.append(key)
            return True
        return False

    def __len__(self) -> int:
        return len(self._order)

    @property
    def in_flight(self) -> int:
        return len(self._processing)


class RateLimitingQueue:
    """A queue of keys for the workers of one controller. All its users are on one event loop."""

    def __init__(
        self, name: str, clock: Clock, backoff: Backoff = BACKOFF, metrics: QueueMetrics | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._queue = WorkQueue()
        self._backoff = backoff
        #: key -> failures since its last success
        self._failures: dict[str, int] = {}
        #: (due, sequence, key); an entry whose time is not the one in `_due` is stale
        self._delayed: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}
        self._sequence = 0
        self._wake_getters = asyncio.Event()
        self._wake_timer = asyncio.Event()
        self._shut_down = False
        self._added_at: dict[str, float] = {}
        self._started_at: dict[str, float] = {}
        self._observer = _Observer(name, metrics) if metrics is not None else None
        if metrics is not None:
            # Computed when they are read, so that work that hangs shows although nothing else happens.
            metrics.depth.labels(name).set_function(self.__len__)
            metrics.unfinished.labels(name).set_function(self.unfinished_seconds)
            metrics.longest_running.labels(name).set_function(self.longest_running_seconds)

    def add(self, key: str) -> None:
        if self._shut_down or not self._queue.add(key):
            return
        self._added_at.setdefault(key, self._clock.monotonic())
        if self._observer is not None:
            self._observer.adds.inc()
        self._wake_getters.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Add a key after a delay. Of several delays for one key the earliest counts."""
        if self._shut_down:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._delayed, (due, self._sequence, key))
        if len(self._delayed) > 2 * len(self._due) + _STALE_ENTRIES:
            self._delayed = [entry for entry in self._delayed if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._delayed)
        self._wake_timer.set()

    def add_rate_limited(self, key: str, *, at_least: float = 0.0) -> float:
        """Add a key after the back-off of its failures; return the delay in seconds.

        `at_least` is the delay that the server requested (`ApiError.retry_seconds`).
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = max(self._backoff.delay(failures), at_least)
        if self._observer is not None:
            self._observer.retries.inc()
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """Reset the back-off of a key, which has succeeded."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """Wait for the next key; the caller calls `done` with it after its work. Raises ShutDown."""
        while True:
            if self._shut_down:
                raise ShutDown
            key = self._queue.pop()
            if key is not None:
                self._on_start(key)
                return key
            self._wake_getters.clear()
            await self._wake_getters.wait()

    def done(self, key: str) -> None:
        started = self._started_at.pop(key, None)
        if self._queue.done(key):
            self._wake_getters.set()
        if self._observer is not None and started is not None:
            self._observer.work_duration.observe(self._clock.monotonic() - started)

    def shutdown(self) -> None:
        """End the queue: `get` raises ShutDown, and no key is added any more."""
        self._shut_down = True
        self._wake_getters.set()
        self._wake_timer.set()

    async def run(self) -> None:
        """Move delayed keys into the queue when they are due. A queue needs one task that runs this."""
        while not self._shut_down:
            now = self._clock.monotonic()
            while self._delayed and self._delayed[0][0] <= now:
                due, _, key = heapq.heappop(self._delayed)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            self._wake_timer.clear()
            if not self._delayed:
                await self._wake_timer.wait()
                continue
            await self._sleep_or_wake(self._delayed[0][0] - now)

    @property
    def in_flight(self) -> int:
        return self._queue.in_flight

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waiting(self) -> int:
        return len(self._due)

    @property
    def entries(self) -> int:
        """The size of the heap of delayed keys, stale entries included."""
        return len(self._delayed)

    def longest_running_seconds(self) -> float:
        return max(self._running_seconds(), default=0.0)

    def unfinished_seconds(self) -> float:
        """Return the sum of the seconds for which workers have had their keys."""
        return sum(self._running_seconds())

    def _running_seconds(self) -> Iterator[float]:
        now = self._clock.monotonic()
        return (now - started for started in self._started_at.values())

    async def _sleep_or_wake(self, seconds: float) -> None:
        await first_of(self._clock.sleep(seconds), self._wake_timer.wait())

    def _on_start(self, key: str) -> None:
        now = self._clock.monotonic()
        added = self._added_at.pop(key, now)
        self._started_at[key] = now
        if self._queue:
            # More keys wait: wake another getter.
            self._wake_getters.set()
        if self._observer is not None:
            self._observer.queue_duration.observe(now - added)


class _Observer:
    """The metrics of one queue."""

    def __init__(self, name: str, metrics: QueueMetrics) -> None:
        self.adds = metrics.adds.labels(name)
        self.retries = metrics.retries.labels(name)
        self.queue_duration = metrics.queue_duration.labels(name)
        self.work_duration = metrics.work_duration.labels(name)
