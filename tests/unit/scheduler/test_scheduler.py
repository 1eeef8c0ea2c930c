"""The whole scheduler against the whole apiserver in process, under a fake clock.

From Pending to bound, and all that goes wrong.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from scheduler.columns.snapshot import CPU
from scheduler.framework.binding_points import Handle
from scheduler.framework.plugin import Score
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Profile, Weighted
from scheduler.scheduler import Scheduler
from tests.support.apiserver import Harness, make_apiserver
from tests.support.columns import check_columns
from tests.support.faults import FaultyTransport
from tests.support.scheduler import build
from tests.unit.scheduler.objects import info, node, node_info, pod
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.cache.informer import MutationDetector
from vaina.client.clientset import Clientset
from vaina.client.transport import Metadata
from vaina.errors import NotFound
from vaina.objects.conditions import get_condition
from vaina.testing.clock import FakeClock, settle


class Between(FaultyTransport):
    """Lets something happen between a decision and its binding; keeps answers about single Pods back."""

    meddle: Callable[[], Awaitable[object]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answering = asyncio.Event()
        self.answering.set()

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        if method.endswith("/BindBatch") and self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            await meddle()
        if method.endswith("PodService/Get"):
            await self.answering.wait()
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


@dataclass
class World:
    """An apiserver and a scheduler that runs."""

    server: Harness
    transport: Between
    scheduler: Scheduler
    registry: CollectorRegistry

    async def create(self, *pods: pod_pb2.Pod) -> None:
        for made in pods:
            made.metadata.uid = ""
            await self.server.client.pods.create(made)
        await settle(200)

    async def add_node(self, made: node_pb2.Node) -> None:
        await self.server.client.nodes.create(made)
        await settle(200)

    async def get(self, name: str) -> pod_pb2.Pod:
        return await self.server.client.pods.get(name, "default")

    async def node_of(self, name: str) -> str:
        return (await self.get(name)).spec.node_name

    async def advance(self, seconds: float) -> None:
        """Move time on in small steps, with everything that follows."""
        for _ in range(int(seconds * 4)):
            await self.server.clock.advance(0.25)
            await settle(100)

    async def events(self) -> list[tuple[str, str, str]]:
        await self.advance(1)
        found = (await self.server.client.events.list("default")).items
        return [(event.type, event.reason, event.message) for event in found]

    def requested_cpu(self, name: str) -> int:
        table = self.scheduler.cache.table
        return int(table.snapshot().requested[CPU][table.rows[name]])


@asynccontextmanager
async def running(
    *nodes: node_pb2.Node,
    before: Callable[[Harness], object] | None = None,
    profiles: Sequence[Profile] = (),
    handle: Handle | None = None,
    check_plugins: bool = False,
) -> AsyncIterator[World]:
    server = make_apiserver()
    await server.app.bootstrap()
    for made in nodes:
        await server.client.nodes.create(made)
    transport = Between(server.client.transport, random.Random(1), verbs=["BindBatch"])
    detector, registry = MutationDetector(), CollectorRegistry()
    scheduler = build(
        Clientset(transport), server.clock, registry=registry, profiles=profiles, handle=handle, check_plugins=check_plugins, tie_break=lambda _count: 0,
        detector=detector,
    )  # fmt: skip
    world = World(server, transport, scheduler, registry)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(scheduler.run())
        try:
            await settle(200)
            yield world
            await check_columns(scheduler, server.client, server.clock)
        finally:
            task.cancel()
    detector.check()


async def test_a_pod_gets_a_node_a_condition_an_event_and_a_step() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("web", {"cpu": "1"}))
        made = await world.get("web")
        assert made.spec.node_name == "n1"
        condition = get_condition(made.status, "PodScheduled")
        assert condition is not None
        assert condition.status == "True"
        assert await world.events() == [("Normal", "Scheduled", "Successfully assigned default/web to n1")]
        await world.server.write_traces()
        trace = await world.server.client.pod_traces.get(made.metadata.uid, "default")
        [step] = [item for item in trace.status.steps if item.step == "SCHEDULED"]
        assert (step.component, step.message, trace.status.node_name) == (
            "scheduler", "n1, 1 of 1 nodes fit", "n1",
        )  # fmt: skip
        assert world.scheduler.cache.sizes() == {"nodes": 1, "pods": 1, "assumed_pods": 0}
        assert len(world.scheduler.queue) == 0


async def test_a_pod_that_fits_nowhere_says_why_and_goes_when_it_can() -> None:
    async with running(node("n1"), node("n2", taints=[("a", "", "NoSchedule")])) as world:
        await world.create(pod("web", {"cpu": "6"}))
        message = (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
            "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )
        assert await world.events() == [("Warning", "FailedScheduling", message)]
        condition = get_condition((await world.get("web")).status, "PodScheduled")
        assert condition is not None
        assert (condition.status, condition.reason, condition.message) == ("False", "Unschedulable", message)
        assert condition.HasField("last_transition_time")
        await world.add_node(node("n3", cpu="8"))
        await world.advance(2)
        made = await world.get("web")
        assert made.spec.node_name == "n3"
        condition = get_condition(made.status, "PodScheduled")
        assert condition is not None
        assert condition.status == "True"


class Eager(Score):
    """Gives Pods with a port of the node a score that there is not."""

    def score(self, state, pod, nodes, rows):
        return np.full(len(nodes.valid[rows]), 10**6 if pod.host_ports else 1)


async def test_an_attempt_that_ends_in_an_error_is_told_and_the_others_go_on() -> None:
    ours = default_profile()
    profile = replace(ours, scores=(*ours.scores, Weighted(Eager(), 1)))
    async with running(node("n1"), node("n2"), profiles=[profile]) as world:
        await world.create(pod("odd", ports=[(8080, "TCP")]), pod("web"))
        words = 'plugin "Eager" returns an invalid score 1000000, it should in the range of [0, 100] after normalizing'
        told = await world.events()
        assert ("Warning", "FailedScheduling", words) in told
        condition = get_condition((await world.get("odd")).status, "PodScheduled")
        assert condition is not None
        assert (condition.status, condition.reason, condition.message) == ("False", "SchedulerError", words)
        assert await world.node_of("odd") == ""
        assert await world.node_of("web") != ""


async def test_a_pod_waits_for_the_first_node() -> None:
    async with running() as world:
        await world.create(pod("web"))
        assert await world.events() == [
            ("Warning", "FailedScheduling", "no nodes available to schedule pods")
        ]
        await world.add_node(node("n1"))
        await world.advance(2)
        assert await world.node_of("web") == "n1"


async def test_room_is_given_back_by_pods_that_are_deleted_or_have_ended() -> None:
    async with running(node("n1", cpu="2")) as world:
        await world.create(pod("one", {"cpu": "1"}), pod("two", {"cpu": "1"}), pod("three", {"cpu": "1"}))
        assert [await world.node_of(name) for name in ("one", "two", "three")] == ["n1", "n1", ""]
        await world.server.client.pods.delete("one", "default", grace_period_seconds=0)
        await world.advance(3)
        assert await world.node_of("three") == "n1"
        await world.create(pod("four", {"cpu": "1"}))
        ended = await world.get("two")
        ended.status.phase = "Succeeded"
        await world.server.client.pods.update_status(ended)
        await world.advance(3)
        assert await world.node_of("four") == "n1"


async def test_a_pod_that_is_ending_keeps_its_room_until_it_is_gone() -> None:
    async with running(node("n1", cpu="1")) as world:
        await world.create(pod("one", {"cpu": "1"}))
        await world.server.client.pods.delete("one", "default")
        await world.create(pod("two", {"cpu": "1"}))
        await world.advance(12)
        assert (await world.get("one")).metadata.HasField("deletion_timestamp")
        assert await world.node_of("two") == ""


async def test_pods_of_other_schedulers_are_left_alone_and_counted() -> None:
    async with running(node("n1", cpu="2")) as world:
        await world.create(pod("theirs", {"cpu": "2"}, scheduler="other"))
        assert await world.node_of("theirs") == ""
        assert len(world.scheduler.queue) == 0
        theirs = await world.get("theirs")
        await world.server.client.pods.bind("theirs", namespace="default", uid=theirs.metadata.uid, node="n1")
        await settle(200)
        assert world.requested_cpu("n1") == 2000
        await world.create(pod("ours", {"cpu": "1"}))
        assert await world.node_of("ours") == ""


async def test_a_gated_pod_waits_for_its_gates() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("web", gates=["approval"]))
        await world.advance(2)
        assert await world.node_of("web") == ""
        assert world.scheduler.queue.sizes()["gated"] == 1
        free = await world.get("web")
        del free.spec.scheduling_gates[:]
        await world.server.client.pods.update(free)
        await settle(200)
        assert await world.node_of("web") == "n1"


async def test_a_pod_that_is_deleted_while_it_waits_is_forgotten() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("web", {"cpu": "64"}))
        await world.server.client.pods.delete("web", "default")
        await settle(200)
        with pytest.raises(NotFound):
            await world.get("web")
        assert len(world.scheduler.queue) == 0


async def test_a_refused_binding_gives_its_room_back_and_is_tried_again() -> None:
    async with running(node("n1")) as world:
        world.transport.meddle = lambda: world.server.client.nodes.delete("n1")
        await world.create(pod("web", {"cpu": "1"}))
        assert await world.node_of("web") == ""
        assert world.scheduler.cache.sizes() == {"nodes": 0, "pods": 0, "assumed_pods": 0}
        assert world.scheduler.queue.sizes()["backoff"] == 1
        await world.add_node(node("n2"))
        await world.advance(3)
        assert await world.node_of("web") == "n2"
        rejected, _ = await world.events()
        assert rejected[:2] == ("Warning", "FailedScheduling")
        assert rejected[2].startswith("binding rejected: ")


async def test_a_refused_binding_wakes_nobody_for_whom_there_is_no_room() -> None:
    async with running(node("n1", cpu="1"), node("n2", cpu="500m")) as world:
        await world.create(pod("large", {"cpu": "4"}))
        for name, meddle in (
            ("goes", lambda: world.server.client.pods.delete("goes", "default", grace_period_seconds=0)),
            ("stays", lambda: world.server.client.nodes.delete("n1")),
        ):
            world.transport.meddle = meddle
            await world.create(pod(name, {"cpu": "1"}))
            await world.advance(3)
            assert world.transport.meddle is None, "nothing was bound"
        large = world.scheduler.queue.get((await world.get("large")).metadata.uid)
        assert large is not None
        assert large.attempts == 1


async def test_a_binding_that_somebody_else_made_first_is_looked_up_and_left_to_the_watch() -> None:
    async with running(node("n1"), node("n2")) as world:

        async def bind_elsewhere() -> None:
            uid = (await world.get("web")).metadata.uid
            await world.server.client.pods.bind("web", namespace="default", uid=uid, node="n2")

        world.transport.meddle = bind_elsewhere
        await world.create(pod("web", {"cpu": "1"}))
        assert await world.node_of("web") == "n2"
        assert (world.requested_cpu("n1"), world.requested_cpu("n2")) == (0, 1000)
        assert len(world.scheduler.queue) == 0


async def test_a_lost_answer_never_leads_to_a_second_node() -> None:
    async with running(node("n1"), node("n2")) as world:
        world.transport.lose_answer = 1.0
        await world.create(*(pod(f"p{number}", {"cpu": "500m"}) for number in range(6)))
        await world.advance(2)
        world.transport.lose_answer = 0.0
        await world.advance(10)
        nodes = [await world.node_of(f"p{number}") for number in range(6)]
        assert sorted(nodes) == ["n1"] * 3 + ["n2"] * 3
        assert world.transport.lost >= 1
        assert (world.requested_cpu("n1"), world.requested_cpu("n2")) == (1500, 1500)
        events = await world.events()
        assert sorted(reason for _, reason, _ in events) == ["Scheduled"] * 6
        assert len(world.scheduler.queue) == 0
        assert world.scheduler._binder.pending == 0


async def test_a_binding_that_never_arrived_is_sent_again_to_the_same_node() -> None:
    async with running(node("n1"), node("n2")) as world:
        world.transport.lose_request = 1.0
        await world.create(pod("web", {"cpu": "1"}))
        assert world.requested_cpu("n1") == 1000
        await world.advance(2)
        assert await world.node_of("web") == ""
        world.transport.lose_request = 0.0
        await world.advance(8)
        assert await world.node_of("web") == "n1"
        assert (world.requested_cpu("n1"), world.requested_cpu("n2")) == (1000, 0)


async def test_a_pod_that_is_deleted_while_its_binding_is_unknown_is_forgotten() -> None:
    async with running(node("n1")) as world:
        world.transport.lose_request = 1.0
        await world.create(pod("web", {"cpu": "1"}))
        await world.server.client.pods.delete("web", "default")
        await settle(200)
        assert world.requested_cpu("n1") == 0
        world.transport.lose_request = 0.0
        await world.advance(8)
        assert world.scheduler._binder.pending == 0


async def test_somebody_elses_binding_wins() -> None:
    async with running(node("n1"), node("n2")) as world:
        world.transport.lose_request = 1.0
        await world.create(pod("web", {"cpu": "1"}))
        uid = (await world.get("web")).metadata.uid
        await world.server.client.pods.bind("web", namespace="default", uid=uid, node="n2")
        await settle(200)
        world.transport.lose_request = 0.0
        await world.advance(8)
        assert await world.node_of("web") == "n2"
        assert (world.requested_cpu("n1"), world.requested_cpu("n2")) == (0, 1000)


async def test_a_scheduler_that_starts_counts_what_is_there_before_it_decides() -> None:
    async with running(node("n1", cpu="2")) as world:
        await world.create(pod("one", {"cpu": "1"}), pod("two", {"cpu": "1"}))
        server = world.server
    await server.client.pods.create(pod("three", {"cpu": "1"}))
    scheduler = build(server.client, server.clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(scheduler.run())
        await settle(300)
        assert (await server.client.pods.get("three", "default")).spec.node_name == ""
        assert scheduler.queue.sizes()["unschedulable"] == 1
        task.cancel()


async def test_nodes_never_hold_more_than_they_have() -> None:
    async with running(*(node(f"n{number}", cpu="3", pods="4") for number in range(5))) as world:
        await world.create(*(pod(f"p{number}", {"cpu": "900m"}) for number in range(30)))
        await world.advance(5)
        placed = [made.spec.node_name for made in (await world.server.client.pods.list("default")).items]
        assert {name: placed.count(name) for name in set(placed)} == {
            "": 15, "n0": 3, "n1": 3, "n2": 3, "n3": 3, "n4": 3,
        }  # fmt: skip


async def test_attempts_and_queues_are_counted_under_upstreams_names() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("web"), pod("large", {"cpu": "64"}))
        await world.advance(2)
        value = world.registry.get_sample_value
        labels = {"profile": "default-scheduler"}
        assert value("scheduler_schedule_attempts_total", {"result": "scheduled", **labels}) == 1
        assert value("scheduler_schedule_attempts_total", {"result": "unschedulable", **labels}) == 1
        assert value("scheduler_scheduling_algorithm_duration_seconds_count") == 1
        assert value("scheduler_pending_pods", {"queue": "unschedulable"}) == 1
        assert value("scheduler_scheduler_cache_size", {"type": "nodes"}) == 1
        assert value("scheduler_pod_scheduling_attempts_count") == 1
        assert value("scheduler_pod_scheduling_sli_duration_seconds_count", {"attempts": "1"}) == 1
        assert value("scheduler_queue_incoming_pods_total", {"queue": "active", "event": "PodAdd"}) == 2
        assert value("scheduler_event_handling_duration_seconds_count", {"event": "NodeAdd"}) == 1
        assert value(
            "scheduler_framework_extension_point_duration_seconds_count",
            {"extension_point": "Filter", "status": "Success", **labels},
        ) == 1  # fmt: skip
        assert value(
            "scheduler_plugin_evaluation_total",
            {"plugin": "NodeResourcesFit", "extension_point": "Filter", **labels},
        ) == 2  # fmt: skip


class Hurried(FakeClock):
    """A clock on which everything takes long: each look at it costs ten milliseconds."""

    def monotonic(self) -> float:
        self._monotonic += 0.01
        return self._monotonic


async def test_slow_decisions_give_others_a_turn_after_each() -> None:
    server = make_apiserver()
    scheduler = build(server.client, Hurried(), registry=CollectorRegistry())
    scheduler.cache.upsert_node(node_info(node("n1")))
    for number in range(3):
        scheduler.queue.add(info(pod(f"p{number}", uid=f"p{number}")), now=0.0)
    assert [scheduler.cycle() for _ in range(4)] == [1, 1, 1, 0]
