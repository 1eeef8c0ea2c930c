"""Answers that find no room: client-go sends again what was refused with 429, so no write is that was done."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.rest import Answer, RestServer, rest_server
from vaina.testing.builders import make_config_map

MAPS = "/api/v1/namespaces/default/configmaps"
LARGE = {"metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"key": "x" * 150_000}}
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
        server.door.calls.unsent.max_bytes = ROOM if verb == "patch" else 150_150
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
        server.door.calls.unsent.max_bytes = ROOM
        answer = await server.get(f"{MAPS}/there")
        assert (answer.code, answer.headers["Retry-After"]) == (429, "1")


async def test_a_write_whose_answer_finds_no_room_is_refused_before() -> None:
    async with rest_server() as server:
        server.door.calls.unsent.max_bytes = ROOM
        answer = await server.post(MAPS, LARGE)
        assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
        assert not (await server.api.client.config_maps.list()).items
