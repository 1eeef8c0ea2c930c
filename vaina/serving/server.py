"""A gRPC server that is generic over bytes: `serve` puts handlers behind grpc.aio.

One wrapper around each method does, in one pass: request context, metrics (grpc_server_*), deadline, errors -> status with
details, log of failures. Handlers are registered with identity serializers, so that stored bytes go out without being
parsed; reflection shows the typed services all the same, from the descriptors that the process has imported.

Streaming handlers are async generators, always closed by the wrapper. Settings are those of libraries.md.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from prometheus_client import CollectorRegistry

from vaina.clock import Clock
from vaina.errors import ApiError, Timeout
from vaina.metrics import RpcMetrics
from vaina.serving import status
from vaina.serving.handlers import (
    ANONYMOUS,
    BIDI,
    STREAM,
    UNARY,
    Handlers,
    Method,
    MethodKind,
    RequestContext,
    User,
    guarded,
    guarded_stream,
    typed,
    typed_bidi,
    typed_stream,
)
from vaina.serving.health import Health
from vaina.serving.reflection import add_reflection

__all__ = [
    "ANONYMOUS",
    "BIDI",
    "STREAM",
    "UNARY",
    "Handlers",
    "Health",
    "Method",
    "MethodKind",
    "RequestContext",
    "Server",
    "User",
    "serve",
    "typed",
    "typed_bidi",
    "typed_stream",
]

log = structlog.stdlib.get_logger(__name__)

#: bad-input.md row 91, plus what the frame itself needs
MAX_REQUEST_BYTES = 3 * 1024 * 1024 + 64 * 1024
#: a unary call that names no deadline gets this one
DEFAULT_DEADLINE_SECONDS = 60.0

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # The default of 300 s answers the keepalives of clients with GOAWAY.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A client that is gone without a word (a node that lost its network) frees its watches within 40 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_concurrent_streams", 1000),
    # Two processes on one port would share the connections in silence; better that the second fails.
    ("grpc.so_reuseport", 0),
)


@dataclass(slots=True)
class Server:
    """A running server. Owned by the task that is inside `serve`."""

    #: the port that was given, where `listen` asked for port 0
    port: int
    health: Health


@asynccontextmanager
async def serve(  # noqa: PLR0913 - how to serve, all by keyword
    handlers: Handlers,
    *,
    listen: str,
    clock: Clock,
    services: Sequence[str] = (),
    registry: CollectorRegistry | None = None,
    drain_seconds: float = 5.0,
    ready: bool = True,
    default_deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
) -> AsyncIterator[Server]:
    """Serve while the context lasts.

    At the end health says NOT_SERVING, server streams are ended cleanly (their clients resume elsewhere), other calls have
    `drain_seconds` to finish.

    Args:
        handlers: by full gRPC path.
        listen: host:port; port 0 takes a free one.
        clock: for deadlines and durations.
        services: full names that reflection and health show; by default those of the handlers.
        registry: where grpc_server_* metrics go.
        drain_seconds: for calls that are under way at the end.
        ready: whether health says SERVING at once; otherwise whoever holds the Server sets it.
        default_deadline_seconds: of unary calls that name no deadline.

    Raises:
        OSError: the address cannot be bound.
    """
    names = tuple(services) or tuple(sorted({path.split("/")[1] for path in handlers}))
    server = grpc.aio.server(options=OPTIONS)
    streams = _Streams()
    metrics = RpcMetrics(registry or CollectorRegistry())
    by_service: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
    for path, method in handlers.items():
        _, service, name = path.split("/")
        wrapped = _Wrapped(path, method, clock, streams, metrics, default_deadline_seconds)
        by_service.setdefault(service, {})[name] = wrapped.rpc_handler()
    for service, methods in by_service.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    health = Health(names)
    health.add_to(server)
    add_reflection(server, names)
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {listen}: {error}") from error
    await server.start()
    if ready:
        await health.set_serving(True)
    log.info("serving", listen=listen, port=port, services=len(names))
    try:
        yield Server(port=port, health=health)
    finally:
        await health.shutdown()
        streams.end()
        await server.stop(drain_seconds)
        log.info("stopped serving", listen=listen)


class _Streams:
    """The tasks of server streams, so that a shutdown can end them in good order."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.ending = False

    def end(self) -> None:
        self.ending = True
        for task in self.tasks:
            task.cancel()


