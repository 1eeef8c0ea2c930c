"""A session ends with its caller, whatever happens to the task that serves it."""

import asyncio
from typing import cast

import pytest

from kubelet.runtime.interface import ExecSession
from kubelet.server.sessions import closing
from vaina.testing.clock import settle


class Session:
    """One that takes its time to close."""

    def __init__(self) -> None:
        self.asked, self.may_close = asyncio.Event(), asyncio.Event()
        self.is_closed = False

    async def close(self) -> None:
        self.asked.set()
        await self.may_close.wait()
        self.is_closed = True


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_session_is_closed_to_the_end_however_often_its_task_is_cancelled(times: int) -> None:
    session = Session()

    async def serve() -> None:
        async with closing(cast(ExecSession, session)):
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())  # noqa: TID251 (it is cancelled here, and nothing else)
    await settle()
    task.cancel()
    await session.asked.wait()
    for _ in range(times - 1):
        task.cancel()
        await settle()
    session.may_close.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.is_closed
