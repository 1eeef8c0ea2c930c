"""StatefulSets whose controllers have old caches, lose answers, die, or are two.

Never more away than one, nothing forgotten.
"""

import random
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from tests.support.faults import FaultyTransport, StalledTransport
from tests.unit.controller.statefulset.test_controller import end, grow, pod, stateful_set, until_names
from vaina.client.clientset import Clientset


async def test_a_cache_without_the_revision_that_was_rolled_out_last_does_not_make_it_the_new_one() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    stalled = StalledTransport(server.client.transport, "ControllerRevisionService")
    stalled.go.set()
    mine = ControllerConfig(controllers=("statefulset", "node-lifecycle"))
    async with controllers(server, mine, client=Clientset(stalled)) as plane:
        await plane.add_node("node-1")
        stalled.go.clear()
        made = stateful_set(2)
        made.spec.update_strategy.rolling_update.partition = 2
        sets = plane.client.stateful_sets
        await sets.create(made)
        await grow(plane, "db-0", "db-1")
        await plane.clock.advance(20)
        before = await sets.get("db", "default")
        assert before.status.current_revision
        before.spec.template.spec.containers[0].image = "b"
        await sets.update(before)
        await plane.clock.advance(20)
        found = await sets.get("db", "default")
        assert found.status.current_revision == before.status.current_revision
        stalled.go.set()
        await end(plane, "db-0")
        await until_names(plane, "db-0", "db-1")
        assert (await pod(plane, "db-0")).spec.containers[0].image == "a"
        found = await sets.get("db", "default")
        assert found.status.update_revision != found.status.current_revision == before.status.current_revision


SIZE = 3
OTHERS, MINE = (ControllerConfig(controllers=(name,)) for name in ("node-lifecycle", "statefulset"))
WRITES = ("Create", "Update", "UpdateStatus", "Delete")


async def look(plane: ControlPlane, image: str) -> bool:
    """Start and end Pods; say whether all have an image. Of a set that is complete one at a time goes."""
    await plane.start_all("node-1")
    pods = await plane.pods()
    ending = [found for found in pods if found.metadata.HasField("deletion_timestamp")]
    if image != "a":
        assert len(pods) - len(ending) >= SIZE - 1
    for found in ending:
        await plane.end(found)
    return not ending and [found.spec.containers[0].image for found in pods] == [image] * SIZE


async def change_image(plane: ControlPlane) -> None:
    found = await plane.client.stateful_sets.get("db", "default")
    found.spec.template.spec.containers[0].image = "b"
    await plane.client.stateful_sets.update(found)


@pytest.mark.parametrize("seed", [0, 8])
async def test_two_that_both_think_they_lead_and_lose_answers_roll_one_after_the_other(seed: int) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controllers(server, OTHERS))
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set(SIZE, claims=True))
        for _ in range(2):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.05, lose_answer=0.2, break_stream=0.05, verbs=WRITES
            )  # fmt: skip
            await stack.enter_async_context(controllers(server, MINE, client=Clientset(faulty)))
        await plane.until(lambda: look(plane, "a"), seconds=300)
        await change_image(plane)
        await plane.until(lambda: look(plane, "b"), seconds=300)
        assert len((await plane.client.persistent_volume_claims.list("default")).items) == SIZE
        assert len((await plane.client.controller_revisions.list("default")).items) == 2


@pytest.mark.parametrize("seed", range(2))
async def test_killed_between_any_two_writes_it_gets_there(seed: int) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with controllers(server, OTHERS) as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set(SIZE, claims=True))
        for image in ("a", "b"):
            for _ in range(100):
                async with controllers(server, MINE):
                    await plane.clock.advance(rng.random() * 0.02)
                    if await look(plane, image):
                        break
                    await plane.clock.advance(rng.random() * 0.005)
            assert await look(plane, image)
            if image == "a":
                await change_image(plane)
