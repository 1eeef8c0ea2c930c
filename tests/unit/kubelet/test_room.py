"""A full node: who follows a Pod that was deleted by force waits for its end, and is not refused."""

import asyncio
from collections.abc import Callable

import pytest

from kubelet.config import KubeletConfig
from kubelet.runtime.hollow.program import Delay, Stages
from kubelet.runtime.records import ContainerPhase
from tests.unit.kubelet.harness import NODE, Node, node
from tests.unit.kubelet.pods import is_running
from vaina.api.core.v1 import pod_pb2
from vaina.steps import PodStep
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle

SLOW = Stages(stop_container=Delay(5, 5))
SMALL = KubeletConfig(node_name=NODE, capacity_cpu="1", capacity_pods=110)


def of_cpu(name: str, cpu: str = "1") -> pod_pb2.Pod:
    return make_pod(name, containers=[make_container(requests={"cpu": cpu})])


def of_port(name: str) -> pod_pb2.Pod:
    pod = make_pod(name)
    pod.spec.containers[0].ports.add(container_port=80, host_port=8080, protocol="TCP")
    return pod


async def running(on: Node) -> set[str]:
    """Return the uids of Pods of which something runs."""
    return {item.pod_uid for item in await on.containers() if item.phase is ContainerPhase.RUNNING}


async def delete(on: Node, name: str, grace: int) -> None:
    await on.client.pods.delete(name, "default", grace_period_seconds=grace)
    await settle()


@pytest.mark.parametrize("make", [of_cpu, of_port])
async def test_who_follows_a_pod_that_was_deleted_by_force_waits_for_its_end(
    make: Callable[[str], pod_pb2.Pod],
) -> None:
    async with node(SLOW, SMALL) as on:
        first = await on.create(make("first"))
        await on.until(is_running, name="first")
        await delete(on, "first", 0)
        late = await on.create(make("late"))

        seen = []
        while (pod := await on.get("late")).status.phase == "Pending":
            seen.append(await running(on))
            assert len(seen) < 200, "it never runs"
            await on.clock.advance(0.1)

        assert pod.status.phase == "Running"
        assert {first.metadata.uid} in seen, "the first one took its time"
        assert all(len(uids) <= 1 for uids in seen)
        assert await running(on) == {late.metadata.uid}
        told_of = "Pods that were deleted by force to end"
        assert on.recorder.waits == [(PodStep.SANDBOXED, over, told_of) for over in (False, True)]
        [told] = on.recorder.messages("WaitingForRoom")
        assert told == "Waiting for the end of Pods on this node that were deleted by force"


async def test_who_waits_for_room_may_go_again_and_leaves_it_to_others() -> None:
    async with node(SLOW, SMALL) as on:
        await on.create(of_cpu("first"))
        await on.until(is_running, name="first")
        await delete(on, "first", 0)
        await on.create(of_cpu("late"))
        await delete(on, "late", 30)
        assert await on.find("late") is None
        await on.create(of_cpu("last"))

        await on.until(is_running, name="last")


async def test_who_fits_beside_what_is_going_does_not_wait() -> None:
    async with node(SLOW, SMALL) as on:
        first = await on.create(of_cpu("first", "500m"))
        await on.until(is_running, name="first")
        await delete(on, "first", 0)
        late = await on.create(of_cpu("late", "500m"))

        assert await running(on) == {first.metadata.uid, late.metadata.uid}


async def test_a_pod_that_ends_in_its_own_time_holds_its_room_against_who_comes() -> None:
    async with node(SLOW, SMALL) as on:
        await on.create(of_cpu("first"))
        await on.until(is_running, name="first")
        await delete(on, "first", 30)
        await on.create(of_cpu("late"))

        refused = await on.until(lambda pod: pod.status.phase == "Failed", name="late")
        assert refused.status.reason == "OutOfcpu"


async def test_a_restarted_kubelet_knows_no_more_what_goes_and_refuses_nobody_for_it() -> None:
    """As upstream's, restarted or not.

    What is left of a Pod that nobody has any more says nothing of its size (decision 202).
    """
    async with node(SLOW, SMALL) as on, asyncio.TaskGroup() as group:
        first = await on.create(of_cpu("first"))
        await on.until(is_running, name="first")
        await on.stop_kubelet()
        await on.client.pods.delete("first", "default", grace_period_seconds=0)
        late = await on.create(of_cpu("late"))
        await on.start_kubelet(group)

        await on.until(is_running, name="late")
        await on.clock.advance(on.config.relist_seconds + 10)

        assert first.metadata.uid not in await running(on)
        assert await running(on) == {late.metadata.uid}
        await on.stop_kubelet()
