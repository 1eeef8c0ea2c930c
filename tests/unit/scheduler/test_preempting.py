"""Preemption end to end, in process: victims marked, told of and deleted; their room kept.

The Pod placed as soon as they are gone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from tests.support.apiserver import Harness, make_apiserver
from tests.support.scheduler import build
from tests.support.tasks import running as running_tasks
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World, running
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.client.verbs import binding
from vaina.objects.conditions import get_condition
from vaina.testing.clock import settle

CLASSES = {"low": 1, "middle": 5, "high": 10}


def of_class(name: str, requests: Mapping[str, str], priority: str = "", *, grace: int = 30) -> pod_pb2.Pod:
    """Make a Pod of a priority class (CLASSES; none: 0)."""
    made = pod(name, requests)
    made.spec.priority_class_name = priority
    made.spec.ClearField("priority")
    made.spec.termination_grace_period_seconds = grace
    return made


async def add_classes(server: Harness) -> None:
    """Create the priority classes."""
    for name, value in CLASSES.items():
        await server.client.priority_classes.create(
            priority_class_pb2.PriorityClass(metadata=meta_pb2.ObjectMeta(name=name), value=value)
        )


@asynccontextmanager
async def cluster(*nodes: node_pb2.Node) -> AsyncIterator[World]:
    """A scheduler that runs, and priority classes."""
    async with running(*nodes) as world:
        await add_classes(world.server)
        yield world


@asynccontextmanager
async def scheduling(server: Harness) -> AsyncIterator[None]:
    """A scheduler that runs, and then does not."""
    scheduler = build(server.client, server.clock, registry=CollectorRegistry(), tie_break=lambda _count: 0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(scheduler.run())
        await settle(200)
        yield
        task.cancel()


async def passing(server: Harness, seconds: float) -> None:
    """Let time pass, and everything that follows."""
    for _ in range(int(seconds * 4)):
        await server.clock.advance(0.25)
        await settle(100)


async def end(world: World, name: str) -> None:
    """Let a Pod end at last, as its kubelet would."""
    await world.server.client.pods.delete(name, "default", grace_period_seconds=0)
    await world.advance(0.5)


async def test_a_pod_of_a_lower_priority_goes_and_the_other_comes() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await world.create(of_class("low", {"cpu": "3"}, "low"))
        await world.create(of_class("high", {"cpu": "2"}, "high"))
        await world.advance(0.5)
        victim = await world.get("low")
        condition = get_condition(victim.status, "DisruptionTarget")
        assert condition is not None
        assert (condition.status, condition.reason, condition.message) == (
            "True", "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod",
        )  # fmt: skip
        assert victim.metadata.HasField("deletion_timestamp")
        assert victim.metadata.deletion_grace_period_seconds == 30
        waiting = await world.get("high")
        assert waiting.status.nominated_node_name == "n1"
        assert waiting.spec.node_name == ""
        events = await world.events()
        assert ("Normal", "Preempted", f"Preempted by pod {waiting.metadata.uid} on node n1") in events
        words = "0/1 nodes are available: 1 Insufficient cpu."
        assert ("Warning", "FailedScheduling", words) in events
        await end(world, "low")
        placed = await world.get("high")
        assert placed.spec.node_name == "n1"
        assert placed.status.nominated_node_name == ""


async def preempting(world: World) -> None:
    """A node full of one low Pod, which takes its time to end, and a high one that waits for it."""
    await world.create(of_class("low", {"cpu": "3"}, "low"))
    await world.create(of_class("high", {"cpu": "3"}, "high"))
    await world.advance(0.5)
    assert (await world.get("high")).status.nominated_node_name == "n1"


def attempts(world: World) -> float:
    """How many attempts there were, of any result."""
    names = ("scheduled", "unschedulable", "error")
    labels = [{"result": name, "profile": "default-scheduler"} for name in names]
    values = [world.registry.get_sample_value("scheduler_schedule_attempts_total", item) for item in labels]
    return sum(value or 0 for value in values)


async def test_room_is_kept_until_the_pod_comes() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await preempting(world)
        # These would fit as soon as the victim is gone, and were there first.
        await world.create(of_class("same", {"cpu": "2"}, "middle"))
        await end(world, "low")
        await world.advance(2)
        assert await world.node_of("high") == "n1"
        assert await world.node_of("same") == ""
        assert "Insufficient cpu" in [e for e in await world.events() if e[1] == "FailedScheduling"][-1][2]


async def test_waiting_costs_no_attempts() -> None:
    async with cluster(node("n1", cpu="4"), node("n2", cpu="1")) as world:
        await preempting(world)
        before = attempts(world)
        # Pods come and go elsewhere meanwhile.
        for number in range(5):
            await world.create(of_class(f"small-{number}", {"cpu": "1"}))
            await end(world, f"small-{number}")
        assert attempts(world) - before == 5
        await world.advance(20)
        assert attempts(world) - before == 5
        await end(world, "low")
        assert attempts(world) - before == 6
        assert await world.node_of("high") == "n1"


async def test_room_elsewhere_is_taken_though_victims_are_ending() -> None:
    async with cluster(node("n1", cpu="4"), node("n2", cpu="4", taints=[("a", "", "NoSchedule")])) as world:
        await preempting(world)
        await world.add_node(node("n3", cpu="4"))
        await world.advance(2)
        assert await world.node_of("high") == "n3"
        await world.create(of_class("next", {"cpu": "1"}, "high"))
        assert await world.node_of("next") != "", "room was kept for a Pod that went elsewhere"


async def test_room_is_given_back_when_the_pod_is_deleted() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await preempting(world)
        await world.create(of_class("other", {"cpu": "2"}, "middle"))
        await world.server.client.pods.delete("high", "default", grace_period_seconds=0)
        await end(world, "low")
        await world.advance(2)
        assert await world.node_of("other") == "n1"


async def test_room_that_is_given_back_is_taken_at_once() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await preempting(world)
        # Beside the victim there is room, but it is kept together with the victim's.
        await world.create(of_class("small", {"cpu": "1"}))
        await world.advance(2)
        assert await world.node_of("small") == ""
        await world.server.client.pods.delete("high", "default", grace_period_seconds=0)
        await world.advance(2)
        assert await world.node_of("small") == "n1"


async def test_room_is_taken_at_once_when_somebody_else_places_the_pod_elsewhere() -> None:
    async with cluster(node("n1", cpu="4"), node("n2", cpu="4", taints=[("a", "", "NoSchedule")])) as world:
        await preempting(world)
        await world.create(of_class("small", {"cpu": "1"}))
        await world.advance(2)
        assert await world.node_of("small") == ""
        high = (await world.get("high")).metadata
        await world.server.client.pods.bind_batch([binding("default", "high", high.uid, "n2")])
        await world.advance(2)
        assert await world.node_of("small") == "n1"


async def test_a_pod_whose_node_somebody_takes_out_of_view_looks_again() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await preempting(world)
        high = await world.get("high")
        high.status.nominated_node_name = ""
        await world.server.client.pods.update_status(high)
        await world.advance(2)
        assert (await world.get("high")).status.nominated_node_name == "n1"


async def test_a_more_important_pod_takes_the_room_and_the_other_looks_again() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await world.create(of_class("low", {"cpu": "3"}))
        await world.create(of_class("middle", {"cpu": "3"}, "middle"))
        await world.advance(0.5)
        assert (await world.get("middle")).status.nominated_node_name == "n1"
        await world.create(of_class("high", {"cpu": "3"}, "high"))
        await world.advance(2)
        assert (await world.get("high")).status.nominated_node_name == "n1"
        assert (await world.get("middle")).status.nominated_node_name == ""
        await end(world, "low")
        await world.advance(2)
        assert await world.node_of("high") == "n1"
        assert await world.node_of("middle") == ""


async def test_a_node_that_goes_is_no_longer_in_view() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        await preempting(world)
        await world.server.client.nodes.delete("n1")
        await world.advance(2)
        assert (await world.get("high")).status.nominated_node_name == ""
        await world.add_node(node("n2", cpu="4"))
        await world.advance(2)
        assert await world.node_of("high") == "n2"


async def test_several_go_and_the_others_stay() -> None:
    async with cluster(node("n1", cpu="4")) as world:
        for number in range(4):
            await world.create(of_class(f"low-{number}", {"cpu": "1"}, grace=0))
        await world.create(of_class("high", {"cpu": "3"}, "high"))
        await world.advance(2)
        assert await world.node_of("high") == "n1"
        left = [pod.metadata.name for pod in (await world.server.client.pods.list("default")).items]
        assert len(left) == 2
        assert world.registry.get_sample_value("scheduler_preemption_victims_sum") == 3
        assert world.registry.get_sample_value("scheduler_preemption_attempts_total") == 1
        done = {"result": "success"}
        assert world.registry.get_sample_value("scheduler_preemption_goroutines_execution_total", done) == 1
        assert world.requested_cpu("n1") == 4000


async def test_a_scheduler_that_comes_later_finds_what_was_begun() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    await add_classes(server)
    await server.client.nodes.create(node("n1", cpu="4"))
    async with scheduling(server):
        for made in (of_class("low", {"cpu": "3"}, "low"), of_class("high", {"cpu": "3"}, "high")):
            made.metadata.uid = ""
            await server.client.pods.create(made)
            await passing(server, 1)
    assert (await server.client.pods.get("high", "default")).status.nominated_node_name == "n1"
    made = of_class("middle", {"cpu": "2"}, "middle")
    made.metadata.uid = ""
    await server.client.pods.create(made)
    async with scheduling(server):
        await passing(server, 2)
        await server.client.pods.delete("low", "default", grace_period_seconds=0)
        await passing(server, 2)
    pods = {pod.metadata.name: pod for pod in (await server.client.pods.list("default")).items}
    assert (pods["high"].spec.node_name, pods["middle"].spec.node_name) == ("n1", "")


async def test_a_budget_is_respected_where_there_is_another_way() -> None:
    async with cluster(node("n1", cpu="4"), node("n2", cpu="4")) as world:
        protected = of_class("protected", {"cpu": "3"})
        protected.metadata.labels["app"] = "zk"
        await world.create(protected)
        await world.create(of_class("low", {"cpu": "3"}, "low"))
        budgets = world.server.client.pod_disruption_budgets
        budget = pod_disruption_budget_pb2.PodDisruptionBudget(
            metadata=meta_pb2.ObjectMeta(name="zk", namespace="default")
        )
        budget.spec.selector.match_labels["app"] = "zk"
        made = await budgets.create(budget)
        made.status.disruptions_allowed = 0
        await budgets.update_status(made)
        await settle(200)
        await world.create(of_class("high", {"cpu": "3"}, "high"))
        await world.advance(0.5)
        assert (await world.get("high")).status.nominated_node_name == await world.node_of("low")
        assert not (await world.get("protected")).metadata.HasField("deletion_timestamp")


async def test_what_a_standby_saw_is_not_written_when_it_leads() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    await add_classes(server)
    for name in ("n1", "n2"):
        await server.client.nodes.create(node(name, cpu="4"))
    low, high = of_class("low", {"cpu": "3"}, "low"), of_class("high", {"cpu": "3"}, "high")
    low.spec.node_name = "n2"
    for made in (low, high):
        made.metadata.uid = ""
        await server.client.pods.create(made)
    scheduler = build(server.client, server.clock, registry=CollectorRegistry(), tie_break=lambda _count: 0)

    async def nominate(name: str) -> None:
        waiting = await server.client.pods.get("high", "default")
        waiting.status.nominated_node_name = name
        await server.client.pods.update_status(waiting)
        await settle(200)

    async with running_tasks(scheduler.follow()):
        await nominate("n1")
        await server.client.nodes.delete("n1")
        await settle(200)
        # The leader has found another place, and makes room there.
        victim = await server.client.pods.get("low", "default")
        victim.status.conditions.add(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
        await server.client.pods.update_status(victim)
        await server.client.pods.delete("low", "default", grace_period_seconds=30)
        await nominate("n2")
        async with running_tasks(scheduler.lead()):
            await passing(server, 2)
            assert (await server.client.pods.get("high", "default")).status.nominated_node_name == "n2"
