"""Pods that are resized while they run: a kubelet over the whole apiserver, with a hollow runtime (KEP-1287)."""

import asyncio
import json
from collections.abc import Mapping

from kubelet.config import KubeletConfig
from tests.unit.kubelet.harness import NODE, Node, node
from vaina.api.core.v1 import pod_pb2
from vaina.objects.conditions import get_condition
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle

CONFIG = KubeletConfig(node_name=NODE, capacity_pods=110, capacity_cpu="4", capacity_memory="8Gi")


def running(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Running"


async def resize(made: Node, requests: Mapping[str, str], name: str = "web") -> None:
    wanted = {"containers": [{"name": "app", "resources": {"requests": dict(requests)}}]}
    await made.client.pods.patch(
        name, json.dumps({"spec": wanted}), namespace="default", subresource="resize"
    )
    await settle()


async def start(made: Node, cpu: str, name: str = "web", policy: str = "") -> pod_pb2.Pod:
    pod = make_pod(name, containers=[make_container("app", requests={"cpu": cpu})])
    if policy:
        pod.spec.containers[0].resize_policy.add(resource_name="cpu", restart_policy=policy)
    await made.create(pod)
    return await made.until(running, name=name)


def has(cpu: str) -> object:
    def accept(pod: pod_pb2.Pod) -> bool:
        item = pod.status.container_statuses[0]
        settled = get_condition(pod.status, "PodResizeInProgress") is None
        return settled and item.resources.requests["cpu"].string == cpu and item.state.HasField("running")

    return accept


def pending(reason: str) -> object:
    def accept(pod: pod_pb2.Pod) -> bool:
        found = get_condition(pod.status, "PodResizePending")
        return found is not None and (found.status, found.reason) == ("True", reason)

    return accept


async def test_a_container_gets_more_without_being_started_again() -> None:
    async with node(config=CONFIG) as made:
        await start(made, "1")
        await resize(made, {"cpu": "2"})
        pod = await made.until(has("2"))
        (item,) = pod.status.container_statuses
        assert (item.restart_count, item.allocated_resources["cpu"].string) == (0, "2")
        assert pod.status.observed_generation == pod.metadata.generation == 2
        said = [
            made.recorder.messages(reason) for reason in ("ResizeStarted", "ResizeCompleted", "ResizeError")
        ]
        assert [len(words) for words in said] == [1, 1, 0]
        assert said[0][0].startswith('Pod resize started: {"containers":[{"name":"app"')


async def test_a_policy_that_wants_it_has_the_container_started_again_once() -> None:
    async with node(config=CONFIG) as made:
        await start(made, "1", policy="RestartContainer")
        await resize(made, {"cpu": "2"})
        pod = await made.until(has("2"))
        assert pod.status.container_statuses[0].restart_count == 1
        assert "Container app resize requires restart" in made.recorder.messages("Killing")
        await made.clock.advance(60.0)
        assert (await made.get()).status.container_statuses[0].restart_count == 1


async def test_what_the_node_can_never_give_is_said_and_changes_nothing() -> None:
    async with node(config=CONFIG) as made:
        await start(made, "1")
        await resize(made, {"cpu": "9"})
        pod = await made.until(pending("Infeasible"))
        assert pod.status.container_statuses[0].resources.requests["cpu"].string == "1"
        condition = get_condition(pod.status, "PodResizePending")
        assert condition is not None
        assert condition.message == "Node didn't have enough capacity: cpu, requested: 9000, capacity: 4000"
        await resize(made, {"cpu": "1"})
        pod = await made.until(lambda pod: get_condition(pod.status, "PodResizePending") is None)
        assert len(made.recorder.messages("ResizeInfeasible")) == 1


async def test_what_others_have_is_given_once_they_are_gone() -> None:
    async with node(config=CONFIG) as made:
        await start(made, "2", name="other")
        await start(made, "1")
        await resize(made, {"cpu": "3"})
        await made.until(pending("Deferred"))
        await made.client.pods.delete("other", "default", grace_period_seconds=0)
        pod = await made.until(has("3"))
        assert get_condition(pod.status, "PodResizePending") is None
        assert pod.status.container_statuses[0].restart_count == 0


async def test_a_wish_that_waits_takes_no_room_from_new_pods() -> None:
    async with node(config=CONFIG) as made:
        await start(made, "2", name="other")
        await start(made, "1")
        await resize(made, {"cpu": "3"})
        await made.until(pending("Deferred"))
        await start(made, "1", name="new")


async def test_a_restarted_kubelet_knows_what_was_given() -> None:
    async with node(config=CONFIG) as made:
        await start(made, "2", name="other")
        await start(made, "1")
        await resize(made, {"cpu": "3"})
        await made.until(pending("Deferred"))
        before = [state.id for state in await made.containers()]
        await made.stop_kubelet()
        async with asyncio.TaskGroup() as group:
            await made.start_kubelet(group)
            await made.clock.advance(30.0)
            pod = await made.until(pending("Deferred"))
            assert pod.status.container_statuses[0].allocated_resources["cpu"].string == "1"
            await resize(made, {"cpu": "2"})
            pod = await made.until(has("2"))
            assert [state.id for state in await made.containers()] == before
            await made.stop_kubelet()
