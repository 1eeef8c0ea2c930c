"""Lets the Pods of a steady state go when their time is over. Owned by the run; one event loop."""

import asyncio
import heapq
from collections.abc import Callable, Sequence

from bench.load.create import AGAIN
from bench.load.podset import PodSet
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound

#: Pods in a call, and calls in flight
_BATCH, _IN_FLIGHT = 100, 4
_RETRY_SECONDS = 0.2


class Departures:
    """What is to go is at most what has come."""

    def __init__(self, client: Clientset, now: Callable[[], float], *, grace_seconds: int | None) -> None:
        """Make it.

        Args:
            client: of the apiserver.
            now: the clock of all times of a run.
            grace_seconds: 0 where no kubelet lets a Pod end, None: as long as the Pod says.
        """
        self._client, self._now, self._grace = client, now, grace_seconds
        self._due: list[tuple[float, str, str]] = []
        self._wake = asyncio.Event()
        #: how late a Pod was asked to go, at worst, in seconds
        self.late_seconds = 0.0

    def plan(self, pods: PodSet, index: int, at: float) -> None:
        """Have a Pod go at a time."""
        heapq.heappush(self._due, (at, pods.namespace, pods.names[index]))
        self._wake.set()

    def follow(self, pods: PodSet, stays: Sequence[float]) -> None:
        """Have each Pod go so long after it was bound."""
        pods.on_bound = lambda index, at: self.plan(pods, index, at + stays[index])

    async def run(self) -> None:
        """Let Pods go until cancelled.

        Raises:
            ApiError: a deletion was refused for a reason that will not pass.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(_IN_FLIGHT):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            now = self._now()
            if not self._due or self._due[0][0] > now:
                self._wake.clear()
                try:
                    async with asyncio.timeout(self._due[0][0] - now if self._due else None):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                continue
            going: list[tuple[float, str, str]] = []
            while self._due and self._due[0][0] <= now and len(going) < _BATCH:
                going.append(heapq.heappop(self._due))
            self.late_seconds = max(self.late_seconds, now - going[0][0])
            await self._delete(going)

    async def _delete(self, going: Sequence[tuple[float, str, str]]) -> None:
        try:
            results = await self._client.pods.delete_batch(
                [(namespace, name, "") for _, namespace, name in going], grace_period_seconds=self._grace
            )
        except ApiError as error:  # the call as a whole
            results = [error] * len(going)
        again = []
        for one, result in zip(going, results, strict=True):
            if isinstance(result, ApiError) and not isinstance(result, NotFound):
                if not isinstance(result, AGAIN):
                    raise result
                again.append(one)
        if again:
            await asyncio.sleep(_RETRY_SECONDS)
            for one in again:
                heapq.heappush(self._due, one)
            self._wake.set()
