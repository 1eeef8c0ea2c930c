"""Autoscalers whose controllers lose answers, die, are two, or see an old cache.

Bounds and pace hold, and they get there.
"""

import random
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from tests.support.faults import FaultyTransport, StalledTransport
from tests.unit.controller.podautoscaler.test_whole import Meter, autoscaler, deploy, running
from vaina.client.clientset import Clientset

WINDOW = 45
OTHERS = ControllerConfig(controllers=("deployment", "replicaset"))
MINE = ControllerConfig(
    controllers=("horizontalpodautoscaling",),
    horizontal_pod_autoscaler_cpu_initialization_period_seconds=0,
    horizontal_pod_autoscaler_downscale_stabilization_seconds=WINDOW,
)
#: of a Deployment's scale
WRITES = ("UpdateScale", "UpdateStatus", "Create", "Update")


async def replicas_of(plane: ControlPlane) -> int:
    return (await plane.client.deployments.get("web", "default")).spec.replicas


class Watched:
    """The number of replicas, from look to look.

    Never beyond the bounds, never more in one step than the default policies allow.
    """

    def __init__(self, plane: ControlPlane, before: int, *, leaders: int = 1) -> None:
        self._plane, self._before, self._leaders = plane, before, leaders

    async def look(self) -> int:
        found = await replicas_of(self._plane)
        assert 1 <= found <= 10
        most = self._before
        for _ in range(self._leaders):
            most = max(most * 2, most + 4)
        assert found <= most
        self._before = found
        return found


@pytest.mark.parametrize(("seed", "leaders"), [(0, 1), (1, 2)])
async def test_who_loses_answers_gets_there_within_bounds(seed: int, leaders: int) -> None:
    server, rng, meter = make_apiserver(), random.Random(seed), Meter(load=400)
    await server.app.bootstrap()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controllers(server, OTHERS))
        meter.plane = plane
        await deploy(plane, 2)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        for _ in range(leaders):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.1, lose_answer=0.3, break_stream=0.05, verbs=WRITES
            )  # fmt: skip
            await stack.enter_async_context(
                controllers(server, MINE, client=Clientset(faulty), metrics=meter)
            )
        watched = Watched(plane, 2, leaders=leaders)
        for load, wanted in ((400, 8), (40, 1)):
            meter.load = load

            async def there(number: int = wanted) -> bool:
                return await watched.look() == number

            await plane.until(there, seconds=300)
            await running(plane, wanted)


async def test_killed_again_and_again_it_takes_nothing_away_and_never_adds_beyond_the_bound() -> None:
    server, rng, meter = make_apiserver(), random.Random(0), Meter(load=400)
    await server.app.bootstrap()
    async with controllers(server, OTHERS) as plane:
        meter.plane = plane
        await deploy(plane, 2)
        await plane.client.horizontal_pod_autoscalers.create(autoscaler())
        most = 0
        for turn in range(16):
            # Under load at first, then idle for longer than a window: nobody lives to see it.
            meter.load = 400 if turn < 8 else 10
            async with controllers(server, MINE, metrics=meter):
                await plane.clock.advance(rng.random() * (0.1 if turn < 8 else 20))
            await running(plane, found := await replicas_of(plane))
            assert most <= found <= 10
            most = found
        assert most == 8
        async with controllers(server, MINE, metrics=meter):
            await running(plane, 1, seconds=WINDOW * 3)


async def test_an_old_cache_of_the_autoscaler_is_put_right_by_the_bound_that_holds() -> None:
    server, meter = make_apiserver(), Meter(load=100)
    await server.app.bootstrap()
    stalled = StalledTransport(server.client.transport, "HorizontalPodAutoscalerService")
    stalled.go.set()
    async with (
        controllers(server, OTHERS) as plane,
        controllers(server, MINE, client=Clientset(stalled), metrics=meter),
    ):
        meter.plane = plane
        await deploy(plane, 2)
        made = await plane.client.horizontal_pod_autoscalers.create(autoscaler(most=4))
        await plane.clock.advance(20)
        stalled.go.clear()
        fresh = await plane.client.horizontal_pod_autoscalers.get(made.metadata.name, "default")
        fresh.spec.max_replicas = 3
        await plane.client.horizontal_pod_autoscalers.update(fresh)
        meter.load = 800
        await plane.clock.advance(40)
        stalled.go.set()

        async def three() -> bool:
            return await replicas_of(plane) == 3

        await plane.until(three, seconds=60)
