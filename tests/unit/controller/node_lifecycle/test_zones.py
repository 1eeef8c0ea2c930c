"""How fast the nodes of a zone are driven empty: tables, and the whole control plane."""

import pytest

from controller.config import ControllerConfig
from controller.node_lifecycle.zones import (
    Rates,
    Tokens,
    Zone,
    ZoneState,
    count_zones,
    rate_of,
    state_of,
    zone_of,
)
from tests.support.controlplane import ControlPlane, control_plane
from vaina.testing.builders import make_node

RATES = Rates()


@pytest.mark.parametrize(
    ("ready", "not_ready", "state", "rate"),
    [
        (0, 0, ZoneState.NORMAL, 0.1),
        (3, 0, ZoneState.NORMAL, 0.1),
        (1, 2, ZoneState.NORMAL, 0.1),
        (5, 3, ZoneState.NORMAL, 0.1),
        (4, 5, ZoneState.PARTIAL_DISRUPTION, 0.0),
        (1, 3, ZoneState.PARTIAL_DISRUPTION, 0.0),
        (20, 30, ZoneState.PARTIAL_DISRUPTION, 0.0),
        (20, 31, ZoneState.PARTIAL_DISRUPTION, 0.01),
        (400, 600, ZoneState.PARTIAL_DISRUPTION, 0.01),
        (600, 400, ZoneState.NORMAL, 0.1),
        (0, 1, ZoneState.FULL_DISRUPTION, 0.1),
        (0, 900, ZoneState.FULL_DISRUPTION, 0.1),
    ],
)
def test_the_state_of_a_zone_and_its_pace(ready: int, not_ready: int, state: ZoneState, rate: float) -> None:
    zone = Zone(ready, not_ready)
    assert (state_of(zone, RATES), rate_of(zone, RATES)) == (state, rate)


def test_nodes_are_counted_by_zone() -> None:
    assert count_zones([("a", True), ("b", False), ("a", False), ("", True)]) == {
        "a": Zone(1, 1), "b": Zone(0, 1), "": Zone(1, 0)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "zone"),
    [
        ({}, ""),
        ({"topology.kubernetes.io/zone": "a"}, ":a"),
        ({"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "a"}, "r:a"),
    ],
)
def test_a_zone_is_named_with_its_region(labels: dict[str, str], zone: str) -> None:
    assert zone_of(make_node("n", labels=labels)) == zone


def test_one_node_of_a_zone_at_a_time() -> None:
    tokens = Tokens({"a": 0.1, "b": 0.1, "still": 0.0})
    assert tokens.take("n1", "a", 100.0) == 0.0
    assert tokens.take("n2", "a", 104.0) == 6.0
    assert tokens.take("n1", "a", 104.0) == 0.0, "it keeps what it got"
    assert tokens.take("n3", "b", 104.0) == 0.0, "zones do not wait for one another"
    assert tokens.take("n2", "a", 110.0) == 0.0
    assert tokens.take("n4", "still", 110.0) is None
    assert tokens.take("n5", "unknown", 110.0) is None
    tokens.give_back("n1")
    assert tokens.take("n1", "a", 115.0) == 5.0


async def driven(plane: ControlPlane) -> list[str]:
    """Return the nodes that drive their Pods away."""
    nodes = (await plane.client.nodes.list()).items
    return [
        node.metadata.name for node in nodes if any(taint.effect == "NoExecute" for taint in node.spec.taints)
    ]


async def run(plane: ControlPlane, seconds: int, *, alive: list[str]) -> None:
    for _ in range(seconds // 2):
        for name in alive:
            await plane.beat(name)
        await plane.clock.advance(2)


@pytest.mark.requirement("D4")
async def test_nodes_of_a_zone_that_fall_silent_together_are_emptied_one_by_one() -> None:
    async with control_plane(ControllerConfig()) as plane:
        alive = [f"n{number}" for number in range(3, 8)]
        for name in ["n1", "n2", *alive]:
            await plane.add_node(name)
        await run(plane, 40, alive=alive)
        counts = []
        for _ in range(8):
            await run(plane, 4, alive=alive)
            counts.append(len(await driven(plane)))
        assert counts[-1] == 2
        assert 1 in counts, "the second one waits for its turn"


async def test_a_small_zone_that_is_mostly_silent_stands_still_while_another_goes_on() -> None:
    async with control_plane(ControllerConfig()) as plane:
        silent = ["a1", "a2", "a3", "b1"]
        alive = ["a4", *(f"b{number}" for number in range(2, 9))]
        for name in [*silent, *alive]:
            await plane.add_node(name, labels={"topology.kubernetes.io/zone": name[0]})
        await run(plane, 90, alive=alive)
        assert await driven(plane) == ["b1"]
        # The zone is better: two of four are silent, and their turn comes.
        await plane.report("a3")
        await run(plane, 40, alive=["a3", *alive])
        assert await driven(plane) == ["a1", "a2", "b1"]
