"""Lifts the scheduling gates of a step's Pods, so many a second (`gatesLiftedPerSecond`).

Owned by the run; one event loop.
"""

import asyncio
from collections.abc import Callable, Collection

from bench.load.podset import PodSet
from vaina.client.clientset import Clientset
from vaina.errors import NotFound

_IN_FLIGHT = 16
#: upstream allows gates to be taken away and nothing else (pkg/apis/core/validation/validation.go,
#: validatePodSchedulingGates)
_LIFT = '{"spec":{"schedulingGates":null}}'


class Gates:
    """Gates are lifted in the order in which the apiserver has taken the Pods.

    Each is due at its place in the plan, and not before its Pod was. What a gate is late by is in its Pod's
    latency: a plan that waited for the calls would leave out just the times in which the apiserver was slow.
    """

    def __init__(
        self,
        client: Clientset,
        pods: PodSet,
        gated: Collection[int],
        per_second: int,
        now: Callable[[], float],
    ) -> None:
        """Make it before the Pods are created.

        Args: gated: indexes of those that have gates; now: the clock of all times of a run.
        """
        self._client, self._pods, self._per_second, self._now = client, pods, per_second, now
        self._gated = frozenset(gated)
        #: as many as are gated at most
        self._waiting: asyncio.Queue[int] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._due = 0.0
        pods.on_created = self._take

    def _take(self, index: int) -> None:
        if index in self._gated:
            self._waiting.put_nowait(index)

    async def run(self) -> None:
        """Lift them from now on, as they come, until all are.

        Raises:
            ApiError: one was refused.
        """
        self._due = self._now()
        left = iter(range(len(self._gated)))

        async def caller() -> None:
            for _ in left:
                # One caller at a time waits for what is next; its call is made outside.
                async with self._turn:
                    index = await self._waiting.get()
                    due = self._due = max(self._due + 1 / self._per_second, self._pods.intended[index])
                    await asyncio.sleep(max(0.0, due - self._now()))
                # The scheduler may have it from now on: what it waited for its gate is not the scheduler's.
                self._pods.intended[index] = due
                await self._lift(self._pods.names[index])

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_IN_FLIGHT, len(self._gated))):
                group.create_task(caller())

    async def _lift(self, name: str) -> None:
        try:
            await self._client.pods.patch(
                name, _LIFT, namespace=self._pods.namespace, patch_type="application/merge-patch+json"
            )
        except NotFound:
            return  # preempted, or deleted by a step
