"""What every load test of the command stands on: a patient client, and an end that leaves nothing behind."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.failures import Exit
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport

#: a call may wait long for its turn under load
_CALL_SECONDS = 60.0
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
#: the exit code of who was ended by a signal: this and its number
_SIGNALLED = 128


def client_of(address: str) -> Clientset:
    """Return a client that is patient, and deaf to the server's warnings: there would be one a Pod."""
    return Clientset(GrpcTransport(address, user_agent="vaina-load"), timeout=_CALL_SECONDS)


@asynccontextmanager
async def terminable() -> AsyncIterator[None]:
    """Have SIGTERM, and the end of the terminal, end the run as Ctrl-C does: what was made is deleted."""
    loop, task, told = asyncio.get_running_loop(), asyncio.current_task(), 0
    assert task is not None

    def end(signum: int) -> None:
        nonlocal told
        told = signum
        task.cancel()

    for signum in _ENDINGS:
        loop.add_signal_handler(signum, end, signum)
    try:
        yield
    except asyncio.CancelledError:
        if told:
            raise Exit(_SIGNALLED + told) from None
        raise
    finally:
        for signum in _ENDINGS:
            loop.remove_signal_handler(signum)
