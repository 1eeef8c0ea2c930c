"""Bodies of requests are counted together, from their first byte until they are decoded."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.rest.reading import Bodies
from vaina.errors import TooManyRequests


class Sent:
    """A request with a body."""

    def __init__(self, body: bytes, client: str) -> None:
        content = asyncio.StreamReader()
        content.feed_data(body)
        content.feed_eof()
        self.http = SimpleNamespace(
            headers={}, content_length=len(body), content=SimpleNamespace(readany=lambda: content.read(100))
        )
        self.rpc = SimpleNamespace(client=client)

    async def go_on(self) -> None:
        """Nobody waits for a word."""


def sent(size: int, client: str = "jane") -> Any:
    return Sent(bytes(size), client)


async def test_a_body_counts_until_it_is_decoded() -> None:
    bodies = Bodies(5.0, max_bytes=1000)
    async with bodies.read(sent(500)) as first:
        assert len(first) == 500
        with pytest.raises(TooManyRequests):
            async with bodies.read(sent(100)):
                pass
    with pytest.raises(ValueError, match="not to be read"):
        async with bodies.read(sent(500)):
            raise ValueError("not to be read")
    async with bodies.read(sent(500)) as last:
        assert len(last) == 500


async def test_a_client_whose_bodies_do_not_come_to_an_end_leaves_room_for_others() -> None:
    bodies = Bodies(5.0, max_bytes=1000)
    async with bodies.read(sent(500, "mallory")):
        with pytest.raises(TooManyRequests):
            async with bodies.read(sent(300, "mallory")):
                pass
        async with bodies.read(sent(200, "jane")) as one, bodies.read(sent(100, "joe")) as other:
            assert (len(one), len(other)) == (200, 100)
