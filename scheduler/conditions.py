"""Tells users why a Pod has no node: its condition PodScheduled=False, reason Unschedulable.

Written through the status sub-resource with a mask, in batches, beside the scheduling itself. The newest message of a Pod counts;
one that it has already is not written. A Pod that gets its node meanwhile is taken out, and nothing is bound while such a
write is under way for it: the binding sets PodScheduled=True, and a late False must not come after it.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from scheduler.columns.pod_info import PodInfo
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.clientset import PodClient
from vaina.clock import Clock, timestamp
from vaina.errors import ApiError, NotFound
from vaina.objects.conditions import get_condition

log = structlog.stdlib.get_logger(__name__)

TYPE: Final = "PodScheduled"
UNSCHEDULABLE: Final = "Unschedulable"
MASK: Final = ("conditions",)

#: Pods whose condition waits to be written; of further ones it is written after their next attempt
MAX_WAITING: Final = 10_000
MAX_BATCH: Final = 100
GATHER_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1.0


class ConditionWriter:
    """Writes conditions. Handed Pods by the scheduling task; `run` is its own task on the same loop."""

    def __init__(self, client: PodClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._waiting: dict[str, tuple[PodInfo, str]] = {}
        self._flying: frozenset[str] = frozenset()
        #: of those, the Pods of which no more is to be said
        self._withdrawn: set[str] = set()
        self._landed = asyncio.Event()
        self._wake = asyncio.Event()

    def unschedulable(self, info: PodInfo, message: str) -> None:
        """Say why a Pod fits nowhere, unless it says so already."""
        current = get_condition(info.pod.status, TYPE)
        if (
            current is not None
            and current.status == "False"
            and current.reason == UNSCHEDULABLE
            and current.message == message
        ):
            self._waiting.pop(info.uid, None)
            return
        if info.uid in self._waiting or len(self._waiting) < MAX_WAITING:
            self._waiting[info.uid] = (info, message)
            self._wake.set()

    def drop(self, uid: str) -> None:
        """Say nothing more of a Pod: it has a node, or has gone."""
        self._waiting.pop(uid, None)
        if uid in self._flying:
            self._withdrawn.add(uid)

    async def landed(self, uids: Iterable[str]) -> None:
        """Return when no write for any of these Pods is under way."""
        wanted = frozenset(uids)
        while self._flying & wanted:
            self._landed.clear()
            await self._landed.wait()

    async def run(self) -> None:
        """Write until cancelled."""
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

    async def _send(self, batch: list[tuple[PodInfo, str]]) -> bool:
        now = self._clock.now()
        changes = [(_status(info, message, now), MASK) for info, message in batch]
        try:
            results = await self._client.update_status_batch(changes)
        except ApiError as error:
            log.debug("conditions not written", pods=len(batch), error=error.message)
            return False
        for (info, _), result in zip(batch, results, strict=False):
            if isinstance(result, ApiError) and not isinstance(result, NotFound):
                log.debug("condition refused", pod=info.key, error=result.message)
        return True


def _status(info: PodInfo, message: str, now: float) -> pod_pb2.Pod:
    return pod_pb2.Pod(
        metadata=meta_pb2.ObjectMeta(namespace=info.namespace, name=info.name, uid=info.uid),
        status=pod_pb2.PodStatus(
            conditions=[
                pod_pb2.PodCondition(
                    type=TYPE, status="False", reason=UNSCHEDULABLE, message=message,
                    last_transition_time=timestamp(now), observed_generation=info.pod.metadata.generation,
                )
            ]
        ),
    )  # fmt: skip
