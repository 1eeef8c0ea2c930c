"""A gRPC server over bytes: `serve` puts handlers behind grpc.aio.

    async with serve({POD.method("Get"): Method(UNARY, get)}, listen="127.0.0.1:0", clock=clock) as server:
        ...  # server.port

A wrapper around each method (`wrapping`) makes the request context, counts (grpc_server_*), holds deadlines,
and turns errors into a status with details. Nothing is parsed, so stored bytes go out as they are; reflection
shows the typed services from the descriptors that the process has imported. Streaming handlers are async
generators; the wrapper closes them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from prometheus_client import CollectorRegistry

from vaina.clock import Clock
from vaina.metrics import RpcMetrics
from vaina.pki.folder import Folder
from vaina.serving.authentication import Authenticator
from vaina.serving.core import Core, make_server
from vaina.serving.draining import Calls, Drain
from vaina.serving.handlers import Handlers, OnUnauthorized, RequestContext, User
from vaina.serving.health import Health
from vaina.serving.options import MAX_CONNECTIONS, server_options
from vaina.serving.reflection import add_reflection
from vaina.serving.turns import Turns
from vaina.serving.wrapping import DEFAULT_DEADLINE_SECONDS, WrappedMethod

log = structlog.stdlib.get_logger(__name__)


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
        wrapped = WrappedMethod(path, method, clock, calls, turns, metrics, default_deadline_seconds)
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
                await calls.closed()
                for task in tasks:
                    task.cancel()
            log.info("stopped serving", listen=listen)
