"""Work beside a generator that yields: its caller's input goes in while its output comes out.

Called by exec, attach and port-forward.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Run work while the block runs, and end it with the block.

    What a TaskGroup is elsewhere: one must not be open where a generator yields (PEP 789). Closed there, it
    makes a group of errors of GeneratorExit, and cancels the task once more (CPython 3.13), which then
    finishes nothing that it has to clean up.

    Raises:
        Exception: what the work raised, when the block has ended well.
    """
    task = asyncio.ensure_future(work)  # noqa: TID251 - as told above; it is waited for below
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
