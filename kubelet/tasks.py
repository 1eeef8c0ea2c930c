"""Tasks of one owner, cancelled together when the owner ends, and waits that end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vaina.clock import Clock

T = TypeVar("T")

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


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what work returns; None: the event came first, and the work is cancelled and has ended.

    Raises what the work raises.
    """
    async with asyncio.TaskGroup() as group:
        doing = group.create_task(_outcome(work))
        heard = group.create_task(event.wait())
        await asyncio.wait((doing, heard), return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
        doing.cancel()
    if doing.cancelled():
        return None
    result, error = doing.result()
    if error is not None:
        raise error
    return result


async def _outcome(work: Coroutine[Any, Any, T]) -> tuple[T | None, Exception | None]:
    try:
        return await work, None
    except Exception as error:  # noqa: BLE001 - it is raised by who waits
        return None, error


async def wait_at_most(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait for an event; it is set when so many seconds have passed."""
    async with asyncio.TaskGroup() as group:

        async def ring() -> None:
            await clock.sleep(seconds)
            event.set()

        timer = group.create_task(ring())
        await event.wait()
        timer.cancel()
