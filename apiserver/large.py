"""Work on large objects: in a thread beside the loop, which has its turns meanwhile.

To merge, check and encode an object takes some half a millisecond for each KB: 0.8 s for the largest. Such work
is pure and in Python, so a thread gives the interpreter up each millisecond, and others wait little more than
that. Called by the registry and the REST API for what may be large.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

T = TypeVar("T")

#: what has more is large: some 10 ms of work
LARGE_BYTES: Final = 32 * 1024
#: after which the thread lets the loop run, instead of Python's 5 ms: a call needs some ten turns of the loop
_SWITCH_SECONDS: Final = 0.001


def is_large(size: int) -> bool:
    """Say whether work on so many bytes is not to be done on the loop."""
    return size > LARGE_BYTES


class LargeWork:
    """One piece at a time: several threads would make the loop wait for each of them. Owned by one event loop.

    Who waits is bounded by the calls under way.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def do(self, size: int, work: Callable[..., T], *args: object) -> T:
        """Return what pure work on an object of so many bytes returns; small objects are worked on at once."""
        if not is_large(size):
            return work(*args)
        async with self._turn:
            usual = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_SECONDS)
            try:
                return await asyncio.to_thread(work, *args)
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
