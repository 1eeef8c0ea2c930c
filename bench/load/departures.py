"""Lets the Pods of a steady state go when their time is over. Owned by the run; one event loop."""

import asyncio
from collections.abc import Callable, Sequence

from bench.load.create import AGAIN
from bench.load.due import Due
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
        #: namespaces and names
        self._due: Due[tuple[str, str]] = Due(now)
        #: how late a Pod was asked to go, at worst, in seconds
        self.late_seconds = 0.0

    def plan(self, pods: PodSet, index: int, at: float) -> None:
        """Have a Pod go at a time."""
        self._due.put(at, (pods.namespace, pods.names[index]))

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
            going = await self._due.take(_BATCH)
            self.late_seconds = max(self.late_seconds, self._now() - going[0][0])
            await self._delete([pod for _, pod in going])

    async def _delete(self, going: Sequence[tuple[str, str]]) -> None:
        try:
            results = await self._client.pods.delete_batch(
                [(namespace, name, "") for namespace, name in going], grace_period_seconds=self._grace
            )
        except ApiError as error:  # the call as a whole
            results = [error] * len(going)
        for one, result in zip(going, results, strict=True):
            if isinstance(result, ApiError) and not isinstance(result, NotFound):
                if not isinstance(result, AGAIN):
                    raise result
                self._due.put(self._now() + _RETRY_SECONDS, one)
