"""One streaming call, as little as there can be around it.

Its handler reads and writes by the context, and this ends it.

grpc.aio makes three tasks for a stream, wraps its handler in an asynchronous generator of its own, and takes
the metadata apart twice: opening a watch cost half a millisecond before anything of ours ran. Here there is
one task, and none that waits for the end: the core calls back (decision 176).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

from vaina.serving.calls import Call

log = structlog.stdlib.get_logger(__name__)

#: as grpc.aio calls it: with an iterator of requests, and the context, to which it writes
Handler = Callable[[AsyncIterator[bytes], Any], Awaitable[None]]


async def serve(handler: Handler, state: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Serve a stream in the current task, which is its own; nothing comes out but a cancellation.

    Args:
        handler: of the method. It raises whatever it likes after `context.abort`.
        state: of the call, as the core gave it.
        loop: which runs.
    """
    task = asyncio.current_task()
    assert task is not None
    call = Call(state, loop, task)
    try:
        call.watch_end()
        await handler(_requests(call), call)
        if not call.is_answered:
            call.is_answered = True
            await call.finish()
    except cygrpc.AbortError:
        # The client was told.
        call.is_answered = True
    except asyncio.CancelledError:
        was_answered, call.is_answered = call.is_answered, True
        if not was_answered:
            # Not by the client, who would be gone. It did not take a message in its time, or the handler's
            # own wait was cancelled.
            await call.fail()
        raise
    except cygrpc.ExecuteBatchError:
        # The client has gone.
        call.is_answered = True
    except Exception as error:
        log.exception("stream failed outside of its handler", exc_info=error)
        await call.fail()
    finally:
        call.done()


async def _requests(call: Call) -> AsyncIterator[bytes]:
    while (request := await call.read()) is not cygrpc.EOF:
        yield request
