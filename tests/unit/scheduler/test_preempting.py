"""Preemption end to end, in process: victims marked, told of and deleted; their room kept; the Pod placed as soon as they are gone."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World, running
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.objects.conditions import get_condition

CLASSES = {"low": 1, "middle": 5, "high": 10}


def of_class(name: str, requests: Mapping[str, str], priority: str = "", *, grace: int = 30) -> pod_pb2.Pod:
    """Make a Pod of a priority class (CLASSES; none: 0)."""
    made = pod(name, requests)
    made.spec.priority_class_name = priority
    made.spec.ClearField("priority")
    made.spec.termination_grace_period_seconds = grace
    return made


@asynccontextmanager
async def cluster(*nodes: node_pb2.Node) -> AsyncIterator[World]:
    """A scheduler that runs, and priority classes."""
    async with running(*nodes) as world:
        for name, value in CLASSES.items():
            await world.server.client.priority_classes.create(
                priority_class_pb2.PriorityClass(metadata=meta_pb2.ObjectMeta(name=name), value=value)
            )
        yield world


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
