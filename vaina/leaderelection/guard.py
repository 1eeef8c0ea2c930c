"""A transport that carries writes only while its process leads.

A process that was paused (SIGSTOP, a frozen container) wakes up in the middle of what it did, and another may
lead by then. Its elector ends the work, but not before the work has had its next step. What that step would
write is stopped here. What was sent before is harmless all the same: every write is a compare-and-swap (I18).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Metadata, Transport
from vaina.errors import Unavailable

#: verbs that change nothing
READS = frozenset(("Get", "List", "GetScale"))


class LeaderTransport:
    """Wraps a transport; unary calls other than reads fail as Unavailable when `is_leader` says no.

    Streams are not touched.
    """

    def __init__(self, inner: Transport, is_leader: Callable[[], bool]) -> None:
        self._inner, self._is_leader = inner, is_leader

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        if method.rpartition("/")[2] not in READS and not self._is_leader():
            raise Unavailable("this process does not lead: nothing is written")
        return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.stream(method, request, timeout=timeout, metadata=metadata)

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.bidi(method, requests, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        await self._inner.close()
