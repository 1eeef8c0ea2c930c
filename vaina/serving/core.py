"""The gRPC core under a server: grpc.aio as it comes, unless the caller of `serve` hands in another."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn, Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it


class Core(Protocol):
    """Makes the grpc.aio server that `vaina.serving.server` adds its methods to."""

    def __call__(self, options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
        """Make a server with these channel arguments; it is not started yet."""
        ...


class CallTasks(cygrpc.AioServer):  # type: ignore[misc]  # the core has no types
    """grpc.aio's server, except that it survives the paths of calls whose method is not registered.

    grpc.aio (up to 1.85) decodes the path of such a call in its only loop, outside any `try`: one byte that
    is not UTF-8 ends the server and every call with it. Here the call is answered with UNIMPLEMENTED in a
    task of its own, and its path is not looked at. No public interface comes before that loop.
    """

    def __init__(self, options: Sequence[tuple[str, Any]]) -> None:
        self._loop_of_tasks = asyncio.get_running_loop()
        super().__init__(self._loop_of_tasks, None, (), (), tuple(options), None)
        self._handlers = cygrpc._MethodResolver([], {})
        #: the loop alone would not keep them
        self._tasks: set[asyncio.Task[Any]] = set()

    def _make_request_call_future(self, method: bytes | None) -> Any:
        """Return what the server waits for: the next call of a method; None: of unregistered methods."""
        return super()._make_request_call_future(method) if method else self._keep(self._refuse_unknown())

    async def _refuse_unknown(self) -> NoReturn:
        """Refuse calls until the server ends, which raises what the server expects."""
        while True:
            self._begin("", await self._request_call())

    def _begin(self, method: str, state: Any) -> "asyncio.Task[None]":
        """Serve a call in a task of its own, as grpc.aio does."""
        handling = cygrpc._handle_rpc(method, self._handlers, (), state, self._loop_of_tasks, False)
        return self._keep(cygrpc._schedule_rpc_coro(handling, state, self._loop_of_tasks, method))

    def _keep(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = self._loop_of_tasks.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def make_server(options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    """Make grpc.aio's own server. Is a `Core`."""
    server = grpc.aio.server(options=tuple(options))
    server._server = CallTasks(options)  # type: ignore[attr-defined]  # there is no public way to hand it in
    return server
