"""Tells users why a Pod has no node, and which one it has in view.

PodScheduled=False with reason Unschedulable, nominatedNodeName. Written through the status sub-resource with
a mask, in batches, beside the scheduling itself. The newest message of a Pod counts; one that it has already
is not written. A Pod that gets its node meanwhile is taken out, and nothing is bound while such a write is
under way for it: the binding sets PodScheduled=True, and a late False must not come after it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from scheduler.columns.pod_info import PodInfo
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.verbs import PodClient
from vaina.clock import Clock, timestamp
from vaina.errors import ApiError, NotFound
from vaina.objects.conditions import get_condition

log = structlog.stdlib.get_logger(__name__)

TYPE: Final = "PodScheduled"
UNSCHEDULABLE: Final = "Unschedulable"
SCHEDULER_ERROR: Final = "SchedulerError"
#: Pods whose condition waits to be written; of further ones it is written after their next attempt
MAX_WAITING: Final = 10_000
MAX_BATCH: Final = 100
GATHER_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Said:
    """What is to be written of one Pod."""

    info: PodInfo
    #: empty: nothing
    message: str
    #: the node it has in view, empty when none; None: nothing
    nominated: str | None
    reason: str

    @property
    def mask(self) -> tuple[str, ...]:
        parts = ("conditions",) if self.message else ()
        return parts if self.nominated is None else (*parts, "nominated_node_name")


class ConditionWriter:
    """Writes conditions. Handed Pods by the scheduling task; `run` is its own task on the same loop."""

    def __init__(self, client: PodClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._waiting: dict[str, _Said] = {}
        self._flying: frozenset[str] = frozenset()
        #: of those, the Pods of which no more is to be said
        self._withdrawn: set[str] = set()
        self._landed = asyncio.Event()
        self._wake = asyncio.Event()

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._flying

    def unschedulable(
        self, info: PodInfo, message: str, nominated: str | None = None, *, reason: str = UNSCHEDULABLE
    ) -> None:
        """Say why a Pod fits nowhere, and which node it has in view (None: as before), if that is not said."""
        waiting = self._waiting.pop(info.uid, None)
        if nominated is None and waiting is not None:
            nominated = waiting.nominated
        status = info.pod.status
        current = get_condition(status, TYPE)
        if (
            current is not None
            and current.status == "False"
            and current.reason == reason
            and current.message == message
            and info.uid not in self._flying
            and (nominated is None or nominated == status.nominated_node_name)
        ):
            return
        self._say(_Said(info, message, nominated, reason))

    def nominate(self, info: PodInfo, nominated: str) -> None:
        waiting = self._waiting.get(info.uid)
        message, reason = (waiting.message, waiting.reason) if waiting else ("", UNSCHEDULABLE)
        self._say(_Said(info, message, nominated, reason))

    def _say(self, said: "_Said") -> None:
        if said.info.uid in self._waiting or len(self._waiting) < MAX_WAITING:
            self._waiting[said.info.uid] = said
            self._wake.set()

    def begin(self) -> None:
        """We lead from now on; what was to be written before is not: who led then has written what counts."""
        self._waiting.clear()

    def drop(self, uid: str) -> None:
        """Say nothing more of a Pod: it has a node, or has gone."""
        self._waiting.pop(uid, None)
        if uid in self._flying:
            self._withdrawn.add(uid)

    async def landed(self, uids: Iterable[str]) -> None:
        """Return when no write for any of these Pods is under way."""
        if not self._flying:
            return
        wanted = frozenset(uids)
        while self._flying & wanted:
            self._landed.clear()
            await self._landed.wait()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await self._clock.sleep(GATHER_SECONDS)
            self._wake.clear()
            while self._waiting:
                batch = dict([*self._waiting.items()][:MAX_BATCH])
                for uid in batch:
                    del self._waiting[uid]
                self._flying = frozenset(batch)
                try:
                    sent = await self._send([*batch.values()])
                finally:
                    self._flying = frozenset()
                    self._landed.set()
                withdrawn, self._withdrawn = self._withdrawn, set()
                if not sent:
                    # What came meanwhile is newer.
                    again = {uid: item for uid, item in batch.items() if uid not in withdrawn}
                    self._waiting = {**again, **self._waiting}
                    await self._clock.sleep(RETRY_SECONDS)

    async def _send(self, batch: list["_Said"]) -> bool:
        now = self._clock.now()
        changes = [(_status(said, now), said.mask) for said in batch]
        try:
            results = await self._client.update_status_batch(changes)
        except ApiError as error:
            log.debug("conditions not written", pods=len(batch), error=error.message)
            return False
        for said, result in zip(batch, results, strict=False):
            if isinstance(result, ApiError) and not isinstance(result, NotFound):
                log.debug("condition refused", pod=said.info.key, error=result.message)
        return True


def _status(said: _Said, now: float) -> pod_pb2.Pod:
    info = said.info
    made = pod_pb2.Pod(
        metadata=meta_pb2.ObjectMeta(namespace=info.namespace, name=info.name, uid=info.uid),
        status=pod_pb2.PodStatus(nominated_node_name=said.nominated or ""),
    )
    if said.message:
        made.status.conditions.add(
            type=TYPE, status="False", reason=said.reason, message=said.message,
            last_transition_time=timestamp(now), observed_generation=info.generation,
        )  # fmt: skip
    return made
