"""Structured waiting: small pieces over asyncio.TaskGroup that leave no task behind."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when the first of several waits ends, with its error if any; the others are cancelled."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(wait) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Run work while the block runs, and end it with the block: a caller's input beside the output that the
    block yields.

    A TaskGroup must not be open where a generator yields (PEP 789): closed there, it makes a group of errors
    of GeneratorExit, and cancels the task once more (CPython 3.13), which then cleans up nothing. Raises what
    the work raised, when the block has ended well.
    """
    task = asyncio.ensure_future(work)  # noqa: TID251 - as told above; it is waited for below
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.result()


async def carry_through(work: Coroutine[Any, Any, T]) -> T:
    """Do what has to be done once, though this task is cancelled meanwhile: it goes when that is done.

    For a clean-up that leaves something behind when it is skipped. A task may be cancelled more than once: its
    call is refused, then its caller goes. The work is bounded in time by itself; at the end of the loop it is
    cancelled as all tasks are. Raises what the work raises.
    """
    task = asyncio.ensure_future(work)  # noqa: TID251 - it is waited for here
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            cancelled = True
    if not cancelled:
        return task.result()
    if not task.cancelled():
        # What became of it is nobody's any more.
        task.exception()
    raise asyncio.CancelledError


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception of a group of groups: what tasks raise that fail for one reason."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def is_being_cancelled() -> bool:
    """Say whether the running task was asked to end.

    grpc.aio raises CancelledError also in a task that nobody cancelled, when its call or channel was closed
    elsewhere: that is an error to report, not an end to obey (a TaskGroup takes a child that ends so for one
    that is done).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
