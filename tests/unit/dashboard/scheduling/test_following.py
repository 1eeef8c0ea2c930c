"""The scheduler at the browser's end of the page: over the whole control plane in this process."""

import json
from typing import Any

from tests.support.asking import service_of
from tests.support.page import Socket, page
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import running
from vaina.client.transport import InProcessTransport


async def until(socket: Socket, holds: Any) -> dict[str, Any]:
    """Return the first look of which something holds."""
    while True:
        frame = await socket.frame()
        if frame["topic"] != "scheduler":
            continue
        for look in frame.get("changes") or [frame["snapshot"]]:
            if holds(look):
                found: dict[str, Any] = look
                return found


async def test_decisions_are_told_as_they_fall_and_each_pod_has_its_table() -> None:
    async with running(node("n1", cpu="1"), node("n2", cpu="1", labels={"disk": "ssd"})) as world:
        transport = InProcessTransport(service_of(world.scheduler, world.server).handlers())
        async with page(world.server.client, scheduler=transport) as browser:
            await browser.login()
            async with browser.live("scheduler") as socket:
                first = await until(socket, lambda it: "overview" in it)
                assert first["overview"]["nodes"] == 2
                await world.create(
                    pod("web", {"cpu": "1"}, selector={"disk": "ssd"}),
                    pod("late", {"cpu": "1"}, selector={"disk": "ssd"}),
                )
                await world.advance(1)
                look = await until(socket, lambda it: len(it.get("decisions", ())) == 2)
                assert {(one["name"], one["outcome"], one["node"]) for one in look["decisions"]} == {
                    ("web", "Scheduled", "n2"), ("late", "Unschedulable", ""),
                }  # fmt: skip
                assert look["overview"]["recorded"] == 2
            status, text, _ = await browser.get("/api/explain/default/late")
            seen = json.loads(text)["evaluation"]
            assert (status, seen["feasible"], seen["refusers"]) == (
                200,
                0,
                ["NodeAffinity", "NodeResourcesFit"],
            )
            status, text, _ = await browser.get("/api/explain/default/nobody")
            assert (status, json.loads(text)["reason"]) == (404, "NotFound")


async def test_a_scheduler_that_is_away_is_told() -> None:
    async with running(node("n1")) as world, page(world.server.client) as browser:
        await browser.login()
        async with browser.live("scheduler") as socket:
            assert await until(socket, lambda it: it.get("away"))
