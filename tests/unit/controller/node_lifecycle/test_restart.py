"""What was known of silent nodes is in the nodes: controllers that are started anew begin nothing again."""

import pytest

from controller.config import ControllerConfig
from controller.node_lifecycle.taints import NO_EXECUTE
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, controllers
from vaina.clock import seconds_of
from vaina.testing.builders import make_pod

CONFIG = ControllerConfig(controllers=("node-lifecycle",), pod_eviction_seconds=60.0)


async def fall_silent(plane: ControlPlane, *, beating: str, silent: list[str]) -> None:
    """Have nodes, of which one goes on and the others fall silent, until that is written down."""
    for name in (beating, *silent):
        await plane.add_node(name)
        await plane.client.pods.create(make_pod(f"on-{name}"))
        await plane.start(await plane.client.pods.get(f"on-{name}", "default"), name)
    await live(plane, beating, 60.0)


async def live(plane: ControlPlane, beating: str, seconds: float) -> None:
    """Let time pass, in which one node gives its signs of life."""
    for _ in range(int(seconds / 5.0)):
        await plane.beat(beating)
        await plane.clock.advance(5.0)


async def driven_since(plane: ControlPlane, name: str) -> list[float]:
    taints = (await plane.client.nodes.get(name)).spec.taints
    return [seconds_of(taint.time_added) for taint in taints if taint.effect == NO_EXECUTE]


@pytest.mark.requirement("D4")
async def test_pods_of_a_silent_node_have_no_new_time_when_the_controllers_are_started_again() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    async with controllers(server, CONFIG) as plane:
        await fall_silent(plane, beating="n1", silent=["n2"])
        before = await driven_since(plane, "n2")
        assert len(before) == 1
    async with controllers(server, CONFIG) as plane:
        await live(plane, "n1", 10.0)
        assert await driven_since(plane, "n2") == before


@pytest.mark.requirement("D4")
async def test_controllers_that_start_while_most_nodes_are_silent_drive_nothing_away() -> None:
    """I13: that this side is at fault does not have to be found out again, which takes the whole grace."""
    server = make_apiserver()
    await server.app.bootstrap()
    config = ControllerConfig(controllers=("node-lifecycle",), pod_eviction_seconds=5.0)
    async with controllers(server, config) as plane:
        await fall_silent(plane, beating="n1", silent=["n2", "n3"])
        assert await driven_since(plane, "n2") == []
    async with controllers(server, config) as plane:
        for _ in range(12):
            await live(plane, "n1", 5.0)
            assert [await driven_since(plane, name) for name in ("n2", "n3")] == [[], []]
        pods = await plane.pods()
        assert [pod.metadata.name for pod in pods if not pod.metadata.HasField("deletion_timestamp")] == [
            "on-n1", "on-n2", "on-n3",
        ]  # fmt: skip
