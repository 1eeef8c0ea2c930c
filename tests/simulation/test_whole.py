"""The whole system in one process.

The seven steps, nodes that fall silent, and parts that are killed while replicas come up.
"""

import asyncio
from contextlib import aclosing

import pytest

from controller.config import ControllerConfig
from tests.support.faults import FaultyTransport
from tests.support.whole import Whole, whole
from vaina.api.core.v1 import pod_pb2
from vaina.client.transport import Transport
from vaina.errors import ApiError
from vaina.steps import PodStep
from vaina.testing.builders import make_pod, make_replica_set


def is_running(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Running" and not pod.metadata.HasField("deletion_timestamp")


def running(system: Whole, count: int, selector: str = ""):
    async def check():
        pods = await system.pods(selector)
        return pods if len(pods) == count and all(is_running(pod) for pod in pods) else None

    return check


async def test_a_pod_goes_through_the_seven_steps():
    async with whole() as system:
        made = await system.client.pods.create(make_pod("web"))
        (pod,) = await system.until(running(system, 1))
        assert pod.spec.node_name in system.nodes
        assert pod.status.pod_ip
        await system.clock.advance(1)
        trace = await system.client.pod_traces.get(made.metadata.uid, "default")
        assert [record.step for record in trace.status.steps] == [step.value for step in PodStep]
        assert [record.component for record in trace.status.steps] == [
            "apiserver",
            "scheduler",
            *["kubelet"] * 5,
        ]


async def test_replicas_are_spread_and_their_end_is_the_containers_first():
    async with whole() as system:
        await system.client.replica_sets.create(make_replica_set("web", replicas=9))
        pods = await system.until(running(system, 9))
        assert {pod.spec.node_name for pod in pods} == set(system.nodes)
        assert len({pod.status.pod_ip for pod in pods}) == 9
        await system.client.replica_sets.delete("web", "default")

        async def gone():
            return not await system.pods()

        await system.until(gone, seconds=90)
        for node in system.nodes.values():
            assert [c for c in await node.runtime.list_containers() if c.phase.name == "RUNNING"] == []


@pytest.mark.requirement("B14", "D4")
async def test_a_node_that_falls_silent_is_replaced_and_taken_back():
    async with whole(config=ControllerConfig(pod_eviction_seconds=30)) as system:
        await system.client.replica_sets.create(make_replica_set("web", replicas=6))
        await system.until(running(system, 6))
        await system.kill("node-1")

        async def unknown():
            return [pod for pod in await system.pods() if pod.status.phase == "Unknown"]

        lost = await system.until(unknown, seconds=60)
        assert {pod.spec.node_name for pod in lost} == {"node-1"}

        async def elsewhere():
            return sum(is_running(pod) and pod.spec.node_name != "node-1" for pod in await system.pods()) == 6

        await system.until(elsewhere, seconds=60)
        system.start("node-1")
        await system.until(running(system, 6), seconds=90)
        node = await system.client.nodes.get("node-1")
        assert list(node.spec.taints) == []
        assert {c.status for c in node.status.conditions if c.type == "Ready"} == {"True"}


@pytest.mark.requirement("B14")
async def test_a_short_silence_changes_nothing_but_the_phase():
    async with whole() as system:
        await system.client.replica_sets.create(make_replica_set("web", replicas=6))
        before = {pod.metadata.uid for pod in await system.until(running(system, 6))}
        histories = {name: len(node.runtime.history) for name, node in system.nodes.items()}
        await system.kill("node-2")

        async def unknown():
            return [pod for pod in await system.pods() if pod.status.phase == "Unknown"]

        await system.until(unknown, seconds=60)
        system.start("node-2")
        after = {pod.metadata.uid for pod in await system.until(running(system, 6), seconds=60)}
        assert after == before
        assert {name: len(node.runtime.history) for name, node in system.nodes.items()} == histories


class Watcher:
    """Sees every state of every Pod; remembers what must never change."""

    def __init__(self, system: Whole) -> None:
        self.system = system
        self.nodes: dict[str, set[str]] = {}

    async def run(self) -> None:
        version = ""
        while True:
            try:
                stream = self.system.client.pods.watch("default", resource_version=version)
                async with aclosing(stream) as batches:
                    async for batch in batches:
                        version = batch.resource_version or version
                        for event in batch.events:
                            seen = self.nodes.setdefault(event.object.metadata.uid, set())
                            if event.object.spec.node_name:
                                seen.add(event.object.spec.node_name)
            except ApiError:
                continue


@pytest.mark.parametrize("seed", range(5))
async def test_every_part_is_killed_while_thirty_replicas_come_up(seed):
    async with whole(seed=seed) as system, asyncio.TaskGroup() as group:
        watcher = Watcher(system)
        watching = group.create_task(watcher.run())
        await system.client.replica_sets.create(make_replica_set("herd", replicas=30))
        kills = ["scheduler", "controller", system.rng.choice([*system.nodes]), "controller", "scheduler"]
        for part in kills:
            await system.clock.advance(system.rng.random() * 0.3)
            await system.restart(part)
        pods = await system.until(running(system, 30, "app=herd"), seconds=120)
        await system.clock.advance(30)
        assert {pod.metadata.uid for pod in await system.until(running(system, 30))} == {
            p.metadata.uid for p in pods
        }
        assert len({pod.status.pod_ip for pod in pods}) == 30
        assert {status.restart_count for pod in pods for status in pod.status.container_statuses} == {0}
        # I1 and I10: one node a Pod for ever, and no Pod was ever made that was not wished for.
        watcher.nodes.pop("", None)
        assert all(len(nodes) <= 1 for nodes in watcher.nodes.values())
        assert len(watcher.nodes) == 30
        started = [
            name
            for node in system.nodes.values()
            for verb, name in node.runtime.history
            if verb == "start_container"
        ]
        assert len(started) == len(set(started)) == 30
        watching.cancel()


@pytest.mark.parametrize("seed", range(3))
async def test_replicas_come_up_over_a_network_that_loses_requests_answers_and_streams(seed):
    async with whole(seed=seed, nodes=0) as system:
        faulty: list[FaultyTransport] = []

        def connect(transport: Transport) -> Transport:
            faulty.append(
                FaultyTransport(transport, system.rng, lose_request=0.05, lose_answer=0.1, break_stream=0.02)
            )
            return faulty[-1]

        system.connect = connect
        for part in ("scheduler", "controller"):
            await system.restart(part)
        for number in range(3):
            system.add_node(f"node-{number}")
        await system.client.replica_sets.create(make_replica_set("herd", replicas=20))
        pods = await system.until(running(system, 20), seconds=600)
        await system.clock.advance(60)
        assert {pod.metadata.uid for pod in await system.until(running(system, 20))} == {
            p.metadata.uid for p in pods
        }
        assert {status.restart_count for pod in pods for status in pod.status.container_statuses} == {0}
        started = [
            name
            for node in system.nodes.values()
            for verb, name in node.runtime.history
            if verb == "start_container"
        ]
        assert len(started) == len(set(started)) == 20
        assert sum(transport.lost for transport in faulty) > 10
