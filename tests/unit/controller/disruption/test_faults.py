"""Budgets whose controllers have old caches, lose answers, die, or are two.

Evictions never take more than they allow.
"""

import random
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from tests.support.faults import FaultyTransport, StalledTransport
from tests.unit.controller.disruption.test_controller import budget, replicas, until_counted
from vaina.client.clientset import Clientset
from vaina.errors import TooManyRequests

SIZE, TURNS = 4, 12
OTHERS, MINE = (
    ControllerConfig(controllers=names) for names in (("node-lifecycle", "replicaset"), ("disruption",))
)
WRITES = ("Create", "Update", "UpdateStatus", "Delete")


class Drain:
    """Evicts Pods as fast as the budget allows, whichever it gets; what goes is replaced.

    Never are more than one away.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng, self.evicted = rng, 0

    async def turn(self, plane: ControlPlane) -> bool:
        """Try one; says whether enough have gone."""
        pods = await plane.pods()
        there = [pod for pod in pods if not pod.metadata.HasField("deletion_timestamp")]
        ready = [pod for pod in there if pod.status.phase == "Running"]
        assert len(ready) >= SIZE - 1
        name = self._rng.choice(ready).metadata.name
        try:
            await plane.client.pods.evict(name, namespace="default")
        except TooManyRequests:
            if self._rng.random() < 0.5:
                await plane.start_all("node-1")
            for pod in pods:
                if pod.metadata.HasField("deletion_timestamp"):
                    await plane.end(pod)
        else:
            self.evicted += 1
        return self.evicted >= TURNS


@pytest.mark.parametrize("seed", [0, 1])
async def test_two_that_both_think_they_lead_and_lose_answers_allow_one_at_a_time(seed: int) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controllers(server, OTHERS))
        await replicas(plane, SIZE)
        await plane.client.pod_disruption_budgets.create(budget(most=1))
        for _ in range(2):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.05, lose_answer=0.2, break_stream=0.05, verbs=WRITES
            )  # fmt: skip
            await stack.enter_async_context(controllers(server, MINE, client=Clientset(faulty)))
        drain = Drain(rng)
        await plane.until(lambda: drain.turn(plane), seconds=300)


@pytest.mark.parametrize("seed", [0, 1])
async def test_killed_between_any_two_writes_it_allows_one_at_a_time(seed: int) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with controllers(server, OTHERS) as plane:
        await replicas(plane, SIZE)
        await plane.client.pod_disruption_budgets.create(budget(most=1))
        drain, done = Drain(rng), False
        for _ in range(200):
            async with controllers(server, MINE):
                await plane.clock.advance(rng.random() * 0.02)
                done = await drain.turn(plane)
                await plane.clock.advance(rng.random() * 0.005)
            if done:
                break
        assert done


async def test_an_old_cache_of_pods_does_not_make_one_that_went_a_pod_that_stayed() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    stalled = StalledTransport(server.client.transport, "PodService")
    stalled.go.set()
    async with (
        controllers(server, OTHERS) as plane,
        controllers(server, MINE, client=Clientset(stalled)),
    ):
        first, second, *_ = await replicas(plane, SIZE)
        await plane.client.pod_disruption_budgets.create(budget(most=1))
        await until_counted(plane, 1, SIZE)
        stalled.go.clear()
        await plane.client.pods.evict(first, namespace="default")
        # Longer than an eviction that was granted may take: in the cache the Pod is as if nothing had happened.
        for _ in range(9):
            await plane.beat("node-1")
            await plane.clock.advance(15)
            await plane.settle()
        with pytest.raises(TooManyRequests):
            await plane.client.pods.evict(second, namespace="default")
        stalled.go.set()
        await plane.start_all("node-1")
        await until_counted(plane, 1, SIZE)
