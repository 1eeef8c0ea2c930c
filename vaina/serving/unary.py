"""One unary call on gRPC's core, as little as there can be around it: read, handle, answer.

grpc.aio makes two tasks for a unary call, one that serves it and one that waits for its end, which is when the client has gone; it asks
whether the handler is a coroutine function, and takes the metadata apart twice. Here a worker serves the call itself, and no task waits for its
end: the core calls back (decision 084).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

log = structlog.stdlib.get_logger(__name__)

#: what this stands on, besides `RPCState`
NEEDED: Final = (
    "_ServicerContext", "execute_batch", "AbortError", "EOF", "ExecuteBatchError", "ReceiveCloseOnServerOperation", "ReceiveMessageOperation",
    "SendInitialMetadataOperation", "SendMessageOperation", "SendStatusFromServerOperation", "StatusCode",
)  # fmt: skip
_FAILED: Final = "an error on the server has prevented the request from succeeding"
#: as grpc.aio calls it: with an iterator of requests, which is not used, and the context
Handler = Callable[[None, Any], Awaitable[bytes]]


class _Call:
    """One call under way, and the context that its handler has: what `vaina.serving.server` asks of it."""

    __slots__ = (
        "_callbacks", "_loop", "_operations", "abort", "invocation_metadata", "is_answered", "peer",
        "set_trailing_metadata", "state", "task", "time_remaining", "trailing_metadata",
    )  # fmt: skip

    def __init__(self, state: Any, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
        context = cygrpc._ServicerContext(state, None, None, loop)
        self.abort, self.peer = context.abort, context.peer
        self.invocation_metadata, self.time_remaining = context.invocation_metadata, context.time_remaining
        self.set_trailing_metadata = context.set_trailing_metadata
        self.trailing_metadata = context.trailing_metadata
        self.state, self.task, self._loop = state, task, loop
        #: the answer is on its way: whoever goes now changes nothing
        self.is_answered = False
        self._callbacks: list[Callable[[Any], object]] = []
        #: What the core works on. It writes into them, also when nobody waits for it any more: they live as long as the call.
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

    async def answer(self, message: bytes) -> None:
        """Send the answer and OK. Returns when they are gone."""
        operations = (
            cygrpc.SendInitialMetadataOperation(None, 0),
            cygrpc.SendMessageOperation(message, 0),
            cygrpc.SendStatusFromServerOperation(self.trailing_metadata(), cygrpc.StatusCode.ok, "", 0),
        )
        await self._do(operations)

    async def fail(self) -> None:
        """Tell the client that no answer will come."""
        operations = (
            cygrpc.SendInitialMetadataOperation(None, 0),
            cygrpc.SendStatusFromServerOperation((), cygrpc.StatusCode.internal, _FAILED, 0),
        )
        with contextlib.suppress(cygrpc.ExecuteBatchError):
            await self._do(operations)

    async def _do(self, operations: tuple[Any, ...]) -> None:
        self._operations.append(operations)
        await cygrpc.execute_batch(self.state, operations, self._loop)

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call back with the context when the call is over."""
        self._callbacks.append(callback)

    def done(self) -> None:
        """The call is over."""
        for callback in self._callbacks:
            callback(self)


def _watch(call: _Call, loop: asyncio.AbstractEventLoop) -> None:
    """Ask the core for the end of a call, and keep the call until then; a client that goes before the answer ends the handler.

    Before anything else: the core must be asked before it has to refuse a message, or the call never ends, and others with it.
    """
    operation = cygrpc.ReceiveCloseOnServerOperation(0)
    batch = cygrpc.execute_batch(call.state, (operation,), loop)
    # No task for it: the first step begins it, the second reads what the core said.
    future = batch.send(None)
    future._asyncio_future_blocking = False
    future.add_done_callback(partial(_ended, call, batch, operation))


def _ended(call: _Call, batch: Any, operation: Any, _future: "asyncio.Future[None]") -> None:
    with contextlib.suppress(StopIteration, cygrpc.ExecuteBatchError):
        batch.send(None)
    if operation.cancelled() and not call.is_answered:
        call.is_answered = True
        call.task.cancel()


async def serve(handler: Handler, state: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Serve a call; nothing comes out but the cancellation of who serves.

    Args:
        handler: of the method. It raises whatever it likes after `context.abort`.
        state: of the call, as the core gave it.
        loop: which runs.
    """
    task = asyncio.current_task()
    assert task is not None
    call = _Call(state, loop, task)
    try:
        _watch(call, loop)
        answer = await handler(None, call)
        if not call.is_answered:
            call.is_answered = True
            await call.answer(answer)
    except cygrpc.AbortError as error:
        # The client was told. The call keeps the error, which would keep all frames, which have the call and its request: no such circles.
        error.__traceback__ = error.__context__ = None
        call.is_answered = True
    except asyncio.CancelledError:
        # By the client that has gone, or because it did not take its answer; else whoever serves is to end.
        was_answered, call.is_answered = call.is_answered, True
        if not was_answered:
            if task.cancelling():
                raise
            # Or else something that the handler waited for was cancelled: nobody has gone.
            log.warning("call failed: what it waited for was cancelled")
            await call.fail()
    except cygrpc.ExecuteBatchError:
        # The client has gone.
        call.is_answered = True
    except Exception as error:
        log.exception("call failed outside of its handler", exc_info=error)
        call.is_answered = True
        await call.fail()
    finally:
        call.done()
        while task.cancelling():
            # The worker goes on.
            task.uncancel()
