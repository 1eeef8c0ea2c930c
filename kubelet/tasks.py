"""Tasks of one owner: in a group with others, and cancelled together when the owner ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Children:
    """The tasks under way for one Pod: in its worker's group. Bounded by its containers (a few each)."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = self._group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Cancel all that are left."""
        for task in [*self._tasks]:
            task.cancel()
