"""Bindings on their way: how many calls at once, how much in each, and what happens to a call that is not
answered.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from scheduler.bind.binding import MAX_BATCH, MAX_CALLS, SECOND, Binder, PendingBinding
from scheduler.conditions import ConditionWriter
from scheduler.framework.status import Scheduled
from scheduler.queue.places import QueuedPod
from tests.unit.scheduler.objects import info, pod
from vaina.api.core.v1 import pod_service_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import ApiError, Unavailable
from vaina.kinds import POD
from vaina.serving.handlers import RequestContext, typed
from vaina.testing.clock import FakeClock, settle


@dataclass
class Server:
    """Answers calls when it is told to."""

    calls: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)

    async def bind_batch(
        self, request: pod_service_pb2.BindPodBatchRequest, _: RequestContext
    ) -> pod_service_pb2.BindPodBatchResponse:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.calls.append((len(request.bindings), answer))
        await answer
        done = meta_pb2.Status(status="Success")
        return pod_service_pb2.BindPodBatchResponse(results=[done] * len(request.bindings))

    @property
    def sizes(self) -> list[int]:
        return [size for size, _ in self.calls]

    @property
    def open(self) -> list[asyncio.Future[None]]:
        return [answer for _, answer in self.calls if not answer.done()]


@dataclass
class Outcomes:
    bound_uids: list[str] = field(default_factory=list)
    refused_uids: list[str] = field(default_factory=list)

    def bound(self, bindings: list[PendingBinding]) -> None:
        self.bound_uids += [pending.uid for pending in bindings]

    def refused(self, pending: PendingBinding, error: ApiError) -> None:
        self.refused_uids.append(pending.uid)


@dataclass
class World:
    server: Server
    outcomes: Outcomes
    binder: Binder
    clock: FakeClock

    async def submit(self, count: int) -> None:
        for _ in range(count):
            number = self.binder.pending + len(self.outcomes.bound_uids)
            queued = QueuedPod(info(pod(f"p{number}")), added=0.0, since=0.0)
            where = Scheduled(0, "n1", 1, 1)
            self.binder.submit(PendingBinding(queued, queued.info.uid, where, started=0.0))
        await settle(50)


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    server, outcomes, clock = Server(), Outcomes(), FakeClock()
    handlers = {POD.method("BindBatch"): typed(server.bind_batch, pod_service_pb2.BindPodBatchRequest)}
    pods = Clientset(InProcessTransport(handlers)).pods
    binder = Binder(pods, clock, ConditionWriter(pods, clock), outcomes)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(binder.run())
        yield World(server, outcomes, binder, clock)
        task.cancel()


async def test_what_comes_while_a_call_is_under_way_gathers() -> None:
    async with running() as world:
        await world.submit(1)
        await world.submit(5)
        assert world.server.sizes == [1]
        world.server.open[0].set_result(None)
        await settle(50)
        assert world.server.sizes == [1, 5]


async def test_a_second_call_begins_before_the_first_is_answered_when_there_is_something_in_it() -> None:
    async with running() as world:
        await world.submit(1)
        await world.submit(SECOND - 1)
        assert world.server.sizes == [1]
        await world.submit(1)
        assert world.server.sizes == [1, SECOND]
        # A third has to be full.
        await world.submit(MAX_BATCH - 1)
        assert world.server.sizes == [1, SECOND]
        await world.submit(1)
        assert world.server.sizes == [1, SECOND, MAX_BATCH]
        for answer in world.server.open:
            answer.set_result(None)


async def test_full_batches_do_not_wait_for_the_answer_until_as_many_are_under_way_as_may_be() -> None:
    async with running() as world:
        await world.submit(1)
        await world.submit(MAX_CALLS * MAX_BATCH + 3)
        first = [1] + [MAX_BATCH] * (MAX_CALLS - 1)
        assert world.server.sizes == first
        # A later one may be answered first.
        world.server.open[1].set_result(None)
        await settle(50)
        assert world.server.sizes == [*first, MAX_BATCH]
        for answer in world.server.open:
            answer.set_result(None)
        await settle(50)
        assert world.server.sizes == [*first, MAX_BATCH, 3]
        world.server.open[0].set_result(None)
        await settle(50)
        bound = world.outcomes.bound_uids
        assert len(bound) == len(set(bound)) == MAX_CALLS * MAX_BATCH + 4
        assert world.binder.pending == 0


async def test_a_call_that_is_not_answered_is_made_again_after_a_while_to_the_same_node() -> None:
    async with running() as world:
        await world.submit(2)
        world.server.open[0].set_exception(Unavailable("away"))
        await settle(50)
        assert world.server.sizes == [2]
        await world.clock.advance(0.3)
        await settle(50)
        assert world.server.sizes == [2, 2]
        world.server.open[0].set_result(None)
        await settle(50)
        assert len(world.outcomes.bound_uids) == 2
        assert not world.outcomes.refused_uids
