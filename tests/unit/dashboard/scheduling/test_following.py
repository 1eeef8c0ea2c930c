"""The scheduler at the browser's end of the page: over the whole control plane in this process."""

import asyncio
import json
from typing import Any

import pytest

from dashboard.scheduling import following
from dashboard.scheduling.following import MAX_WAITING
from tests.support.apiserver import make_apiserver
from tests.support.asking import service_of
from tests.support.page import Socket, page
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import running
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.client.transport import InProcessTransport
from vaina.serving.handlers import UNARY, Method, RequestContext


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
                # The page may look between the two.
                fell: list[dict[str, Any]] = []
                while len(fell) < 2:
                    look = await until(socket, lambda it: it.get("decisions"))
                    fell += look["decisions"]
                assert {(one["name"], one["outcome"], one["node"]) for one in fell} == {
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


async def test_a_scheduler_that_says_nothing_is_told_and_holds_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "LOOK_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr(following, "EXPLAIN_WITHIN_SECONDS", 0.1)

    async def never(_request: bytes, _: RequestContext) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    service = "/vaina.api.scheduler.v1.SchedulerService"
    silent = InProcessTransport(
        {f"{service}/{name}": Method(UNARY, never) for name in ("Overview", "Explain")}
    )
    async with page(make_apiserver().client, scheduler=silent) as browser, asyncio.timeout(60):
        await browser.login()
        async with browser.live("scheduler") as socket:
            assert "no answer" in (await until(socket, lambda it: it.get("away")))["away"]
        status, text, _ = await browser.get("/api/explain/default/web")
        assert (status, json.loads(text)["reason"]) == (503, "ServiceUnavailable")


async def test_who_asks_beyond_the_bound_is_told_to_come_again() -> None:
    released, asked_first, begun = asyncio.Event(), asyncio.Event(), 0

    async def explain(_request: bytes, _: RequestContext) -> bytes:
        nonlocal begun
        begun += 1
        asked_first.set()
        await released.wait()
        return pb.ExplainResponse(state="Bound").SerializeToString()

    slow = InProcessTransport({"/vaina.api.scheduler.v1.SchedulerService/Explain": Method(UNARY, explain)})
    async with page(make_apiserver().client, scheduler=slow) as browser:
        await browser.login()
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(browser.get("/api/explain/default/web")) for _ in range(MAX_WAITING + 1)
            ]
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert [one.result()[0] for one in done] == [429]
            # One at a time is what the scheduler sees.
            await asked_first.wait()
            assert begun == 1
            released.set()
        assert sorted(one.result()[0] for one in asked) == [200] * MAX_WAITING + [429]
