"""DaemonSets whose controllers have old caches, lose answers, die, or are two.

One Pod a node, never more away than allowed.
"""

import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from controller.daemonset.reconcile import node_of
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from tests.support.faults import FaultyTransport
from tests.unit.controller.daemonset.test_controller import daemon_set
from vaina.client.clientset import Clientset

NODES = ("n1", "n2", "n3")
OTHERS, MINE = (ControllerConfig(controllers=(name,)) for name in ("node-lifecycle", "daemonset"))
WRITES = ("Create", "CreateBatch", "Update", "UpdateStatus", "Delete", "DeleteBatch")
#: of maxUnavailable and maxSurge
IN_PLACE, WITH_SURGE = (1, 0), (0, 1)


async def begin(plane: ControlPlane, amounts: tuple[int, int]) -> None:
    for name in NODES:
        await plane.add_node(name)
    made = daemon_set()
    rolling = made.spec.update_strategy.rolling_update
    rolling.max_unavailable.int_val, rolling.max_surge.int_val = amounts
    rolling.max_unavailable.SetInParent()
    rolling.max_surge.SetInParent()
    made.spec.update_strategy.type = "RollingUpdate"
    await plane.client.daemon_sets.create(made)


async def look(plane: ControlPlane, image: str, amounts: tuple[int, int]) -> bool:
    """Start and end Pods; say whether each node has one of an image and no other.

    What may be away and what may be doubled holds.
    """
    pods = await plane.pods()
    ending = [pod for pod in pods if pod.metadata.HasField("deletion_timestamp")]
    places = Counter(node_of(pod) for pod in pods if not pod.metadata.HasField("deletion_timestamp"))
    away, surge = amounts
    assert sum(places.values()) <= len(NODES) + surge, places
    assert max(places.values(), default=0) <= 1 + (surge > 0), places
    if image != "a":
        assert len(places) >= len(NODES) - away, places
    for pod in pods:
        if pod in ending:
            await plane.end(pod)
        elif pod.status.phase != "Running":
            await plane.start(pod, node_of(pod))
    images = sorted((node_of(pod), pod.spec.containers[0].image) for pod in pods)
    return not ending and images == [(name, image) for name in NODES]


async def change_image(plane: ControlPlane) -> None:
    found = await plane.client.daemon_sets.get("log", "default")
    found.spec.template.spec.containers[0].image = "b"
    await plane.client.daemon_sets.update(found)


@pytest.mark.parametrize(("seed", "amounts"), [(0, IN_PLACE), (1, WITH_SURGE)])
async def test_two_that_both_think_they_lead_and_lose_answers_keep_one_pod_a_node(
    seed: int, amounts: tuple[int, int]
) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(controllers(server, OTHERS))
        await begin(plane, amounts)
        for _ in range(2):
            faulty = FaultyTransport(
                server.client.transport, rng, lose_request=0.05, lose_answer=0.2, break_stream=0.05, verbs=WRITES
            )  # fmt: skip
            await stack.enter_async_context(controllers(server, MINE, client=Clientset(faulty)))
        await plane.until(lambda: look(plane, "a", amounts), seconds=300)
        await change_image(plane)
        await plane.until(lambda: look(plane, "b", amounts), seconds=300)
        assert len((await plane.client.controller_revisions.list("default")).items) == 2


@pytest.mark.parametrize(("seed", "amounts"), [(0, IN_PLACE), (1, WITH_SURGE)])
async def test_killed_between_any_two_writes_it_gets_there(seed: int, amounts: tuple[int, int]) -> None:
    server, rng = make_apiserver(), random.Random(seed)
    await server.app.bootstrap()
    async with controllers(server, OTHERS) as plane:
        await begin(plane, amounts)
        for image in ("a", "b"):
            for _ in range(100):
                async with controllers(server, MINE):
                    await plane.clock.advance(rng.random() * 0.02)
                    if await look(plane, image, amounts):
                        break
                    await plane.clock.advance(rng.random() * 0.005)
            assert await look(plane, image, amounts)
            if image == "a":
                await change_image(plane)
