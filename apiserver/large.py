"""Work on large objects: in a thread beside the loop, which has its turns meanwhile.

To merge, check and encode an object takes some half a millisecond for each KB: 0.8 s for the largest. Such work
is pure and in Python, so a thread gives the interpreter up each millisecond, and others wait little more than
that. Called by the registry and the REST API for what may be large.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, TypeVar

import structlog

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

#: what has more is large: some 10 ms of work
LARGE_BYTES: Final = 32 * 1024
#: after which the thread lets the loop run, instead of Python's 5 ms: a call needs some ten turns of the loop
_SWITCH_SECONDS: Final = 0.001
#: for how long at most the loop's end waits: the largest piece has a second of work
END_SECONDS: Final = 5.0


def is_large(size: int) -> bool:
    """Say whether work on so many bytes is not to be done on the loop."""
    return size > LARGE_BYTES


class LargeWork:
    """One piece at a time, in a thread of its own: several would make the loop wait for each of them.

    A piece whose caller has gone is not begun; one that is under way ends before the next. Who waits is bounded
    by the calls under way.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large")

    async def do(self, size: int, work: Callable[..., T], *args: object) -> T:
        """Return what pure work on an object of so many bytes returns; small objects are worked on at once."""
        if not is_large(size):
            return work(*args)
        piece = partial(copy_context().run, _give_turns, work, *args)
        return await asyncio.get_running_loop().run_in_executor(self._thread, piece)

    async def end(self, within_seconds: float = END_SECONDS) -> None:
        """Take no more work, and wait for what is under way, which may ask the loop: not longer than this.

        A piece that is not done then goes on; the process ends after it.
        """
        last = asyncio.get_running_loop().run_in_executor(self._thread, int)
        self._thread.shutdown(wait=False)
        try:
            async with asyncio.timeout(within_seconds):
                await last
        except TimeoutError:
            log.warning("a large object is still worked on, for nobody", seconds=within_seconds)


def _give_turns(work: Callable[..., T], *args: object) -> T:
    """Work in this thread, and let the others have turns more often than usual meanwhile."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        return work(*args)
    finally:
        sys.setswitchinterval(usual)


def on_loop(ask: Callable[..., T]) -> Callable[..., T]:
    """Return a function that work in a thread may call: what it asks is asked on the loop that runs now."""
    loop, thread = asyncio.get_running_loop(), threading.get_ident()

    def asked(*args: object) -> T:
        if threading.get_ident() == thread:
            return ask(*args)
        answer = Future[T]()

        def there() -> None:
            try:
                answer.set_result(ask(*args))
            except BaseException as error:  # noqa: BLE001 - it is the thread's to raise
                answer.set_exception(error)

        loop.call_soon_threadsafe(there)
        return answer.result()

    return asked
