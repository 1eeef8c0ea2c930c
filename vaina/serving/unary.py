"""One unary call, as little as there can be around it: read, handle, answer.

grpc.aio makes two tasks for a unary call, one that serves it and one that waits for its end, which is when
the client has gone; it asks whether the handler is a coroutine function, and takes the metadata apart twice.
Here a worker serves the call itself, and no task waits for its end: the core calls back (decision 084).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

from vaina.serving.calls import Call

log = structlog.stdlib.get_logger(__name__)

#: as grpc.aio calls it: with an iterator of requests, which is not used, and the context
Handler = Callable[[None, Any], Awaitable[bytes]]


async def serve(
    handler: Handler, state: Any, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]"
) -> None:
    """Serve a call; nothing comes out but the cancellation of who serves.

    Args:
        handler: of the method. It raises whatever it likes after `context.abort`.
        state: of the call, as the core gave it.
        loop: which runs.
        task: which serves, and asks for this.
    """
    call = Call(state, loop, task)
    try:
        call.watch_end()
        answer = await handler(None, call)
        if not call.is_answered:
            call.is_answered = True
            await call.answer(answer)
    except cygrpc.AbortError:
        # The client was told.
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
        await call.fail()
    finally:
        call.done()
        while task.cancelling():
            # The worker goes on.
            task.uncancel()
