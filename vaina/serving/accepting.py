"""How calls come in from gRPC's core: several of each method at a time.

grpc.aio asks the core for one call after the other, and each time waits, by `asyncio.wait`, for one of all methods: two or three turns of the
loop a call. Under load a turn takes milliseconds, calls pile up in the core, first come first served, and no fair queue behind it has anything
to order: one client with 1,000 calls in flight delayed everybody by all of them. So each method has tasks of its own here, which ask for its
calls; whenever all of them got one in the same turn there are twice as many, up to `MAX_ACCEPTORS`. It is also what made a unary call
a third cheaper (decision 032).

This stands on what grpc.aio (1.85, which is pinned) calls its own: the class of the server in its core, and two functions. Where one of them
is missing, the ordinary server serves.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

log = structlog.stdlib.get_logger(__name__)

#: calls of one method that are taken over in one turn of the loop: at first, and at most
ACCEPTORS, MAX_ACCEPTORS = 2, 64

_NEEDED = ("_handle_rpc", "_schedule_rpc_coro", "_MethodResolver", "_RequestCallError")


class _Method:
    """How busy a method is."""

    __slots__ = ("acceptors", "name", "path", "taken")

    def __init__(self, path: bytes) -> None:
        self.path, self.name = path, path.decode()
        #: calls of this turn of the loop
        self.acceptors = self.taken = 0

    def took_one(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Count a call; returns whether each acceptor has had one in this turn: there may be more to take."""
        if not self.taken:
            loop.call_soon(self._begin_turn)
        self.taken += 1
        return self.taken == self.acceptors < MAX_ACCEPTORS

    def _begin_turn(self) -> None:
        self.taken = 0


class _Accepting(cygrpc.AioServer):  # type: ignore[misc]  # the core has no types
    """grpc.aio's server, with acceptors of its own for registered methods."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: Sequence[tuple[str, Any]]) -> None:
        super().__init__(loop, None, (), (), tuple(options), None)
        self._loop_of_tasks = loop
        self._methods: dict[str, Any] = {}
        #: acceptors and calls under way: a loop alone would not keep them
        self._tasks: set[asyncio.Task[Any]] = set()

    def add_registered_method_handlers(self, method_handlers: Mapping[str, Any]) -> None:
        self._methods.update(method_handlers)
        super().add_registered_method_handlers(dict(method_handlers))

    def _make_request_call_future(self, method_bytes: bytes | None) -> Any:
        """Is asked by the server for its next call of a method; None: of those that nobody has registered."""
        if method_bytes is None:
            return super()._make_request_call_future(None)
        method = _Method(method_bytes)
        for _ in range(ACCEPTORS):
            self._keep(self._accept(method))
        # The server itself never gets one: the acceptors do.
        return self._loop_of_tasks.create_future()

    async def _accept(self, method: "_Method") -> None:
        method.acceptors += 1
        resolver = cygrpc._MethodResolver([], self._methods)
        loop, name = self._loop_of_tasks, method.name
        while self.is_running():
            try:
                state = await self._request_registered_call(method.path)
            except cygrpc._RequestCallError:
                continue
            call = cygrpc._handle_rpc(name, resolver, (), state, loop, False)
            self._keep(cygrpc._schedule_rpc_coro(call, state, loop, name))
            if method.took_one(loop):
                for _ in range(min(method.acceptors, MAX_ACCEPTORS - method.acceptors)):
                    self._keep(self._accept(method))

    def _keep(self, coroutine: Any) -> None:
        task = self._loop_of_tasks.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def make_server(options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    """Make a server; it is not started yet."""
    server = grpc.aio.server(options=tuple(options))
    if all(hasattr(cygrpc, name) for name in _NEEDED):
        server._server = _Accepting(asyncio.get_running_loop(), options)  # type: ignore[attr-defined]  # decision 032
    else:
        log.warning(
            "grpc has changed inside: calls are taken over one after the other", grpc=grpc.__version__
        )
    return server
