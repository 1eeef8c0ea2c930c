"""Creates Pods at a pace: closed loop (as fast as the callers get answers) or open loop (when they are due,
whatever the answers do).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bench.load.podset import PodSet
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import raw_pb2
from vaina.client.clientset import Clientset
from vaina.errors import AlreadyExists, ApiError, Timeout, TooManyRequests, Unavailable, from_status
from vaina.kinds import POD

#: refused because there is too much, or nobody knows: asked again
AGAIN = (TooManyRequests, Unavailable, Timeout)
_TRIES = 20
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 2.0
CALL_SECONDS = 60.0
_CREATE_BATCH = POD.method("CreateBatch")


@dataclass(frozen=True, slots=True)
class Pace:
    """How Pods are created."""

    #: calls under way at most
    in_flight: int
    #: Pods in a call: 1 is Create, more is CreateBatch
    batch: int
    #: when each is due, seconds from the start; None: closed loop
    offsets: Sequence[float] | None = None


class Creator:
    """Creates the Pods of one step. Owned by one task."""

    def __init__(self, client: Clientset, pace: Pace, now: Callable[[], float]) -> None:
        self._client, self._pace, self._now = client, pace, now
        #: what was refused and asked again, by reason
        self.retries: Counter[str] = Counter()
        #: when the first was due, once they are being created
        self.start = 0.0

    async def create(self, pods: PodSet, make: Callable[[int], pod_pb2.Pod]) -> float:
        """Create them all and return when the first was due.

        Latencies count from when a Pod was due, not from when its turn came.

        Raises:
            ApiError: one was refused for a reason that will not pass.
        """
        order = iter(range(len(pods)))
        turn = asyncio.Lock()
        start = self.start = self._now()

        async def caller() -> None:
            while True:
                # One caller at a time waits for what is due next; its call is made outside.
                async with turn:
                    indexes = await self._due(order, start)
                if not indexes:
                    return
                objects = [make(index) for index in indexes]
                pods.asked_count += len(indexes)
                at = self._now()
                for index in indexes:
                    pods.intended[index] = (
                        at if self._pace.offsets is None else start + self._pace.offsets[index]
                    )
                await self._send(objects)
                at = self._now()
                for index in indexes:
                    pods.see_created(index, at)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._pace.in_flight, max(1, len(pods)))):
                group.create_task(caller())
        return start

    async def _due(self, order: Iterator[int], start: float) -> list[int]:
        """Return what is to be created now, at least one as long as there is any."""
        offsets = self._pace.offsets
        if offsets is None:
            return list(islice(order, self._pace.batch))
        indexes: list[int] = []
        for index in islice(order, 1):
            indexes.append(index)
            await asyncio.sleep(max(0.0, start + offsets[index] - self._now()))
        passed = self._now() - start
        while indexes and len(indexes) < self._pace.batch and indexes[-1] + 1 < len(offsets):
            if offsets[indexes[-1] + 1] > passed:
                break
            indexes += islice(order, 1)
        return indexes

    async def _send(self, objects: Sequence[pod_pb2.Pod]) -> None:
        left, pause = list(objects), _FIRST_PAUSE
        for attempt in range(_TRIES):
            outcomes = await self._call(left)
            again = []
            for pod, outcome in zip(left, outcomes, strict=True):
                if outcome is None or (attempt and isinstance(outcome, AlreadyExists)):
                    continue
                if not isinstance(outcome, AGAIN) or attempt == _TRIES - 1:
                    raise outcome
                self.retries[type(outcome).__name__] += 1
                again.append(pod)
            if not again:
                return
            left = again
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)

    async def _call(self, objects: Sequence[pod_pb2.Pod]) -> Sequence[ApiError | None]:
        try:
            if self._pace.batch == 1:
                await self._client.pods.create(objects[0])
                return [None]
            answer = await self._client.transport.unary(
                _CREATE_BATCH, _request(objects), timeout=CALL_SECONDS
            )
        except ApiError as error:  # the call as a whole
            return [error] * len(objects)
        # What was created is not read: it is as it was asked for, and nobody looks at it.
        results = raw_pb2.RawBatchResponse.FromString(answer).results
        return [from_status(result.error) if result.HasField("error") else None for result in results]


def _request(objects: Sequence[pod_pb2.Pod]) -> bytes:
    request = raw_pb2.RawCreateBatchRequest()
    for pod in objects:
        request.requests.add().object = pod.SerializeToString()
    return request.SerializeToString()
