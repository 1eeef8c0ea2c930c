"""An accelerator for servers with many methods and many unary calls (`grpc-core` of docs/fast-paths.md).

grpc.aio asks the core for one call of each method, and waits in one loop for the next call of all of them: with
the apiserver's 270 methods a call costs a third more for that wait alone. Calls that come together are taken
over one by one, two turns of the loop each; the rest waits in the core, first come, first served, where no
fair queue can order them (decision 032). Here each method has tasks that ask for its calls, as many as it has
calls under way.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

from vaina.serving.core import CallTasks

#: calls of a method that are asked for at the same time: at first, and at most
FIRST, MOST = 2, 64


class _Method:
    """How many calls of a method are asked for, and how many are under way."""

    __slots__ = ("asked", "path", "under_way")

    def __init__(self, path: bytes) -> None:
        self.path: Final = path
        self.asked = self.under_way = 0

    def ended(self, _: object) -> None:
        self.under_way -= 1


class _Server(CallTasks):
    def __init__(self, options: Sequence[tuple[str, Any]]) -> None:
        super().__init__(options)
        self._registered: dict[str, Any] = {}
        self._handlers = cygrpc._MethodResolver([], self._registered)

    def add_registered_method_handlers(self, method_handlers: Mapping[str, Any]) -> None:
        self._registered.update(method_handlers)
        super().add_registered_method_handlers(dict(method_handlers))

    def _make_request_call_future(self, method: bytes | None) -> Any:
        if method is None:
            return super()._make_request_call_future(None)
        self._ask(_Method(method), FIRST)
        # The server's own loop gets none of them.
        return self._loop_of_tasks.create_future()

    def _ask(self, method: _Method, count: int) -> None:
        method.asked += count
        for _ in range(count):
            self._keep(self._take_calls(method))

    async def _take_calls(self, method: _Method) -> None:
        name = method.path.decode()
        while self.is_running():
            try:
                task = self._begin(name, await self._request_registered_call(method.path))
            except cygrpc._RequestCallError:
                # This one call failed, or the server ends.
                continue
            method.under_way += 1
            task.add_done_callback(method.ended)
            if method.asked <= method.under_way and method.asked < MOST:
                self._ask(method, method.asked)


class _AllAtOnce(socket.socket):
    """The socket by which gRPC's thread wakes the loop, one byte an event.

    grpc.aio (1.85) reads one byte and takes all events that there are, and the loop turns once more for each
    byte that is left. Reading all bytes loses nothing: a byte is written after its event is in the queue.
    """

    __slots__ = ()

    def recv(self, _size: int, flags: int = 0) -> bytes:
        return super().recv(4096, flags)


def _wake_once_for_all(loop: asyncio.AbstractEventLoop) -> None:
    """Change the sockets by which gRPC wakes a loop; does nothing where grpc.aio has changed inside."""
    queue, selector = getattr(cygrpc, "PollerCompletionQueue", ()), getattr(loop, "_selector", None)
    for key in () if selector is None else selector.get_map().values():
        reader = key.data[0] if isinstance(key.data, tuple) else None
        callback = getattr(reader, "_callback", None)
        owner = getattr(getattr(callback, "func", callback), "__self__", None)
        if isinstance(owner, queue) and isinstance(key.fileobj, socket.socket):
            key.fileobj.__class__ = _AllAtOnce


def make_server(options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    """Make a server. Is a `vaina.serving.core.Core`."""
    server = grpc.aio.server(options=tuple(options))
    server._server = _Server(options)  # type: ignore[attr-defined]  # there is no public way to hand it in
    _wake_once_for_all(asyncio.get_running_loop())
    return server
