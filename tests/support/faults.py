"""Transports that lose what they carry, as networks and dying servers do, before a call arrives or after it
was served; and that are late.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from typing import Any

from vaina.client.transport import Metadata, Transport
from vaina.errors import Unavailable


class FaultyTransport:
    """Wraps a transport. Of the unary calls a share is lost before, a share after.

    Streams break after some answers.
    """

    def __init__(
        self,
        inner: Transport,
        rng: random.Random,
        *,
        lose_request: float = 0.0,
        lose_answer: float = 0.0,
        break_stream: float = 0.0,
        verbs: Collection[str] = (),
    ) -> None:
        """Make a transport.

        Args:
            inner: what carries the rest.
            rng: decides.
            lose_request: share of calls that never arrive.
            lose_answer: share of calls that are served, but whose answer is lost.
            break_stream: chance of each answer of a stream to be its last.
            verbs: those that suffer, by the last part of their path; all when empty.
        """
        self._inner, self._rng, self._verbs = inner, rng, frozenset(verbs)
        self.lose_request, self.lose_answer, self.break_stream = lose_request, lose_answer, break_stream
        self.lost = 0

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        dice = self._rng.random() if not self._verbs or method.rpartition("/")[2] in self._verbs else 1.0
        if dice < self.lose_request:
            self.lost += 1
            raise Unavailable("connection refused")
        answer = await self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        if dice < self.lose_request + self.lose_answer:
            self.lost += 1
            raise Unavailable("Socket closed")
        return answer

    async def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        stream = self._inner.stream(method, request, timeout=timeout, metadata=metadata)
        try:
            async for answer in stream:
                yield answer
                if self._rng.random() < self.break_stream:
                    self.lost += 1
                    raise Unavailable("Socket closed")
        finally:
            await stream.aclose()

    async def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        async for answer in self._inner.bidi(method, requests, timeout=timeout, metadata=metadata):
            yield answer

    async def close(self) -> None:
        await self._inner.close()


class StalledTransport:
    """A way to the apiserver on which the watches of some services bring nothing until `go` is set: their
    caches grow old.
    """

    def __init__(self, inner: Transport, *services: str) -> None:
        self._inner, self._services, self.go = inner, services, asyncio.Event()

    async def unary(self, method: str, request: bytes, **options: Any) -> bytes:
        return await self._inner.unary(method, request, **options)

    async def stream(self, method: str, request: bytes, **options: Any) -> AsyncGenerator[bytes]:
        async with aclosing(self._inner.stream(method, request, **options)) as items:
            async for item in items:
                if any(service in method for service in self._services):
                    await self.go.wait()
                yield item

    async def close(self) -> None:
        pass
