"""Answers that find no room: client-go sends again what was refused with 429, so no write is that was done."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from apiserver.flowcontrol.control import FlowControl
from apiserver.flowcontrol.levels import Level
from tests.support.rest import Answer, RestServer, rest_server
from vaina.clock import SystemClock
from vaina.kinds import CONFIG_MAP
from vaina.serving.handlers import UNARY, Method, RequestContext
from vaina.testing.builders import make_config_map

MAPS = "/api/v1/namespaces/default/configmaps"
LARGE = {"metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"key": "x" * 150_000}}
#: one write at a time, and nobody waits
LEVELS = (
    Level("node-high", 1, 1, 1), Level("workload-high", 1, 1, 1), Level("global-default", 1, 1, 0), Level("catch-all", 1, 1, 1)
)  # fmt: skip
#: less than a large answer takes, and more than most requests
ROOM = 100_000

MANY: dict[str, Callable[[RestServer], Awaitable[Answer]]] = {
    "create": lambda server: server.post(MAPS, LARGE),
    "update": lambda server: server.put(f"{MAPS}/there", {**LARGE, "metadata": {"name": "there"}}),
    "patch": lambda server: server.patch(f"{MAPS}/there", {"metadata": {"labels": {"patched": "1"}}}),
}


@pytest.mark.parametrize("verb", MANY)
async def test_a_write_that_was_done_is_not_to_be_sent_again(verb: str) -> None:
    async with rest_server() as server:
        client = server.api.client.config_maps
        before = await client.create(make_config_map("there", data={"key": "y" * 150_000}))
        # There is room for the request, and not for the answer, which is larger.
        server.serving.calls.unsent.max_bytes = ROOM if verb == "patch" else 150_150
        answer = await MANY[verb](server)
        stored = {item.metadata.name: item for item in (await client.list()).items}
        assert (answer.code, answer.json["reason"], answer.headers.get("Retry-After")) == (
            504,
            "Timeout",
            None,
        )
        assert "was carried out" in answer.json["message"]
        assert len(stored) == 2 or stored["there"] != before


async def test_a_read_may_be_sent_again() -> None:
    async with rest_server() as server:
        await server.api.client.config_maps.create(make_config_map("there", data={"key": "y" * 150_000}))
        server.serving.calls.unsent.max_bytes = ROOM
        answer = await server.get(f"{MAPS}/there")
        assert (answer.code, answer.headers["Retry-After"]) == (429, "1")


async def test_a_write_whose_answer_finds_no_room_is_refused_before() -> None:
    async with rest_server() as server:
        server.serving.calls.unsent.max_bytes = ROOM
        answer = await server.post(MAPS, LARGE)
        assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
        assert not (await server.api.client.config_maps.list()).items


async def test_a_large_body_waits_for_its_turn_before_it_is_read() -> None:
    """Reading it is dear: who has no turn is told so, and not what is wrong with it."""
    flow, busy, goes_on = FlowControl(SystemClock(), levels=LEVELS), asyncio.Event(), asyncio.Event()

    async def work(data: bytes, _: RequestContext) -> bytes:
        busy.set()
        await goes_on.wait()
        return data

    wrong = b"a: [" + b"x" * 20_000
    async with rest_server(limited=flow.limited) as server, asyncio.TaskGroup() as group:
        other = RequestContext(peer="ipv4:10.0.0.9:1")
        group.create_task(flow.limited(CONFIG_MAP.method("Create"), Method(UNARY, work)).fn(b"", other))
        await busy.wait()
        answer = await server.post(MAPS, wrong, content_type="application/yaml")
        assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
        goes_on.set()
        while (answer := await server.post(MAPS, wrong, content_type="application/yaml")).code == 429:
            pass
        assert answer.code == 400
