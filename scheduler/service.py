"""SchedulerService: what the scheduler thinks, for people and tests. Reads the scheduler; changes nothing of it."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from scheduler.scheduler import Scheduler
from scheduler.verify import Captured, Difference, Rebuilt, capture, compare, rebuild
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.clock import Clock, micro_timestamp
from vaina.errors import Unavailable
from vaina.serving.handlers import Handlers, RequestContext, typed

SERVICE: Final = pb.DESCRIPTOR.services_by_name["SchedulerService"].full_name

#: assumed Pods that are named in an answer
MAX_ASSUMED: Final = 100
#: differences that are written out: when nobody says how many, and at most
DIFFERENCES, MAX_DIFFERENCES = 100, 1000


class SchedulerService:
    """Answers from one scheduler's columns. On the scheduler's loop; long work is done in small steps, one at a time."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: Clock,
        *,
        identity: str,
        leading: Callable[[], bool] = lambda: True,
        leader: Callable[[], str] = lambda: "",
    ) -> None:
        """Make a service.

        Args:
            scheduler: which is asked.
            clock: the time, and for giving others a turn.
            identity: of this process, as in the Lease.
            leading: whether this process decides.
            leader: identity of the leader, as far as it is known.
        """
        self._scheduler, self._clock = scheduler, clock
        self._identity, self._leading, self._leader = identity, leading, leader
        #: copies of the columns are large: one at a time
        self._heavy = asyncio.Lock()

    def handlers(self) -> Handlers:
        """Return the methods by path."""
        return {f"/{SERVICE}/Verify": typed(self.Verify, pb.VerifyRequest)}

    async def Verify(self, request: pb.VerifyRequest, ctx: RequestContext) -> pb.VerifyResponse:
        """Compare the columns with the API objects that the watches brought."""
        self._check_synced()
        async with self._heavy:
            answerer = self._answerer()
            captured = self._capture()
            rebuilt = Rebuilt()
            await self._in_steps(rebuild(captured, rebuilt))
        differences = compare(captured, rebuilt)
        return _verify_response(answerer, captured, rebuilt, differences, request.max_differences)

    def _capture(self) -> Captured:
        scheduler = self._scheduler
        return capture(
            scheduler.cache, nodes=scheduler.nodes.lister.list(), pods=scheduler.pods.lister.list(),
            queued=scheduler.queue.uids(), ours=frozenset({scheduler.name}),
        )  # fmt: skip

    async def _in_steps(self, steps: Iterable[None]) -> None:
        """Do long work with a turn for everybody else after each step."""
        for _ in steps:
            await self._clock.sleep(0)

    def _check_synced(self) -> None:
        if not self._scheduler.synced:
            raise Unavailable(
                "the scheduler's caches are not filled yet, please try again later", retry_seconds=1
            )

    def _answerer(self) -> pb.Answerer:
        scheduler = self._scheduler
        leading = self._leading()
        return pb.Answerer(
            identity=self._identity, leading=leading, leader=self._identity if leading else self._leader(),
            pods_version=scheduler.pods.resource_version, nodes_version=scheduler.nodes.resource_version,
            time=micro_timestamp(self._clock.now()),
        )  # fmt: skip


def _verify_response(
    answerer: pb.Answerer,
    captured: Captured,
    rebuilt: Rebuilt,
    differences: Iterable[Difference],
    most: int,
) -> pb.VerifyResponse:
    found = [*differences]
    shown = islice(found, min(most or DIFFERENCES, MAX_DIFFERENCES))
    assumed = [held for held in captured.held.values() if held.assumed]
    return pb.VerifyResponse(
        answered_by=answerer, nodes=len(captured.columns.rows), pods=len(captured.held),
        waiting=len(rebuilt.waiting), assumed=len(assumed),
        assumed_pods=[
            pb.AssumedPod(
                namespace=held.info.namespace, name=held.info.name, uid=held.info.uid, node=held.node_name
            )
            for held in assumed[:MAX_ASSUMED]
        ],
        difference_count=len(found),
        differences=[
            pb.Difference(subject=item.subject, what=item.what, have=item.have, want=item.want)
            for item in shown
        ],
    )  # fmt: skip
