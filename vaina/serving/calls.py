"""One call on gRPC's core: its messages, its end, and the context that its handler has.

Follows `vaina.serving.server` says what it asks of it.

The core works on operations, and writes into them also when nobody waits for them any more: they live as long
as the call.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

#: what this stands on, besides `RPCState`
NEEDED: Final = (
    "_ServicerContext", "execute_batch", "AbortError", "EOF", "ExecuteBatchError", "ReceiveCloseOnServerOperation", "ReceiveMessageOperation",
    "SendInitialMetadataOperation", "SendMessageOperation", "SendStatusFromServerOperation", "StatusCode",
)  # fmt: skip
_FAILED: Final = "an error on the server has prevented the request from succeeding"
Trailers = tuple[tuple[str, str | bytes], ...]


class Call:
    """One call under way. Owned by the task that serves it."""

    __slots__ = (
        "_callbacks", "_is_begun", "_loop", "_operations", "_trailers", "invocation_metadata", "is_answered", "peer",
        "state", "task", "time_remaining",
    )  # fmt: skip

    def __init__(self, state: Any, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
        context = cygrpc._ServicerContext(state, None, None, loop)
        self.peer = context.peer
        self.invocation_metadata, self.time_remaining = context.invocation_metadata, context.time_remaining
        self.state, self.task, self._loop = state, task, loop
        #: the answer is on its way, or nobody waits for it: whoever goes now changes nothing
        self.is_answered = False
        #: the client has the initial metadata
        self._is_begun = False
        self._trailers: Trailers = ()
        self._callbacks: list[Callable[[Any], object]] = []
        self._operations: list[tuple[Any, ...]] = []

    async def read(self) -> Any:
        """Return the next message of the client, or EOF."""
        operation = cygrpc.ReceiveMessageOperation(0)
        try:
            await self._do((operation,))
        except cygrpc.ExecuteBatchError:
            return cygrpc.EOF
        message = operation.message()
        return cygrpc.EOF if message is None else message

    async def write(self, message: bytes) -> None:
        """Send a message of a stream. Returns when it is on its way.

        Raises CancelledError when the client has gone.
        """
        operation = cygrpc.SendMessageOperation(message, 0)
        try:
            await self._do((operation,) if self._is_begun else (self._begin(), operation))
        except cygrpc.ExecuteBatchError as error:
            self.is_answered = True
            raise asyncio.CancelledError from error

    def post(self, message: bytes, then: Callable[[bool], None]) -> None:
        """Send a message of a stream, and do not wait.

        `then` is called when it is on its way, or with False when the client has gone.

        One at a time, and none beside `write`. A client that has gone ends the task.
        """
        operation = cygrpc.SendMessageOperation(message, 0)
        operations = (operation,) if self._is_begun else (self._begin(), operation)
        self._operations.append(operations)
        try:
            batch = self._batch(operations)
            future = batch.send(None)
        except cygrpc.ExecuteBatchError:
            self._loop.call_soon(self._posted, None, operations, then)
            return
        future._asyncio_future_blocking = False
        future.add_done_callback(partial(self._posted, batch, operations, then))

    async def answer(self, message: bytes) -> None:
        """Send the one answer, and OK. Returns when they are gone."""
        status = cygrpc.SendStatusFromServerOperation(self._trailers, cygrpc.StatusCode.ok, "", 0)
        await self._do((self._begin(), cygrpc.SendMessageOperation(message, 0), status))

    async def finish(self) -> None:
        """Say OK after the last message of a stream."""
        await self._end(cygrpc.StatusCode.ok, "", self._trailers)

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Trailers) -> NoReturn:
        """Tell the client that the call has failed. Raises AbortError."""
        self.is_answered = True
        with contextlib.suppress(cygrpc.ExecuteBatchError):
            await self._end(code.value[0], details, trailers)
        raise cygrpc.AbortError("Locally aborted.")

    async def fail(self) -> None:
        """Tell the client that no answer will come."""
        self.is_answered = True
        with contextlib.suppress(cygrpc.ExecuteBatchError):
            await self._end(cygrpc.StatusCode.internal, _FAILED, ())

    def set_trailing_metadata(self, trailers: Trailers) -> None:
        """Set what travels with OK."""
        self._trailers = tuple(trailers)

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call back with the context when the call is over."""
        self._callbacks.append(callback)

    def done(self) -> None:
        """The call is over. The core's part is freed, whoever keeps a traceback in which this stands."""
        for callback in self._callbacks:
            callback(self)
        self._callbacks.clear()
        self.state = None

    def watch_end(self) -> None:
        """Ask the core for the end of the call, and keep the call until then.

        A client that goes before the answer ends the task.

        Before anything else: the core must be asked before it has to refuse a message, or the call never
        ends, and others with it.
        """
        operation = cygrpc.ReceiveCloseOnServerOperation(0)
        batch = self._batch((operation,))
        # No task for it: the first step begins it, the second reads what the core said.
        future = batch.send(None)
        future._asyncio_future_blocking = False
        future.add_done_callback(partial(_ended, self, batch, operation))

    def _posted(
        self, batch: Any, operations: tuple[Any, ...], then: Callable[[bool], None], _: Any = None
    ) -> None:
        is_sent = False
        try:
            if batch is not None:
                batch.send(None)
        except StopIteration:
            is_sent = True
        except cygrpc.ExecuteBatchError:
            is_sent = False
        self._operations.remove(operations)
        then(is_sent)
        if not is_sent and not self.is_answered:
            self.is_answered = True
            self.task.cancel()

    def _begin(self) -> Any:
        self._is_begun = True
        return cygrpc.SendInitialMetadataOperation(None, 0)

    async def _end(self, code: int, details: str, trailers: Trailers) -> None:
        status = cygrpc.SendStatusFromServerOperation(trailers, code, details, 0)
        await self._do((status,) if self._is_begun else (self._begin(), status))

    def _batch(self, operations: tuple[Any, ...]) -> Any:
        """Return what hands operations to the core. Raises ExecuteBatchError: the call is over."""
        if self.state is None:
            # The core takes any bytes that stand behind None for a call.
            raise cygrpc.ExecuteBatchError("the call is over")
        return cygrpc.execute_batch(self.state, operations, self._loop)

    async def _do(self, operations: tuple[Any, ...]) -> None:
        self._operations.append(operations)
        try:
            await self._batch(operations)
        except cygrpc.ExecuteBatchError:
            self._operations.remove(operations)
            raise
        # Not in a finally: what was cancelled the core still has.
        self._operations.remove(operations)


def _ended(call: Call, batch: Any, operation: Any, _future: "asyncio.Future[None]") -> None:
    with contextlib.suppress(StopIteration, cygrpc.ExecuteBatchError):
        batch.send(None)
    if operation.cancelled() and not call.is_answered:
        call.is_answered = True
        call.task.cancel()
