"""`serve_rest` puts the handlers behind HTTP, as `vaina.serving.server.serve` puts them behind gRPC.

    async with serve_rest(app.handlers, RestOptions(listen="127.0.0.1:0", ...)) as server:
        ...  # server.port

It ends as the gRPC server does (`vaina.serving.draining`): health says no, new requests are refused for a
moment, watches end one after the other between two events, and requests under way have time to finish. Nothing
here knows what is asked: `answering` does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from apiserver.audit.auditing import OnTold
from apiserver.authorization.authorizer import Authorizer
from apiserver.authorization.impersonation.impersonator import Impersonator
from apiserver.authorization.impersonation.metrics import ImpersonationMetrics
from apiserver.large import LargeWork
from apiserver.rest import connections, pages
from apiserver.rest.answering import Answerer, Limited
from apiserver.rest.authentication import Callers
from apiserver.rest.frames import Frames
from apiserver.rest.served import Table, make_table
from apiserver.tokens.interface import Pages, TokenAuthenticator
from vaina.clock import Clock
from vaina.pki.folder import Folder
from vaina.serving.authentication import Authenticator
from vaina.serving.draining import Calls, Drain
from vaina.serving.handlers import Handlers, Method
from vaina.serving.options import MAX_CONNECTIONS
from vaina.serving.turns import Turns

log = structlog.stdlib.get_logger(__name__)

#: how often the end looks whether requests are still under way
_LOOK_SECONDS: Final = 0.05


def unlimited(_path: str, method: Method) -> Method:
    """Return a method as it is."""
    return method


@dataclass(frozen=True, slots=True)
class RestOptions:
    """How to serve."""

    #: host:port; port 0 takes a free one
    listen: str
    clock: Clock
    #: answers for paths that are no resources, and for what is not served
    authorizer: Authorizer
    #: what is served under which path
    table: Table = field(default_factory=make_table)
    #: what /metrics shows, and where its own go
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    #: by name: what /healthz and /readyz ask
    health: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    #: the server's certificate, and the authorities of its clients'; None: in the clear
    credentials: Folder | None = None
    #: of callers by certificates, where another server has the same; None: one is made
    authenticator: Authenticator | None = None
    tokens: TokenAuthenticator | None = None
    #: what else is served, by path
    pages: Pages = field(default_factory=dict)
    #: whether requests without credentials are served
    anonymous: bool = True
    drain: Drain = field(default_factory=Drain)
    max_connections: int = MAX_CONNECTIONS
    times: connections.Times = field(default_factory=connections.Times)
    #: the limits of the handlers
    limited: Limited = unlimited
    #: has the turns of what is large, with the handlers
    large: LargeWork = field(default_factory=LargeWork)
    #: writes what is answered without a handler to the audit log
    on_told: OnTold | None = None


@dataclass(slots=True)
class RestServing:
    """A running server. Owned by the task that is inside `serve_rest`."""

    port: int
    #: the requests under way
    calls: Calls
    listener: connections.Listener
    #: of the watches
    frames: Frames


@asynccontextmanager
async def serve_rest(handlers: Handlers, options: RestOptions) -> AsyncIterator[RestServing]:
    """Serve while the context lasts.

    Raises OSError: the address cannot be bound; FolderError: the certificate cannot be read.
    """
    clock, folder, going = options.clock, options.credentials, [False]
    authenticator = options.authenticator
    if folder is not None and authenticator is None:
        authenticator = Authenticator(folder, clock, options.registry)
    contexts = None if folder is None else connections.Contexts(folder)
    calls, frames = Calls(authenticator), Frames(clock, options.large)
    health = {**options.health, "shutdown": lambda: not going[0]}
    answerer = Answerer(
        handlers, table=options.table, clock=clock, calls=calls,
        turns=Turns(asyncio.get_running_loop(), clock.monotonic),
        callers=Callers(authenticator, options.tokens, anonymous=options.anonymous), authorizer=options.authorizer,
        impersonator=Impersonator(options.authorizer, ImpersonationMetrics(options.registry), clock),
        pages=pages.Pages(health, options.registry, options.table, options.pages), in_the_clear=folder is None,
        body_seconds=options.times.body, on_told=options.on_told, frames=frames, limited=options.limited,
    )  # fmt: skip
    server = connections.Server(answerer, options.times)
    listener = connections.Listener(server, contexts, options.max_connections)
    port = await listener.listen(options.listen)
    log.info("serving REST", listen=options.listen, port=port, resources=len(options.table))

    async def unready() -> None:
        going[0] = True

    async def stop(seconds: float) -> None:
        listener.close()
        end = clock.monotonic() + seconds
        while calls.current and clock.monotonic() < end:
            await clock.sleep(_LOOK_SECONDS)

    async with asyncio.TaskGroup() as group:
        follower = (
            None if authenticator is None else group.create_task(authenticator.run(calls.refuse_denied))
        )
        try:
            yield RestServing(port, calls, listener, frames)
        finally:
            log.info("draining REST", calls=calls.current, streams=len(calls.streams))
            try:
                await calls.drain(options.drain, clock, unready=unready(), stop=stop)
            finally:
                listener.close()
                await connections.end(server)
                if follower is not None:
                    follower.cancel()
            log.info("stopped serving REST", listen=options.listen)


async def serve_until(stop: asyncio.Event, handlers: Handlers, options: RestOptions) -> None:
    """Serve until `stop` is set, and drain. Raises as `serve_rest` does."""
    async with serve_rest(handlers, options):
        await stop.wait()
