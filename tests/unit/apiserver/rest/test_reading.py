"""Bodies of requests are counted together, from their first byte until they are decoded."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.rest.reading import Bodies
from vaina.errors import TooManyRequests


class Sent:
    """A request with a body."""

    def __init__(self, body: bytes) -> None:
        content = asyncio.StreamReader()
        content.feed_data(body)
        content.feed_eof()
        self.http = SimpleNamespace(
            headers={}, content_length=len(body), content=SimpleNamespace(readany=lambda: content.read(100))
        )

    async def go_on(self) -> None:
        """Nobody waits for a word."""


def sent(body: bytes) -> Any:
    return Sent(body)


async def test_a_body_counts_until_it_is_decoded() -> None:
    bodies = Bodies(5.0, max_bytes=1000)
    async with bodies.read(sent(bytes(600))) as first:
        assert len(first) == 600
        with pytest.raises(TooManyRequests):
            async with bodies.read(sent(bytes(600))):
                pass
        async with bodies.read(sent(bytes(400))) as other:
            assert len(other) == 400
    with pytest.raises(ValueError, match="not to be read"):
        async with bodies.read(sent(bytes(1000))):
            raise ValueError("not to be read")
    async with bodies.read(sent(bytes(1000))) as last:
        assert len(last) == 1000
