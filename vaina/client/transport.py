"""Carries calls over gRPC, or to handlers in the same process. Both transports raise ApiErrors only.

A transport never retries a call: work queues, reflectors and workers do.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import grpc
import structlog

from vaina.client.channels import MAX_ANSWER_BYTES, OPTIONS, STREAMS_A_CHANNEL, Channel, Followed
from vaina.clock import Clock, SystemClock
from vaina.errors import ApiError, MethodNotSupported, Timeout, TooLarge, Unavailable
from vaina.pki.folder import Folder
from vaina.serving import status
from vaina.serving.handlers import (
    ANONYMOUS,
    Handlers,
    Method,
    MethodKind,
    RequestContext,
    User,
    guarded,
    guarded_stream,
)
from vaina.tasks import beside, is_being_cancelled

log = structlog.stdlib.get_logger(__name__)

Metadata = Sequence[tuple[str, str | bytes]]

#: the deadline of a unary call whose caller gives none
DEFAULT_TIMEOUT_SECONDS = 10.0
#: gRPC's messages for a handshake that ended early
_REFUSED_HANDSHAKE = ("Socket closed", "handshake failed", "Verification Check failed")


class Transport(Protocol):
    """Carries the calls of clients. Raises ApiErrors only (and CancelledError)."""

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        """Call a method with one request and one answer. `timeout` in seconds."""
        ...

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        """Call a method with one request and many answers. Close the iterator to end the call."""
        ...

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        """Call a method with many requests and many answers. Close the iterator to end the call."""
        ...

    async def close(self) -> None:
        """End all calls and connections."""
        ...


def _ignore(_warning: str) -> None:
    """Warnings are for people; components do not read them."""


class GrpcTransport:
    """Calls over gRPC to one target.

    Unary calls and streams have separate connections, so that watches never delay writes.

    A channel takes 900 streams. The transport then opens another channel, because a call beyond what the ten
    connections of a channel take would wait without an error. Channels of streams stay open until `close`.

    A channel cannot change its certificate (grpc#41779). When the folder has a new one, new calls use new
    channels, and the earlier channels close with their last call.
    """

    def __init__(
        self,
        target: str,
        credentials: Folder | None = None,
        *,
        user_agent: str = "vaina",
        on_warning: Callable[[str], None] = _ignore,
    ) -> None:
        """Make a transport; nothing is connected yet.

        Args:
            target: host:port, or any other name that gRPC resolves.
            credentials: the client's certificate, and the authorities of the server's; None: no TLS.
            user_agent: precedes gRPC's own.
            on_warning: gets each warning of the server.

        Raises:
            FolderError: the certificate cannot be read.
        """
        self.target = target
        self._options = (*OPTIONS, ("grpc.primary_user_agent", user_agent))
        self._followed = None if credentials is None else Followed(credentials)
        self._unary = self._open()
        self._streams = [self._open()]
        self._retired: list[Channel] = []
        self._on_warning = on_warning

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        if self._followed is not None and self._followed.has_changed():
            await self._reconnect()
        chosen = self._unary
        chosen.calls += 1
        try:
            call = chosen.method("unary_unary", method)(request, timeout=timeout, metadata=tuple(metadata))
            answer: bytes = await call
            if self._on_warning is not _ignore:
                self._warn(await call.trailing_metadata())
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError) as error:
            if isinstance(error, grpc.aio.AioRpcError):
                self._warn(error.trailing_metadata())
            refused = _translated(error)
            if refused is None:
                raise
            raise refused from error
        finally:
            chosen.calls -= 1
            if chosen.is_retired:
                await chosen.ended()
        return answer

    def _warn(self, trailers: Any) -> None:
        for warning in status.warnings_of(trailers):
            self._on_warning(warning)

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._answers("unary_stream", method, request, timeout, metadata)

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._answers("stream_stream", method, requests, timeout, metadata)

    async def close(self) -> None:
        for each in (self._unary, *self._streams, *self._retired):
            await each.channel.close(None)

    async def _answers(
        self,
        kind: str,
        method: str,
        request: bytes | AsyncIterator[bytes],
        timeout: float | None,
        metadata: Metadata,
    ) -> AsyncGenerator[bytes, None]:
        if self._followed is not None and self._followed.has_changed():
            await self._reconnect()
        call, chosen = None, self._with_room()
        chosen.streams += 1
        options: dict[str, Any] = {"timeout": timeout, "metadata": tuple(metadata)}
        try:
            if isinstance(request, bytes):
                call = chosen.method(kind, method)(request, **options)
                async for answer in call:
                    yield answer
            else:
                call = chosen.method(kind, method)(**options)
                async with beside(_send(call, request)):
                    async for answer in call:
                        yield answer
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError) as error:
            refused = _translated(error)
            if refused is None:
                raise
            raise refused from error
        finally:
            chosen.streams -= 1
            if call is not None:
                call.cancel()
            if chosen.is_retired:
                await chosen.ended()

    def _with_room(self) -> Channel:
        for each in self._streams:
            if each.streams < STREAMS_A_CHANNEL:
                return each
        self._streams.append(self._open())
        return self._streams[-1]

    def _open(self) -> Channel:
        return Channel(
            self.target, self._options, None if self._followed is None else self._followed.material
        )

    async def _reconnect(self) -> None:
        """Open new channels, with the new certificate."""
        old = (self._unary, *self._streams)
        self._unary, self._streams = self._open(), [self._open()]
        self._retired = [each for each in (*self._retired, *old) if each.calls or each.streams]
        for each in old:
            await each.retire()


async def _send(call: Any, requests: AsyncIterator[bytes]) -> None:
    """Send the requests of a call until the call is over.

    grpc.aio could send them itself, but its task does not end when the server ends the call: it waits for the
    next request for ever.
    """
    try:
        async for request in requests:
            await call.write(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # The call is over: the reader of the answers gets the reason.
        return
    except Exception as error:  # noqa: BLE001 - the caller's own
        log.debug("the requests of a call ended early", error=str(error))
        call.cancel()


def _translated(error: BaseException) -> ApiError | None:
    """Return the ApiError of a failed call; None for a cancellation of the waiting task itself."""
    if isinstance(error, grpc.aio.AioRpcError):
        refused = status.from_aio(error)
        # In TLS 1.3 the server checks the client's certificate after the client's handshake has ended: the
        # client sees only that the connection closes.
        message = refused.message
        if message.startswith("failed to connect") and any(sign in message for sign in _REFUSED_HANDSHAKE):
            return Unavailable(f"{message}: certificate refused?")
        return refused
    if isinstance(error, grpc.aio.UsageError):
        return Unavailable(f"the connection is closed: {error}")
    return (
        None if is_being_cancelled() else Unavailable("the connection was closed while a call was under way")
    )


class InProcessTransport:
    """Calls handlers in the same process. They get what a server would hand them, except for the peer."""

    def __init__(
        self,
        handlers: Handlers,
        *,
        clock: Clock | None = None,
        user: User = ANONYMOUS,
        on_warning: Callable[[str], None] = _ignore,
    ) -> None:
        self._handlers, self._user = handlers, user
        self._clock = clock or SystemClock()
        self._on_warning = on_warning

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        found, ctx = self._find(method, MethodKind.UNARY), self._context(timeout, metadata)
        try:
            async with asyncio.timeout(timeout):
                answer = await guarded(method, found, bytes(request), ctx)
        except TimeoutError as error:
            raise Timeout("Deadline Exceeded") from error
        finally:
            ctx.cancelled = True
            for warning in ctx.trailing:
                self._on_warning(warning)
        return _sized(answer)

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._answers(MethodKind.STREAM, method, bytes(request), timeout, metadata)

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._answers(MethodKind.BIDI, method, requests, timeout, metadata)

    async def close(self) -> None:
        """Nothing is open."""

    async def _answers(
        self,
        kind: MethodKind,
        method: str,
        request: bytes | AsyncIterator[bytes],
        timeout: float | None,
        metadata: Metadata,
    ) -> AsyncGenerator[bytes, None]:
        found, ctx = self._find(method, kind), self._context(timeout, metadata)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        async with aclosing(guarded_stream(method, found, request, ctx)) as answers:
            while True:
                try:
                    # The timeout is around the wait, not around the yield: it must not cancel the consumer.
                    async with asyncio.timeout_at(deadline):
                        answer = await anext(answers)
                except TimeoutError as error:
                    raise Timeout("Deadline Exceeded") from error
                except StopAsyncIteration:
                    return
                yield _sized(answer)

    def _find(self, method: str, kind: MethodKind) -> Method:
        found = self._handlers.get(method)
        if found is None or found.kind is not kind:
            raise MethodNotSupported(f"Method not found: {method}")
        return found

    def _context(self, timeout: float | None, metadata: Metadata) -> RequestContext:
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        return RequestContext(metadata=tuple(metadata), deadline=deadline, user=self._user)


def _sized(answer: bytes) -> bytes:
    """Refuse an answer that a client over gRPC would refuse, with gRPC's message."""
    if len(answer) > MAX_ANSWER_BYTES:
        raise TooLarge(f"CLIENT: Received message larger than max ({len(answer)} vs. {MAX_ANSWER_BYTES})")
    return bytes(answer)
