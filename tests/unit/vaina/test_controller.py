"""The loop that every controller is.

Which keys a change concerns, what comes again and when, and what a bug cannot do.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import InformerFactory
from vaina.controller import Controller, Tools, run_controllers
from vaina.errors import Conflict, TooManyRequests, Unavailable
from vaina.kinds import CONFIG_MAP
from vaina.testing.builders import make_config_map
from vaina.testing.clock import settle

Outcome = Callable[[int], float | None]


class Teller(Controller):
    """Notes when it looked at which key. `outcome` gets the number of the look, from 1."""

    name = "teller"

    def __init__(self, server: Harness, outcome: Outcome, workers: int = 1) -> None:
        super().__init__(Tools(server.clock, workers=workers))
        self.factory = InformerFactory(server.client, server.clock)
        self.config_maps = self.watch(self.factory.informer(CONFIG_MAP), owners)
        self.outcome = outcome
        self.looks: list[tuple[str, float]] = []

    async def sync(self, key: str) -> float | None:
        self.looks.append((key, self.clock.monotonic()))
        return self.outcome(len(self.looks))

    def keys(self) -> list[str]:
        return [key for key, _ in self.looks]


def owners(config_map: config_pb2.ConfigMap) -> list[str] | str | None:
    if "bug" in config_map.data:
        raise ZeroDivisionError
    if "both" in config_map.data:
        return config_map.data["both"].split()
    return config_map.data.get("owner")


def nothing(_: int) -> None:
    return None


def failing(times: int, error: Exception) -> Outcome:
    def outcome(number: int) -> None:
        if number <= times:
            raise error

    return outcome


@asynccontextmanager
async def running(outcome: Outcome = nothing, **data: str) -> AsyncIterator[tuple[Harness, Teller]]:
    server = make_apiserver()
    await server.app.bootstrap()
    await server.client.config_maps.create(make_config_map("it", data=data))
    teller = Teller(server, outcome)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(teller.factory, [teller]))
        await settle(200)
        yield server, teller
        task.cancel()


async def test_what_is_there_at_the_start_is_looked_at_once() -> None:
    async with running(owner="a") as (server, teller):
        await server.clock.advance(100)
        assert teller.keys() == ["a"]
        assert [made.metadata.name for made in teller.config_maps.list()] == ["it"]


async def test_an_object_can_concern_nobody_or_several() -> None:
    async with running(both="a b") as (server, teller):
        assert teller.keys() == ["a", "b"]
        await server.client.config_maps.create(make_config_map("other"))
        await settle(200)
        assert teller.keys() == ["a", "b"]


async def test_a_key_that_an_object_no_longer_concerns_is_looked_at_too() -> None:
    async with running(owner="a") as (server, teller):
        changed = await server.client.config_maps.get("it", "default")
        changed.data["owner"] = "b"
        await server.client.config_maps.update(changed)
        await settle(200)
        assert teller.keys() == ["a", "a", "b"]


async def test_a_deletion_is_a_reason_to_look() -> None:
    async with running(owner="a") as (server, teller):
        await server.client.config_maps.delete("it", "default")
        await settle(200)
        assert teller.keys() == ["a", "a"]


@pytest.mark.parametrize(
    "error", [Unavailable("away"), Conflict("written meanwhile"), ZeroDivisionError("a bug")]
)
async def test_a_look_that_failed_comes_again_with_back_off_until_it_succeeds(error: Exception) -> None:
    async with running(failing(3, error), owner="a") as (server, teller):
        await server.clock.advance(10)
        at = [moment for _, moment in teller.looks]
        waits = [after - before for before, after in pairwise(at)]
        assert waits == pytest.approx([0.005, 0.01, 0.02])
        assert teller.record.errors == (0 if isinstance(error, Conflict) else 3)


async def test_the_time_that_a_busy_server_names_is_kept() -> None:
    async with running(failing(1, TooManyRequests("later", retry_seconds=7)), owner="a") as (server, teller):
        await server.clock.advance(6.9)
        assert len(teller.looks) == 1
        await server.clock.advance(0.2)
        assert len(teller.looks) == 2


async def test_a_controller_can_ask_to_look_again_later() -> None:
    async with running(lambda number: 30.0 if number == 1 else None, owner="a") as (server, teller):
        await server.clock.advance(100)
        assert [moment for _, moment in teller.looks] == [0.0, 30.0]


async def test_a_key_that_always_fails_does_not_hold_up_another() -> None:
    def outcome(number: int) -> None:
        raise ZeroDivisionError

    async with running(outcome, both="bad good") as (server, teller):
        await server.clock.advance(1)
        assert {"bad", "good"} <= set(teller.keys())
        assert teller.record.last_error.endswith("ZeroDivisionError: ")


async def test_an_object_whose_key_cannot_be_told_hides_no_other() -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    for name, data in (("a", {"bug": "x"}), ("b", {"owner": "b"})):
        await server.client.config_maps.create(make_config_map(name, data=data))
    teller = Teller(server, nothing)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_controllers(teller.factory, [teller]))
        await settle(200)
        assert teller.keys() == ["b"]
        task.cancel()