class _Wrapped:
    """One method with its metrics, as grpc.aio calls it."""

    def __init__(
        self,
        path: str,
        method: Method,
        clock: Clock,
        streams: _Streams,
        metrics: RpcMetrics,
        default_deadline_seconds: float,
    ) -> None:
        _, service, name = path.split("/")
        labels = (method.kind.value, service, name)
        self.path, self.method, self.clock, self.streams = path, method, clock, streams
        self.started = metrics.started.labels(*labels)
        self.received = metrics.received.labels(*labels)
        self.sent = metrics.sent.labels(*labels)
        self.handling = metrics.handling.labels(*labels)
        self.metrics, self.labels = metrics, labels
        self.default_deadline_seconds = default_deadline_seconds

    def rpc_handler(self) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Return the handler to register; no serializers, so bytes in and bytes out."""
        if self.method.kind is MethodKind.UNARY:
            return grpc.unary_unary_rpc_method_handler(self.unary)
        if self.method.kind is MethodKind.STREAM:
            return grpc.unary_stream_rpc_method_handler(self.answers)
        return grpc.stream_stream_rpc_method_handler(self.answers)

    async def unary(self, request: bytes, context: Any) -> bytes:
        """Serve a unary call."""
        ctx, start = self._begin(context)
        code = grpc.StatusCode.OK
        try:
            # With a deadline of the caller's, gRPC itself cancels this task; ours is for calls without.
            async with asyncio.timeout(self.default_deadline_seconds if ctx.deadline is None else None):
                answer = await guarded(self.path, self.method, request, ctx)
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
            self._end(code, start)
        return answer

    async def answers(
        self, request: bytes | AsyncIterator[bytes], context: Any
    ) -> AsyncGenerator[bytes, None]:
        """Serve a stream. A shutdown ends a server stream with OK, where it waits for its handler."""
        ctx, start = self._begin(context)
        code = grpc.StatusCode.OK
        task = asyncio.current_task()
        assert task is not None
        ends_at_once = self.method.kind is MethodKind.STREAM
        if ends_at_once:
            self.streams.tasks.add(task)
        try:
            async with aclosing(guarded_stream(self.path, self.method, request, ctx)) as answers:
                async for answer in answers:
                    self.sent.inc()
                    yield answer
            if ctx.trailing:
                context.set_trailing_metadata(status.warning_trailers(ctx.trailing))
        except ApiError as error:
            code = status.code_of(error)
            await self._abort(context, ctx, error)
        except asyncio.CancelledError:
            if not (ends_at_once and self.streams.ending):
                code = grpc.StatusCode.CANCELLED
                raise
            # The server is going: end the stream in good order.
            task.uncancel()
        finally:
            ctx.cancelled = True
            self.streams.tasks.discard(task)
            self._end(code, start)

    def _begin(self, context: Any) -> tuple[RequestContext, float]:
        start = self.clock.monotonic()
        self.started.inc()
        self.received.inc()
        metadata = tuple((item[0], item[1]) for item in context.invocation_metadata() or ())
        remaining = context.time_remaining()
        ctx = RequestContext(
            peer=context.peer(),
            metadata=metadata,
            deadline=None if remaining is None else start + remaining,
        )
        for key, value in metadata:
            if key == "traceparent" and isinstance(value, str):
                ctx.trace_id = value.split("-")[1] if value.count("-") >= 3 else ""
        return ctx, start

    async def _abort(self, context: Any, ctx: RequestContext, error: ApiError) -> None:
        code, message, details = status.to_rpc(error)
        trailers: list[tuple[str, str | bytes]] = [(status.DETAILS_KEY, details)]
        if ctx.trailing and len(details) < status.MAX_BYTES // 4:
            trailers += status.warning_trailers(ctx.trailing[:3])
        log.debug("call refused", method=self.path, code=code.name, message=message, peer=ctx.peer)
        await context.abort(code, message, tuple(trailers))

    def _end(self, code: grpc.StatusCode, start: float) -> None:
        self.metrics.handled.labels(*self.labels, code.name).inc()
        self.handling.observe(self.clock.monotonic() - start)
        if self.method.kind is MethodKind.UNARY and code is grpc.StatusCode.OK:
            self.sent.inc()
