"""One method as grpc.aio calls it: with a context, counts, deadlines, and errors as a status with details.

`server` puts each of its methods in a `WrappedMethod`. Who calls, and whether the server goes, is asked here,
before a handler hears of a call.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, nullcontext, suppress
from functools import cached_property
from typing import Any

import grpc
import structlog
from prometheus_client import Counter, Histogram

from vaina.clock import Clock
from vaina.errors import ApiError, BadRequest, Timeout, TooLarge, TooManyRequests, Unauthorized, Unavailable
from vaina.metrics import RpcMetrics
from vaina.serving import status
from vaina.serving.authentication import Caller
from vaina.serving.draining import Calls, Stream
from vaina.serving.handlers import (
    ANONYMOUS,
    IN_THE_CLEAR,
    Method,
    MethodKind,
    RequestContext,
    guarded,
    guarded_stream,
)
from vaina.serving.options import MAX_METADATA_BYTES
from vaina.serving.outlet import GrpcOutlet
from vaina.serving.turns import Turns
from vaina.serving.unsent import MIN_BYTES

log = structlog.stdlib.get_logger(__name__)

#: a unary call has this time at most, whatever its client says: the reference's --request-timeout
DEFAULT_DEADLINE_SECONDS = 60.0
#: a stream's request is there within this time, or the call ends
REQUEST_SECONDS = 32.0
#: calls under way, from their first byte on; what a call is allowed beyond that is its service's business
MAX_CALLS = 32_768
#: a stream that could not be written to is cancelled by gRPC within this time: at once, unless it has a fault
_GONE_SECONDS = 5.0
#: HTTP/2 counts so much for each header besides its name and value
_HEADER_BYTES = 32
#: for calls that gRPC itself ends in time: a timeout costs as much without an end as with one
_NO_LIMIT = nullcontext()


class WrappedMethod:
    """One method with its metrics, as grpc.aio calls it."""

    def __init__(
        self,
        path: str,
        method: Method,
        clock: Clock,
        calls: Calls,
        turns: Turns,
        metrics: RpcMetrics,
        default_deadline_seconds: float,
    ) -> None:
        _, service, name = path.split("/")
        labels = (method.kind.value, service, name)
        self.path, self.method, self.clock, self.calls = path, method, clock, calls
        #: where the calls of this method wait for each other before they begin
        self.turns = turns if method.kind is not MethodKind.UNARY or name == "List" else None
        self.started = metrics.started.labels(*labels)
        self.received = metrics.received.labels(*labels)
        self.sent = metrics.sent.labels(*labels)
        self.metrics, self.labels = metrics, labels
        self.handled: dict[grpc.StatusCode, Counter] = {}
        self.default_deadline_seconds = default_deadline_seconds

    @cached_property
    def handling(self) -> Histogram:
        """How long calls took. Not there before the first.

        Seventeen lines for each of 270 methods were two thirds of the page.
        """
        return self.metrics.handling.labels(*self.labels)

    def rpc_handler(self) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Return the handler to register; no serializers, so bytes in and bytes out.

        A unary call is registered as a stream of requests and read here: grpc.aio would wait for its request
        without an end, and a client that never sends all of it would keep a task for ever.
        """
        if self.method.kind is MethodKind.UNARY:
            return grpc.stream_unary_rpc_method_handler(self.unary)
        return grpc.stream_stream_rpc_method_handler(self.stream)

    async def unary(self, _requests: AsyncIterator[bytes] | None, context: Any) -> bytes:
        """Serve a unary call."""
        ctx, start = self._begin(context)
        code = grpc.StatusCode.OK
        limit, own = self.default_deadline_seconds, None
        # With a deadline of the caller's, gRPC itself cancels this task; ours is for calls without, and for
        # very late ones.
        if ctx.deadline is None or ctx.deadline - start > limit:
            own = limit
        try:
            self._admit(ctx, context)
            async with _NO_LIMIT if own is None else asyncio.timeout(own):
                if self.turns is not None:
                    await self.turns.take(ctx.client if ctx.is_known else ctx.peer)
                request = await self._request(context)
                answer = await guarded(self.path, self.method, request, ctx)
            if (size := len(answer)) > MIN_BYTES:
                self.calls.unsent.add(ctx.client, ctx.peer, size, is_done=ctx.is_done)
                context.add_done_callback(lambda _: self.calls.unsent.remove(ctx.client, ctx.peer, size))
            if ctx.trailing:
                context.set_trailing_metadata(status.warning_trailers(ctx.trailing))
        except ApiError as error:
            code = status.code_of(error)
            await self._abort(context, ctx, error)
            raise
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            await self._abort(context, ctx, Timeout("Deadline Exceeded"))
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            ctx.cancelled = True
            self._end(ctx, code, start)
        return answer

    async def stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """Serve a stream. The end of the server ends a server stream with OK, between two messages."""
        ctx, start = self._begin(context)
        code = grpc.StatusCode.OK
        task = asyncio.current_task()
        assert task is not None
        stream = Stream(task)
        try:
            await self._answer(requests, context, ctx, stream)
            await _flush(ctx)
            if ctx.trailing:
                context.set_trailing_metadata(status.warning_trailers(ctx.trailing))
        except ApiError as error:
            code = status.code_of(error)
            await self._abort(context, ctx, error)
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            await self._abort(context, ctx, Timeout("Deadline Exceeded"))
        except asyncio.CancelledError:
            if stream.refusal is not None:
                code = status.code_of(stream.refusal)
                task.uncancel()
                await self._abort(context, ctx, stream.refusal)
            if not (stream.ending and stream.waiting):
                code = grpc.StatusCode.CANCELLED
                raise
            # The server is going: end the stream in good order.
            task.uncancel()
            await _flush(ctx)
        finally:
            ctx.cancelled = True
            self.calls.streams.discard(stream)
            self.calls.authenticated.discard(stream)
            self.calls.identified.pop(stream, None)
            self._end(ctx, code, start)

    async def _answer(
        self, requests: AsyncIterator[bytes], context: Any, ctx: RequestContext, stream: Stream
    ) -> None:
        """Send what the handler of a stream answers."""
        stream.caller = self._admit(ctx, context)
        if stream.caller is not None:
            self.calls.authenticated.add(stream)
        elif self.calls.identify is not None:
            self.calls.identified[stream] = ctx
        ctx.outlet = GrpcOutlet(context, self.calls.unsent, ctx.client, ctx.peer, self.sent)
        if self.turns is not None:
            await self.turns.take(ctx.client if ctx.is_known else ctx.peer)
        request: bytes | AsyncIterator[bytes] = requests
        if self.method.kind is MethodKind.STREAM:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await self._request(context)
            self.calls.streams.add(stream)
        async with aclosing(guarded_stream(self.path, self.method, request, ctx)) as answers:
            stream.waiting = True
            async for answer in answers:
                stream.waiting = False
                self.sent.inc()
                await self._send(context, ctx, answer)
                if stream.ending:
                    break
                stream.waiting = True
        stream.waiting = False

    async def _send(self, context: Any, ctx: RequestContext, answer: bytes) -> None:
        """Send a message of a stream. Raises TooManyRequests: earlier ones were not read, and it is large."""
        if large := len(answer) > MIN_BYTES:
            self.calls.unsent.add(ctx.client, ctx.peer, len(answer))
        try:
            await context.write(answer)
        except grpc.aio.InternalError:
            await _cancelled()
            raise
        finally:
            if large:
                self.calls.unsent.remove(ctx.client, ctx.peer, len(answer))

    async def _request(self, context: Any) -> bytes:
        """Return the call's request. Raises BadRequest when the client sends none."""
        request = await context.read()
        if request is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs do not know it
            raise BadRequest(f"{self.path} takes one request, and there is none")
        self.received.inc()
        return request  # type: ignore[no-any-return]

    def _admit(self, ctx: RequestContext, context: Any) -> Caller | None:
        """Turn away what comes while the server goes, what nobody could answer, and who is not known.

        Return the holder of the caller's certificate; None in the clear. Raises Unavailable, TooManyRequests,
        TooLarge, Unauthorized.
        """
        if self.calls.refusing:
            raise Unavailable("The server is shutting down, please try again later.", retry_seconds=1)
        if self.calls.current > MAX_CALLS:
            raise TooManyRequests("Too many requests, please try again later.", retry_seconds=1)
        if ctx.metadata:
            size = sum(len(key) + len(value) + _HEADER_BYTES for key, value in ctx.metadata)
            if size > MAX_METADATA_BYTES:
                raise TooLarge(f"Request metadata too large: limit is {MAX_METADATA_BYTES}")
        try:
            caller = self._identify(ctx, context)
        except Unauthorized as error:
            if self.calls.on_unauthorized is not None:
                self.calls.on_unauthorized(self.path, ctx, error)
            raise
        client = ctx.client
        self.calls.clients.enter(client, ctx.peer, MAX_CALLS - self.calls.current, is_user=ctx.is_known)
        ctx.counted = client
        return caller

    def _identify(self, ctx: RequestContext, context: Any) -> Caller | None:
        if self.calls.identify is not None:
            ctx.user = self.calls.identify(ctx)
        elif self.calls.authenticator is not None:
            return self.calls.authenticator.identify(context, ctx)
        return None

    def _begin(self, context: Any) -> tuple[RequestContext, float]:
        start = self.clock.monotonic()
        self.started.inc()
        self.calls.current += 1
        metadata = tuple(context.invocation_metadata() or ())
        remaining = context.time_remaining()
        ctx = RequestContext(
            peer=context.peer(),
            metadata=metadata,
            deadline=None if remaining is None else start + remaining,
            user=IN_THE_CLEAR if self.calls.authenticator is None else ANONYMOUS,
            unsent=self.calls.unsent,
        )
        for key, value in metadata:
            if key == "traceparent" and isinstance(value, str):
                ctx.trace_id = value.split("-")[1] if value.count("-") >= 3 else ""
        return ctx, start

    async def _abort(self, context: Any, ctx: RequestContext, error: ApiError) -> None:
        await _flush(ctx)
        code, message, details = status.to_rpc(error)
        trailers: list[tuple[str, str | bytes]] = [(status.DETAILS_KEY, details)]
        if ctx.trailing and len(details) < status.MAX_BYTES // 4:
            trailers += status.warning_trailers(ctx.trailing[:3])
        log.debug("call refused", method=self.path, code=code.name, message=message, peer=ctx.peer)
        await context.abort(code, message, tuple(trailers))

    def _end(self, ctx: RequestContext, code: grpc.StatusCode, start: float) -> None:
        self.calls.current -= 1
        if self.calls.on_last is not None and not self.calls.current:
            self.calls.on_last.set()
        if ctx.counted:
            self.calls.clients.leave(ctx.counted, ctx.peer)
        handled = self.handled.get(code)
        if handled is None:
            handled = self.handled[code] = self.metrics.handled.labels(*self.labels, code.name)
        handled.inc()
        self.handling.observe(self.clock.monotonic() - start)
        if self.method.kind is MethodKind.UNARY and code is grpc.StatusCode.OK:
            self.sent.inc()


async def _cancelled() -> None:
    """Wait until gRPC cancels this task, since a message has failed: the client has gone.

    A handler that were closed before would be cancelled while it closes what it has: an exec would leave its
    command running.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_GONE_SECONDS):
            await asyncio.Event().wait()


async def _flush(ctx: RequestContext) -> None:
    """Return when no message that a handler did not yield is on its way."""
    if ctx.outlet is not None:
        await ctx.outlet.flush()
