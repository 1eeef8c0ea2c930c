"""How calls come in from gRPC's core: several of each method at a time, each to a worker that is there already.

grpc.aio asks the core for one call after the other, and each time waits, by `asyncio.wait`, for one of all
methods: two or three turns of the loop a call. Under load a turn takes milliseconds, calls pile up in the
core, first come first served, and no fair queue behind it has anything to order: one client with 1,000 calls
in flight delayed everybody by all of them. So each method has workers of its own here, which ask for its
calls; when all of them have one there are more (decision 032). A worker serves the unary call that it got
itself (`vaina.serving.unary`), and asks for the next: no task is made for a call (decision 084). Of those
that wait for a call `MAX_WAITING` are kept.

This stands on what grpc.aio (1.85, which is pinned) calls its own: the class of the server in its core, and
some functions. Where one of them is missing, the ordinary server serves.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

from vaina.serving import calls, streaming, unary, wakeups

log = structlog.stdlib.get_logger(__name__)

#: workers of a method that wait for a call: at first, and at most
WAITING, MAX_WAITING = 2, 64

_NEEDED = ("_handle_rpc", "_schedule_rpc_coro", "_MethodResolver", "_RequestCallError", *calls.NEEDED)


class _Method:
    """How busy a method is."""

    __slots__ = ("more", "name", "path", "waiting")

    def __init__(self, path: bytes) -> None:
        self.path, self.name = path, path.decode()
        #: workers that wait for a call, or will in the next turn of the loop
        self.waiting = 0
        #: workers that are made when all have a call
        self.more = WAITING

    def all_have_one(self) -> int:
        """Return how many more workers there shall be: twice as many each time."""
        more, self.more = self.more, min(2 * self.more, MAX_WAITING)
        return more


class _Accepting(cygrpc.AioServer):  # type: ignore[misc]  # the core has no types
    """grpc.aio's server, with workers for registered methods."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: Sequence[tuple[str, Any]]) -> None:
        super().__init__(loop, None, (), (), tuple(options), None)
        self._loop_of_tasks = loop
        self._methods: dict[str, Any] = {}
        #: workers, and streams under way: a loop alone would not keep them
        self._tasks: set[asyncio.Task[Any]] = set()

    def add_registered_method_handlers(self, method_handlers: Mapping[str, Any]) -> None:
        self._methods.update(method_handlers)
        super().add_registered_method_handlers(dict(method_handlers))

    def _make_request_call_future(self, method_bytes: bytes | None) -> Any:
        """Is asked by the server for its next call of a method; None: of those that nobody has registered."""
        if method_bytes is None:
            return self._loop_of_tasks.create_task(self._refuse_unknown())
        self._add_workers(_Method(method_bytes), WAITING)
        # The server itself never gets one: the workers do.
        return self._loop_of_tasks.create_future()

    async def _refuse_unknown(self) -> NoReturn:
        """Tell the calls of methods that nobody has registered so, until the server ends, which raises what
        the server waits for.

        The server itself gets none of them: it would decode the path in its one loop, outside any `try`, and
        a byte in it that is not UTF-8 would end the listening socket while the process lives on.
        """
        while True:
            state = await self._request_call()
            self._keep(self._refuse(state))
            del state

    async def _refuse(self, state: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        call = calls.Call(state, self._loop_of_tasks, task)
        try:
            call.watch_end()
            with contextlib.suppress(cygrpc.AbortError, cygrpc.ExecuteBatchError):
                await call.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!", ())
        finally:
            call.done()

    def _add_workers(self, method: _Method, count: int) -> None:
        for _ in range(count):
            method.waiting += 1
            self._keep(self._work(method))

    async def _work(self, method: _Method) -> None:
        handler, task = self._methods[method.name], asyncio.current_task()
        assert task is not None
        # What serves itself by a context that reads and writes is ours; health and reflection are not.
        is_ours = handler.request_streaming and handler.request_deserializer is None
        is_unary = is_ours and not handler.response_streaming
        is_stream = is_ours and handler.response_streaming
        while self.is_running():
            try:
                state = await self._request_registered_call(method.path)
            except cygrpc._RequestCallError:
                continue
            method.waiting -= 1
            if not method.waiting:
                self._add_workers(method, method.all_have_one())
            if is_unary:
                await unary.serve(handler.stream_unary, state, self._loop_of_tasks, task)
            elif is_stream:
                self._keep(streaming.serve(handler.stream_stream, state, self._loop_of_tasks))
            else:
                self._keep(self._as_they_are(method, state))
            # It would keep the call for as long as nobody comes.
            del state
            if method.waiting >= MAX_WAITING:
                return
            method.waiting += 1

    def _as_they_are(self, method: _Method, state: Any) -> Any:
        loop, name = self._loop_of_tasks, method.name
        call = cygrpc._handle_rpc(name, cygrpc._MethodResolver([], self._methods), (), state, loop, False)
        return cygrpc._schedule_rpc_coro(call, state, loop, name)

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
    wakeups.install(asyncio.get_running_loop())
    return server
