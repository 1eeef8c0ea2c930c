"""A transport that moves between several apiservers.

Each call goes to any of them, and streams are cut and resumed elsewhere.
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Metadata, Transport
from vaina.errors import Unavailable


class HoppingTransport:
    """Several transports as one."""

    def __init__(self, inner: Sequence[Transport], rng: random.Random, *, cut: float = 0.05) -> None:
        """Make a transport; closing it closes the others.

        Args:
            inner: to the apiservers.
            rng: decides.
            cut: chance of each answer of a stream to be its last.
        """
        self._inner, self._rng, self._cut = inner, rng, cut

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        chosen = self._rng.choice(self._inner)
        return await chosen.unary(method, request, timeout=timeout, metadata=metadata)

    async def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        chosen = self._rng.choice(self._inner)
        async with aclosing(chosen.stream(method, request, timeout=timeout, metadata=metadata)) as answers:
            async for answer in answers:
                yield answer
                if self._rng.random() < self._cut:
                    raise Unavailable("Socket closed")

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._rng.choice(self._inner).bidi(method, requests, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        for transport in self._inner:
            await transport.close()
