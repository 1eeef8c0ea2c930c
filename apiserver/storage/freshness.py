"""Knows how fresh the cache is, and has reads wait until it is fresh enough.

A consistent read gets the newest version from the storage, and waits until the cache has reached it. Reads
that come while such a request is under way share the next one. When the cache lags because there are no
events, a progress request has the storage send its version.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from itertools import count

from apiserver.storage.interface import Version
from vaina.clock import Clock
from vaina.errors import ApiError

#: a commit's events usually arrive within this time by themselves
_PATIENCE_SECONDS = 0.005
#: the time between progress requests; etcd does not answer them while it still sends older events
_REPEAT_SECONDS = 0.1


class Freshness:
    """The version that the cache has reached, and the reads that wait for later ones. Owned by one loop."""

    def __init__(
        self,
        newest: Callable[[], Awaitable[Version]],
        request_progress: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._ask, self._request_progress, self._clock = newest, request_progress, clock
        self.version = Version(0)
        self._order = count()
        self._waiters: list[tuple[Version, int, asyncio.Future[None]]] = []
        self._gone = 0
        self._requested = float("-inf")
        #: the result of the next request, which has not been sent yet; reads that come now share it
        self._next: asyncio.Future[Version | None] | None = None
        self._asking = asyncio.Lock()
        self._refusal: ApiError | None = None

    def refuse(self, why: ApiError) -> None:
        """Refuse all reads from now on, because the cache is no longer a past state of the storage."""
        self._refusal = why
        for _, _, future in self._waiters:
            if not future.done():
                future.set_exception(copy(why))
        self._waiters = []

    def reach(self, version: Version) -> None:
        self.version = version
        while self._waiters and self._waiters[0][0] <= version:
            _, _, future = heapq.heappop(self._waiters)
            if not future.done():
                future.set_result(None)

    async def newest(self) -> Version:
        """Return the newest version that storage had after this call. Raises storage's error, or `refuse`'s."""
        while True:
            self._check()
            if self._next is None:
                return await self._lead()
            # Shielded: a read that is cancelled must not end the request that others share.
            version = await asyncio.shield(self._next)
            if version is not None:
                return version

    async def _lead(self) -> Version:
        """Get the version, for this read and for all that come before the request is sent."""
        question: asyncio.Future[Version | None] = asyncio.get_running_loop().create_future()
        self._next = question
        try:
            async with self._asking:
                self._next = None
                version = await self._ask()
            question.set_result(version)
        except ApiError as error:
            question.set_exception(error)
            question.exception()  # retrieved, because no other read may share it
            raise
        finally:
            if self._next is question:
                self._next = None
            if not question.done():
                # Cancelled: the others send a request of their own.
                question.set_result(None)
        return version

    async def wait_until(self, version: Version, timeout_seconds: float) -> bool:
        """Wait until the cache has reached a version; return whether it has. Raises what `refuse` got."""
        self._check()
        if self.version >= version:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (version, next(self._order), future))
        try:
            return await self._wait(future, timeout_seconds)
        finally:
            if not future.done():
                future.cancel()
                self._forget()

    async def _wait(self, future: "asyncio.Future[None]", left: float) -> bool:
        wait = _PATIENCE_SECONDS
        while left > 0:
            done, _ = await asyncio.wait([future], timeout=min(wait, left))
            if done:
                future.result()
                return True
            left -= wait
            wait = _REPEAT_SECONDS
            await self._nudge()
        return False

    def _check(self) -> None:
        if self._refusal is not None:
            raise copy(self._refusal)

    def _forget(self) -> None:
        """Drop waiters that gave up, once they are many: an idle cache must not collect them (I19)."""
        self._gone += 1
        if self._gone > 1000:
            self._gone = 0
            self._waiters = [waiter for waiter in self._waiters if not waiter[2].done()]
            heapq.heapify(self._waiters)

    async def _nudge(self) -> None:
        now = self._clock.monotonic()
        if now - self._requested >= _PATIENCE_SECONDS:
            self._requested = now
            with suppress(ApiError):  # the feed handles a broken watch
                await self._request_progress()
