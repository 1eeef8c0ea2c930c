"""Background tasks of tests."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from vaina.testing.clock import settle


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block; they are cancelled at its end. One that fails fails the block.

    A TaskGroup would do, but for fixtures: their ends may run in another task than their beginnings.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def work_in_one_thread() -> None:
    """Have the running loop do what it does in threads in one: `threads_done` can wait for it."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))


async def threads_done() -> None:
    """Return when the one thread has done all that it was given so far.

    Where a test moves time, and files are written in threads, its time would run away from a thread that has
    no turn.
    """
    await settle()
    await asyncio.to_thread(lambda: None)
