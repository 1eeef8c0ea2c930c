"""Tasks of one owner, cancelled together when the owner ends, and waits that end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from vaina.clock import Clock

#: what runs until it is cancelled
Job = Callable[[], Coroutine[Any, Any, None]]


class Children:
    """The tasks under way for one Pod, in its worker's group. Bounded by its containers (a few each)."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        for task in [*self._tasks]:
            task.cancel()


async def wait_at_most(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait for an event; it is set when so many seconds have passed."""
    async with asyncio.TaskGroup() as group:

        async def ring() -> None:
            await clock.sleep(seconds)
            event.set()

        timer = group.create_task(ring())
        await event.wait()
        timer.cancel()
