"""A rollout whose controller dies at every write, whose answers are lost, that two lead at once.

No bound is broken, nothing doubled.
"""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import controllers
from tests.support.faults import FaultyTransport
from vaina.client.clientset import Clientset
from vaina.client.transport import Transport
from vaina.errors import Unavailable
from vaina.objects.conditions import get_condition
from vaina.objects.rollouts import replicas_of
from vaina.testing.builders import make_deployment

REPLICAS, SURGE, AWAY = 4, 1, 1
OTHERS = ControllerConfig(controllers=("replicaset", "node-lifecycle"))
MINE = ControllerConfig(controllers=("deployment",))
WRITES = ("Create", "Update", "UpdateStatus", "Delete")


class Dying:
    """A way to the apiserver that dies with its owner after some writes; the last one's answer may be lost."""

    def __init__(self, inner: Transport, writes: int, *, answered: bool) -> None:
        self._inner, self._left, self._answered = inner, writes, answered

    @property
    def dead(self) -> bool:
        return self._left <= 0

    async def unary(self, method: str, request: bytes, **options) -> bytes:
        if self.dead:
            raise Unavailable("dead")
        answer = await self._inner.unary(method, request, **options)
        if method.rpartition("/")[2] in WRITES and "EventService" not in method:
            self._left -= 1
            if self.dead and not self._answered:
                raise Unavailable("the answer is lost")
        return answer

    async def stream(self, method: str, request: bytes, **options) -> AsyncIterator[bytes]:
        async with aclosing(self._inner.stream(method, request, **options)) as items:
            async for item in items:
                yield item

    async def close(self) -> None:
        pass


async def look(server, plane):
    """Start and end Pods; say whether the rollout is over. Holds the bounds at each look."""
    await plane.start_all("n1")
    pods = await plane.pods()
    for pod in pods:
        if pod.metadata.HasField("deletion_timestamp"):
            await plane.end(pod)
    sets = (await server.client.replica_sets.list("default")).items
    assert sum(replicas_of(rs) for rs in sets) <= REPLICAS + SURGE
    assert len(sets) <= 2
    found = await server.client.deployments.get("web", "default")
    if found.metadata.generation > 1:
        assert sum(min(replicas_of(rs), rs.status.available_replicas) for rs in sets) >= REPLICAS - AWAY
    condition = get_condition(found.status, "Progressing")
    return (
        condition is not None
        and condition.reason == "NewReplicaSetAvailable"
        and found.status.observed_generation == found.metadata.generation
        and found.status.updated_replicas == found.status.available_replicas == REPLICAS
    )


async def begin(stack):
    server = make_apiserver()
    await server.app.bootstrap()
    plane = await stack.enter_async_context(controllers(server, OTHERS))
    await plane.add_node("n1")
    made = make_deployment("web", replicas=REPLICAS, max_surge=SURGE, max_unavailable=AWAY)
    await server.client.deployments.create(made)
    return server, plane


async def change_template(server):
    found = await server.client.deployments.get("web", "default")
    found.spec.template.spec.containers[0].image = "busybox:2"
    await server.client.deployments.update(found)


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "answer lost"])
@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_a_controller_that_dies_at_every_write_gets_there_within_the_bounds(writes, answered):
    async with AsyncExitStack() as stack:
        server, plane = await begin(stack)
        lives, changed = 0, False
        while lives < 200:
            lives += 1
            dying = Dying(server.client.transport, writes, answered=answered)
            over = False
            async with controllers(server, MINE, client=Clientset(dying)):
                for _ in range(40):
                    await plane.settle()
                    over = await look(server, plane)
                    if over or dying.dead:
                        break
                    await plane.clock.advance(0.25)
            if over and changed:
                break
            if over:
                changed = True
                await change_template(server)
        assert over
        assert changed
        assert lives > 4


@pytest.mark.parametrize("seed", range(2))
async def test_two_that_both_think_they_lead_and_lose_answers_make_one_rollout(seed):
    async with AsyncExitStack() as stack:
        server, plane = await begin(stack)
        rng = random.Random(seed)
        for _ in range(2):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.05, lose_answer=0.2, break_stream=0.05,
                verbs=WRITES,
            )  # fmt: skip
            await stack.enter_async_context(controllers(server, MINE, client=Clientset(faulty)))
        await plane.until(lambda: look(server, plane), seconds=300)
        await change_template(server)
        await plane.until(lambda: look(server, plane), seconds=300)


async def test_a_name_that_is_taken_by_a_stranger_counts_as_a_collision():
    async with AsyncExitStack() as stack:
        server, plane = await begin(stack)
        await stack.enter_async_context(controllers(server, MINE))
        await plane.until(lambda: look(server, plane))
        [rs] = (await server.client.replica_sets.list("default")).items
        rs.metadata.labels["app"] = "other"
        await server.client.replica_sets.update(rs)

        async def another():
            found = await server.client.deployments.get("web", "default")
            names = {item.metadata.name for item in (await server.client.replica_sets.list("default")).items}
            return found.status.collision_count == 1 and len(names) == 2

        await plane.until(another)
