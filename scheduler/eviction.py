"""Carries out what preemption has decided, beside the scheduling itself.

Victims are marked, deleted and told of.

    decided --submit--> waiting --marked (DisruptionTarget), deleted by uid with their own grace--> done, or
    failed

In batches, one after the other: what is decided meanwhile goes with the next. A call that is not answered is
tried again a few times; then the Pod that preempts is told, and decides afresh. Follows
`prepareCandidateAsync` and `PreemptPod` of upstream's framework/preemption (KEP-4832).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from scheduler.columns.pod_info import PodInfo
from scheduler.metrics import PreemptionMetrics
from scheduler.plugins.default_preemption import DISRUPTION_TARGET, PREEMPTION_BY_SCHEDULER
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.backoff import Backoff
from vaina.client.events import EventRecorder
from vaina.client.verbs import PodClient
from vaina.clock import Clock, timestamp
from vaina.errors import ApiError, NotFound, Timeout, TooManyRequests, Unavailable

log = structlog.stdlib.get_logger(__name__)

#: preemptions that wait; while there are so many, no further ones are begun
MAX_WAITING: Final = 10_000
#: victims that are dealt with together; those of one preemption always are (a node has at most some hundreds)
MAX_BATCH: Final = 128
#: victims in one call
MAX_CALL: Final = 500
#: calls for one batch that are not answered before it is given up
MAX_TRIES: Final = 5
BACKOFF: Final = Backoff(base_seconds=0.1, cap_seconds=2.0)
MASK: Final = ("conditions",)

#: answers after which the same is asked again
_AWAY = (Unavailable, Timeout, TooManyRequests)


@dataclass(frozen=True, slots=True, eq=False)
class Preemption:
    """One decision: these Pods go, so that this one can come."""

    preemptor: PodInfo
    node_name: str
    #: those that are not ending already
    victims: tuple[PodInfo, ...]


class Evictor:
    """Evicts. Handed preemptions by the scheduling task; `run` is its own task on the same loop."""

    def __init__(
        self,
        client: PodClient,
        clock: Clock,
        recorders: Mapping[str, EventRecorder],
        metrics: PreemptionMetrics,
        ended: Callable[[Preemption, ApiError | None], None],
    ) -> None:
        """Make it; `ended` is told how a preemption ended (None: all victims are on their way out)."""
        self._client, self._clock, self._recorders = client, clock, recorders
        self._metrics, self._ended = metrics, ended
        self._waiting: deque[Preemption] = deque()
        self._wake = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether no more preemptions are taken."""
        return len(self._waiting) >= MAX_WAITING

    def submit(self, preemption: Preemption) -> None:
        self._waiting.append(preemption)
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._take()
                started = self._clock.monotonic()
                errors = await self._evict(batch)
                for preemption, error in zip(batch, errors, strict=True):
                    self._metrics.executed(error is None, self._clock.monotonic() - started)
                    self._ended(preemption, error)

    def _take(self) -> list[Preemption]:
        batch = [self._waiting.popleft()]
        victims = len(batch[0].victims)
        while self._waiting and victims + len(self._waiting[0].victims) <= MAX_BATCH:
            batch.append(self._waiting.popleft())
            victims += len(batch[-1].victims)
        return batch

    async def _evict(self, batch: Sequence[Preemption]) -> list[ApiError | None]:
        """Evict the victims of a batch; say for each preemption what went wrong."""
        #: uid -> victim and who preempts it; two preemptions may have a victim in common
        todo = {victim.uid: (victim, preemption) for preemption in batch for victim in preemption.victims}
        #: what was said last of those that are not on their way out; a refusal is the last word
        failed: dict[str, ApiError] = {}
        for tries in range(MAX_TRIES):
            if tries:
                await self._clock.sleep(BACKOFF.delay(tries - 1))
            left = [*todo.values()]
            for uid in todo:
                failed.pop(uid, None)
            for start in range(0, len(left), MAX_CALL):
                failed |= await self._try(left[start : start + MAX_CALL])
            todo = {uid: todo[uid] for uid in todo if isinstance(failed.get(uid), _AWAY)}
            if not todo:
                break
        for uid, error in failed.items():
            log.warning("victim not evicted", uid=uid, error=error.message)
        return [
            next((failed[victim.uid] for victim in preemption.victims if victim.uid in failed), None)
            for preemption in batch
        ]

    async def _try(self, todo: Sequence[tuple[PodInfo, Preemption]]) -> dict[str, ApiError]:
        """Mark, delete and tell of victims once; returns the errors by uid. One that is gone is no error."""
        failed: dict[str, ApiError] = {}
        marked: list[tuple[PodInfo, Preemption]] = []
        for (victim, preemption), error in zip(todo, await self._mark(todo), strict=True):
            if error is None:
                marked.append((victim, preemption))
            elif not isinstance(error, NotFound):
                failed[victim.uid] = error
        if not marked:
            return failed
        for (victim, preemption), error in zip(marked, await self._delete(marked), strict=True):
            if error is None:
                self._recorders[preemption.preemptor.pod_class.scheduler_name].event(
                    victim.pod, "Normal", "Preempted",
                    f"Preempted by pod {preemption.preemptor.uid} on node {preemption.node_name}",
                    action="Preempting", related=preemption.preemptor.pod,
                )  # fmt: skip
            elif not isinstance(error, NotFound):
                failed[victim.uid] = error
        return failed

    async def _mark(self, victims: Sequence[tuple[PodInfo, Preemption]]) -> list[ApiError | None]:
        now = self._clock.now()
        changes = [(_marked(victim, preemption.preemptor, now), MASK) for victim, preemption in victims]
        try:
            results = await self._client.update_status_batch(changes)
        except ApiError as error:
            return [error] * len(victims)
        return [result if isinstance(result, ApiError) else None for result in results]

    async def _delete(self, victims: Sequence[tuple[PodInfo, Preemption]]) -> list[ApiError | None]:
        doomed = [(victim.namespace, victim.name, victim.uid) for victim, _ in victims]
        try:
            results = await self._client.delete_batch(doomed)
        except ApiError as error:
            return [error] * len(victims)
        return [result if isinstance(result, ApiError) else None for result in results]


def _marked(victim: PodInfo, preemptor: PodInfo, now: float) -> pod_pb2.Pod:
    who = preemptor.pod_class.scheduler_name
    return pod_pb2.Pod(
        metadata=meta_pb2.ObjectMeta(namespace=victim.namespace, name=victim.name, uid=victim.uid),
        status=pod_pb2.PodStatus(
            conditions=[
                pod_pb2.PodCondition(
                    type=DISRUPTION_TARGET, status="True", reason=PREEMPTION_BY_SCHEDULER,
                    message=f"{who}: preempting to accommodate a higher priority pod",
                    last_transition_time=timestamp(now), observed_generation=victim.generation,
                )
            ]
        ),
    )  # fmt: skip
