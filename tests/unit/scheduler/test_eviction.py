"""Victims are marked, deleted by uid and told of, whatever becomes of the calls."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from scheduler.eviction import MAX_TRIES, Evictor, Preemption
from scheduler.metrics import PreemptionMetrics
from tests.support.apiserver import Harness, make_apiserver
from tests.support.faults import FaultyTransport
from tests.unit.scheduler.objects import info, pod
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.transport import Metadata
from vaina.errors import ApiError, Forbidden, Unavailable
from vaina.objects.conditions import get_condition
from vaina.testing.clock import settle


class Scripted(FaultyTransport):
    """Answers the next deletions by a list: an error instead, or none."""

    def __init__(self, server: Harness) -> None:
        super().__init__(server.client.transport, random.Random(1))
        #: (error, whether the call was served all the same)
        self.script: list[tuple[ApiError, bool]] = []
        #: instead of what the server would say of each Pod
        self.answers: list[list[meta_pb2.Status]] = []
        self.calls: list[str] = []

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        verb = method.rpartition("/")[2]
        self.calls.append(verb)
        if verb == "DeleteBatch" and self.script:
            error, served = self.script.pop(0)
            if served:
                await super().unary(method, request, timeout=timeout, metadata=metadata)
            raise error
        if verb == "DeleteBatch" and self.answers:
            results = [raw_pb2.RawResult(error=status) for status in self.answers.pop(0)]
            return raw_pb2.RawBatchResponse(results=results).SerializeToString()
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


@dataclass
class World:
    """An apiserver with Pods, and an evictor that runs."""

    server: Harness
    transport: Scripted
    evictor: Evictor
    registry: CollectorRegistry
    ended: list[tuple[str, str]] = field(default_factory=list)

    async def preempt(self, *names: str, by: str = "high") -> None:
        victims = [info(await self.server.client.pods.get(name, "default")) for name in names]
        self.evictor.submit(Preemption(info(pod(by, uid=f"uid-of-{by}", priority=10)), "n1", tuple(victims)))
        await settle(100)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            await self.server.clock.advance(0.25)
            await settle(50)

    async def left(self) -> set[str]:
        return {pod.metadata.name for pod in (await self.server.client.pods.list("default")).items}

    async def told(self) -> list[str]:
        await self.pass_time(2)
        events = (await self.server.client.events.list("default")).items
        return sorted(f"{event.involved_object.name}: {event.message}" for event in events)


@asynccontextmanager
async def evicting(*names: str, grace: int = 0) -> AsyncIterator[World]:
    server = make_apiserver()
    await server.app.bootstrap()
    for name in names:
        made = pod(name)
        made.metadata.uid, made.spec.termination_grace_period_seconds = "", grace
        made.spec.node_name = "n1" if grace else ""
        await server.client.pods.create(made)
    transport, registry = Scripted(server), CollectorRegistry()
    clients = Clientset(transport)
    recorder = EventRecorder(clients.events, "default-scheduler", "test", server.clock)
    ended: list[tuple[str, str]] = []

    def note(preemption: Preemption, error: ApiError | None) -> None:
        ended.append((preemption.preemptor.name, "" if error is None else error.reason))

    evictor = Evictor(
        clients.pods, server.clock, {"default-scheduler": recorder}, PreemptionMetrics(registry), note
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(evictor.run()), group.create_task(recorder.run())]
        yield World(server, transport, evictor, registry, ended)
        for task in tasks:
            task.cancel()


async def test_victims_are_marked_before_they_are_deleted_and_told_of_after() -> None:
    async with evicting("a", "b", grace=30) as world:
        await world.preempt("a", "b")
        for name in ("a", "b"):
            victim = await world.server.client.pods.get(name, "default")
            condition = get_condition(victim.status, "DisruptionTarget")
            assert condition is not None
            assert (condition.status, condition.reason) == ("True", "PreemptionByScheduler")
            assert victim.metadata.deletion_grace_period_seconds == 30
        assert world.transport.calls[:2] == ["UpdateStatusBatch", "DeleteBatch"]
        assert await world.told() == [
            f"{name}: Preempted by pod uid-of-high on node n1" for name in ("a", "b")
        ]
        assert world.ended == [("high", "")]
        event = (await world.server.client.events.list("default")).items[0]
        assert (event.type, event.reason, event.action) == ("Normal", "Preempted", "Preempting")
        assert (event.related.kind, event.related.name) == ("Pod", "high")


async def test_many_preemptions_share_calls() -> None:
    names = [f"p{number}" for number in range(40)]
    async with evicting(*names) as world:
        for name in names:
            world.evictor.submit(
                Preemption(
                    info(pod(f"high-{name}", uid=name)), "n1",
                    (info(await world.server.client.pods.get(name, "default")),),
                )
            )  # fmt: skip
        await settle(200)
        assert await world.left() == set()
        assert world.transport.calls.count("DeleteBatch") <= 2
        assert len(world.ended) == 40


async def test_a_victim_of_two_is_evicted_once() -> None:
    async with evicting("a") as world:
        victim = info(await world.server.client.pods.get("a", "default"))
        for name in ("one", "two"):
            world.evictor.submit(Preemption(info(pod(name, uid=name)), "n1", (victim,)))
        await settle(100)
        assert len(await world.told()) == 1
        assert sorted(world.ended) == [("one", ""), ("two", "")]


async def test_a_victim_that_is_gone_is_no_error() -> None:
    async with evicting("a", "b") as world:
        victims = [info(await world.server.client.pods.get(name, "default")) for name in ("a", "b")]
        await world.server.client.pods.delete("a", "default")
        world.evictor.submit(Preemption(info(pod("high", uid="x")), "n1", tuple(victims)))
        await settle(100)
        assert await world.left() == set()
        assert world.ended == [("high", "")]
        assert [line.partition(":")[0] for line in await world.told()] == ["b"]


async def test_another_pod_of_the_name_is_left_alone() -> None:
    async with evicting("a") as world:
        victim = info(await world.server.client.pods.get("a", "default"))
        await world.server.client.pods.delete("a", "default")
        again = pod("a")
        again.metadata.uid = ""
        await world.server.client.pods.create(again)
        world.evictor.submit(Preemption(info(pod("high", uid="x")), "n1", (victim,)))
        await world.pass_time(1)
        assert await world.left() == {"a"}
        found = await world.server.client.pods.get("a", "default")
        assert get_condition(found.status, "DisruptionTarget") is None


async def test_a_call_that_is_not_answered_is_tried_again() -> None:
    for served in (False, True):
        async with evicting("a") as world:
            world.transport.script = [(Unavailable("connection refused"), served)] * 2
            await world.preempt("a")
            await world.pass_time(2)
            assert await world.left() == set()
            assert world.ended == [("high", "")]


async def test_who_preempts_is_told_when_it_does_not_succeed() -> None:
    async with evicting("a", "b") as world:
        world.transport.script = [(Unavailable("connection refused"), False)] * MAX_TRIES
        await world.preempt("a")
        await world.pass_time(20)
        assert world.ended == [("high", "ServiceUnavailable")]
        assert await world.left() == {"a", "b"}
        # The next one is not held up by it.
        await world.preempt("b", by="other")
        assert world.ended[1:] == [("other", "")]
        assert await world.left() == {"a"}
        name = "scheduler_preemption_goroutines_execution_total"
        assert [
            world.registry.get_sample_value(name, {"result": result}) for result in ("success", "error")
        ] == [1, 1]


async def test_a_refusal_is_not_tried_again() -> None:
    async with evicting("a") as world:
        world.transport.script = [(Forbidden("not yours"), False)]
        await world.preempt("a")
        assert world.ended == [("high", "Forbidden")]
        assert world.transport.calls.count("DeleteBatch") == 1


async def test_a_refusal_is_not_forgotten_while_others_are_tried_again() -> None:
    async with evicting("a", "b") as world:
        forbidden = meta_pb2.Status(status="Failure", reason="Forbidden", code=403, message="not yours")
        away = meta_pb2.Status(
            status="Failure", reason="ServiceUnavailable", code=503, message="etcd is away"
        )
        world.transport.answers = [[forbidden, away]]
        for name, victim in (("one", "a"), ("two", "b")):
            found = info(await world.server.client.pods.get(victim, "default"))
            world.evictor.submit(Preemption(info(pod(name, uid=name)), "n1", (found,)))
        await world.pass_time(2)
        assert world.ended == [("one", "Forbidden"), ("two", "")]
        assert await world.left() == {"a"}
