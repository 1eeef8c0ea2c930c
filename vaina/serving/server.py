"""A gRPC server over bytes: `serve` puts handlers behind grpc.aio.

    async with serve({POD.method("Get"): Method(UNARY, get)}, listen="127.0.0.1:0", clock=clock) as server:
        ...  # server.port

A wrapper around each method makes the request context, counts (grpc_server_*), holds deadlines, and turns
errors into a status with details. Nothing is parsed, so stored bytes go out as they are; reflection shows the
typed services from the descriptors that the process has imported. Streaming handlers are async generators;
the wrapper closes them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import grpc
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from vaina.clock import Clock
from vaina.errors import ApiError, BadRequest, Timeout, TooLarge, TooManyRequests, Unauthorized, Unavailable
from vaina.metrics import RpcMetrics
from vaina.pki.folder import Folder
from vaina.serving import status
from vaina.serving.authentication import Authenticator, Caller
from vaina.serving.core import Core, make_server
from vaina.serving.draining import Calls, Drain, Stream
from vaina.serving.handlers import (
    ANONYMOUS,
    BIDI,
    IN_THE_CLEAR,
    STREAM,
    UNARY,
    Handlers,
    Method,
    MethodKind,
    OnUnauthorized,
    RequestContext,
    User,
    guarded,
    guarded_stream,
    typed,
    typed_bidi,
    typed_stream,
)
from vaina.serving.health import Health
from vaina.serving.options import MAX_CONNECTIONS, MAX_METADATA_BYTES, server_options
from vaina.serving.outlet import GrpcOutlet
from vaina.serving.reflection import add_reflection
from vaina.serving.turns import Turns
from vaina.serving.unsent import MIN_BYTES

__all__ = [
    "ANONYMOUS",
    "BIDI",
    "STREAM",
    "UNARY",
    "Drain",
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

#: a unary call has this time at most, whatever its client says: the reference's --request-timeout
DEFAULT_DEADLINE_SECONDS = 60.0
#: a stream's request is there within this time, or the call ends
REQUEST_SECONDS = 32.0
#: calls under way, from their first byte on; what a call is allowed beyond that is its service's business
MAX_CALLS = 32_768
#: HTTP/2 counts so much for each header besides its name and value
_HEADER_BYTES = 32
#: for calls that gRPC itself ends in time: a timeout costs as much without an end as with one
_NO_LIMIT = nullcontext()


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
    drain: Drain | None = None,
    ready: bool = True,
    default_deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
    max_connections: int = MAX_CONNECTIONS,
    core: Core = make_server,
    credentials: Folder | None = None,
    authenticator: Authenticator | None = None,
    identify: Callable[[RequestContext], User] | None = None,
    on_unauthorized: OnUnauthorized | None = None,
) -> AsyncIterator[Server]:
    """Serve while the context lasts.

    At the end health says NOT_SERVING, server streams end with OK (their clients resume elsewhere), and other
    calls have `drain_seconds` to finish. `vaina.serving.draining` has the order.

    Args:
        handlers: by full gRPC path.
        listen: host:port; port 0 takes a free one.
        clock: for deadlines and durations.
        services: full names that reflection and health show; by default those of the handlers.
        registry: where grpc_server_* metrics go.
        drain_seconds: for calls that are under way at the end.
        drain: the end in all its steps, instead of `drain_seconds`.
        ready: whether health says SERVING at once; otherwise the caller sets it (`Server.health`).
        default_deadline_seconds: of unary calls that name no deadline, or a later one.
        max_connections: further ones are closed at once.
        core: makes the grpc.aio server; `vaina.serving.fast_core.make_server` serves many small calls faster.
        credentials: the server's certificate, and the authorities whose certificates clients have to show;
            None: in the clear, and everybody may do anything.
        authenticator: of callers by certificates, where another server has the same; by default one is made.
        identify: tells callers by what they send, instead of by certificates, which are not asked for then. It
            raises Unauthorized. Needs `credentials`.
        on_unauthorized: is told of calls that are refused because nobody vouches for their callers.

    Raises:
        OSError: the address cannot be bound.
        FolderError: the server's certificate cannot be read.
    """
    names = tuple(services) or tuple(sorted({path.split("/")[1] for path in handlers}))
    server = core(server_options(max_connections=max_connections))
    registry = registry or CollectorRegistry()
    if credentials is not None and authenticator is None:
        authenticator = Authenticator(credentials, clock, registry)
    calls = Calls(authenticator, identify, on_unauthorized)
    turns = Turns(asyncio.get_running_loop(), clock.monotonic)
    metrics = RpcMetrics(registry)
    by_service: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
    for path, method in handlers.items():
        _, service, name = path.split("/")
        wrapped = _Wrapped(path, method, clock, calls, turns, metrics, default_deadline_seconds)
        by_service.setdefault(service, {})[name] = wrapped.rpc_handler()
    for service, methods in by_service.items():
        server.add_registered_method_handlers(service, methods)  # type: ignore[attr-defined]  # the stubs do not know it
    health = Health(names)
    health.add_to(server)
    if identify is None:
        add_reflection(server, names)
    try:
        if authenticator is None:
            port = server.add_insecure_port(listen)
        else:
            port = server.add_secure_port(listen, authenticator.credentials(of_clients=identify is None))
    except RuntimeError as error:
        raise OSError(f"cannot listen on {listen}: {error}") from error
    await server.start()
    if ready:
        await health.set_serving(True)
    log.info("serving", listen=listen, port=port, services=len(names))
    plan = drain or Drain(calls_seconds=drain_seconds)
    async with asyncio.TaskGroup() as group:
        # Raises what ended the server, should it end by itself: a process that accepts no calls has to end.
        tasks: list[asyncio.Task[Any]] = [group.create_task(server.wait_for_termination())]
        if authenticator is not None:
            tasks.append(group.create_task(authenticator.run(calls.refuse_denied)))
        try:
            yield Server(port=port, health=health)
        finally:
            log.info("draining", listen=listen, calls=calls.current, streams=len(calls.streams))
            try:
                await calls.drain(plan, clock, unready=health.shutdown(), stop=server.stop)
            finally:
                # Also when the drain was cancelled.
                await server.stop(None)
                for task in tasks:
                    task.cancel()
            log.info("stopped serving", listen=listen)


class _Wrapped:
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
        if (size := len(answer)) <= MIN_BYTES:
            await context.write(answer)
            return
        self.calls.unsent.add(ctx.client, ctx.peer, size)
        try:
            await context.write(answer)
        finally:
            self.calls.unsent.remove(ctx.client, ctx.peer, size)

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
        if ctx.counted:
            self.calls.clients.leave(ctx.counted, ctx.peer)
        handled = self.handled.get(code)
        if handled is None:
            handled = self.handled[code] = self.metrics.handled.labels(*self.labels, code.name)
        handled.inc()
        self.handling.observe(self.clock.monotonic() - start)
        if self.method.kind is MethodKind.UNARY and code is grpc.StatusCode.OK:
            self.sent.inc()


async def _flush(ctx: RequestContext) -> None:
    """Return when no message that a handler did not yield is on its way."""
    if ctx.outlet is not None:
        await ctx.outlet.flush()
