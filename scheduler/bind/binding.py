"""Sends bindings: in batches, the next as soon as the previous is answered, and some calls at once where
there is much to do.

Every binding ends in exactly one of two ways, told to `Outcome`: bound, or refused. An answer that leaves it
open (the connection broke, a deadline passed) is settled by the watch, or by sending the *same* binding
again, to the same node, until somebody says yes or no: never by a second binding to another node (I1). A
refusal that may come from our own success (Conflict) is looked up first.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from scheduler.conditions import ConditionWriter
from scheduler.framework.status import Scheduled
from scheduler.queue.places import QueuedPod
from vaina.api.core.v1 import pod_service_pb2
from vaina.backoff import Backoff
from vaina.client.verbs import PodClient, fill_binding
from vaina.clock import Clock
from vaina.errors import ApiError, Conflict, InternalError, NotFound, StorageFull, Timeout, Unavailable

log = structlog.stdlib.get_logger(__name__)

#: bindings in one call: two calls fill a transaction of etcd (decision 195)
MAX_BATCH: Final = 250
#: bindings that wait; the scheduler makes no further decisions until there are fewer
MAX_WAITING: Final = 4 * MAX_BATCH
#: Calls under way, of which one is in etcd and others are made, or told. With two, neither processor was busy
#: all the time: 3,400 to 4,000 Pods a second instead of 4,300 to 5,300.
MAX_CALLS: Final = 4
#: A second call begins with so many, a third and a fourth only when they are full: a Pod that comes when the
#: first has just gone need not wait for its answer, and under load each call has what a commit takes.
SECOND: Final = 24
BACKOFF: Final = Backoff(base_seconds=0.1, cap_seconds=1.0)


@dataclass(slots=True, eq=False)
class PendingBinding:
    """A decision on its way to the apiserver."""

    pod: QueuedPod
    #: the Pod's uid, for good: `pod.info` may be replaced by an update
    uid: str
    where: Scheduled
    #: monotonic seconds when the attempt began
    started: float
    #: an answer stayed out: it may be bound already
    unknown: bool = False
    #: the watch has shown how it ended
    settled: bool = False


class Outcome(Protocol):
    """Who is told how bindings end."""

    def bound(self, bindings: Sequence[PendingBinding]) -> None:
        """These are bound."""

    def refused(self, pending: PendingBinding, error: ApiError) -> None:
        """This one is not, and will not be."""


class Binder:
    """Sends bindings. Handed them by the scheduling task; `run` is its own task on the same loop."""

    def __init__(
        self, client: PodClient, clock: Clock, conditions: ConditionWriter, outcome: Outcome
    ) -> None:
        self._client, self._clock, self._conditions, self._outcome = client, clock, conditions, outcome
        self._waiting: deque[PendingBinding] = deque()
        #: those whose outcome is unknown
        self._unknown: dict[str, PendingBinding] = {}
        self._flying = self._calls = 0
        #: calls in a row that were not answered
        self._failures = 0
        self._wake = asyncio.Event()

    @property
    def full(self) -> bool:
        return len(self._waiting) >= MAX_WAITING

    @property
    def room(self) -> int:
        return MAX_WAITING - len(self._waiting)

    @property
    def pending(self) -> int:
        return len(self._waiting) + self._flying

    def submit(self, pending: PendingBinding) -> None:
        """Take a binding; it is sent as soon as the call before it is answered."""
        self._waiting.append(pending)
        self._wake.set()

    def submit_all(self, pending: Sequence[PendingBinding]) -> None:
        self._waiting.extend(pending)
        self._wake.set()

    def settle(self, uid: str, node_name: str) -> None:
        """The watch shows a Pod on a node (or gone: no node). Ends what was unknown of it."""
        pending = self._unknown.pop(uid, None)
        if pending is None or pending.settled:
            return
        pending.settled = True
        if node_name == pending.where.node_name:
            self._outcome.bound([pending])
        else:
            words = f"is on {node_name}" if node_name else "has gone"
            self._outcome.refused(pending, NotFound(f"pod {pending.pod.info.key} {words}"))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as calls:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._may_call():
                    batch = self._take()
                    if batch:
                        self._calls += 1
                        self._flying += len(batch)
                        calls.create_task(self._call(batch), name="bind")

    def _may_call(self) -> bool:
        return (
            self._calls < MAX_CALLS and len(self._waiting) >= (1, SECOND, MAX_BATCH, MAX_BATCH)[self._calls]
        )

    async def _call(self, batch: list[PendingBinding]) -> None:
        try:
            answered = await self._send(batch)
        finally:
            self._flying -= len(batch)
        self._failures = 0 if answered else self._failures + 1
        if self._failures:
            await self._clock.sleep(BACKOFF.delay(self._failures - 1))
        self._calls -= 1
        self._wake.set()

    def _take(self) -> list[PendingBinding]:
        batch: list[PendingBinding] = []
        while self._waiting and len(batch) < MAX_BATCH:
            pending = self._waiting.popleft()
            if not pending.settled:
                batch.append(pending)
        return batch

    async def _send(self, batch: list[PendingBinding]) -> bool:
        """Send a batch and deal with its answers; False when it was not answered at all."""
        await self._conditions.landed(pending.uid for pending in batch)
        try:
            results = await self._client.bind_all(_request(batch))
        except ApiError as error:
            log.warning("bindings not answered", pods=len(batch), error=error.message)
            for pending in batch:
                if _is_unknown(error):
                    self._again(pending)
                else:
                    self._outcome.refused(pending, error)
            return False
        done: list[PendingBinding] = []
        for pending, result in zip(batch, results, strict=True):
            self._unknown.pop(pending.uid, None)
            if pending.settled:
                continue
            if result is None:
                done.append(pending)
            elif _is_unknown(result):
                self._again(pending)
            elif isinstance(result, Conflict):
                await self._look_up(pending, result)
            else:
                self._outcome.refused(pending, result)
        if done:
            self._outcome.bound(done)
        return True

    async def _look_up(self, pending: PendingBinding, refusal: ApiError) -> None:
        """Bound already? Perhaps by ourselves, by a call whose answer was lost."""
        info = pending.pod.info
        try:
            pod = await self._client.get(info.name, info.namespace)
        except NotFound as error:
            self._outcome.refused(pending, error)
            return
        except ApiError:
            self._again(pending)
            return
        if pod.metadata.uid == pending.uid and pod.spec.node_name == pending.where.node_name:
            self._outcome.bound([pending])
        else:
            self._outcome.refused(pending, refusal)

    def _again(self, pending: PendingBinding) -> None:
        if pending.settled:
            return
        pending.unknown = True
        self._unknown[pending.uid] = pending
        self._waiting.append(pending)
        self._wake.set()


def _request(batch: Sequence[PendingBinding]) -> pod_service_pb2.BindPodBatchRequest:
    request = pod_service_pb2.BindPodBatchRequest()
    add = request.bindings.add
    for pending in batch:
        info = pending.pod.info
        fill_binding(add(), info.namespace, info.name, pending.uid, pending.where.node_name)
    return request


def _is_unknown(error: ApiError) -> bool:
    """Say whether the write may have happened all the same."""
    return isinstance(error, Unavailable | Timeout | InternalError) and not isinstance(error, StorageFull)
