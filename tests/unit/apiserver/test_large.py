"""Work on large objects is done beside the loop, one piece at a time, and asks the loop what is its own."""

import asyncio
import threading

import pytest

from apiserver.large import LARGE_BYTES, LargeWork, on_loop
from vaina.errors import Forbidden

LARGE = LARGE_BYTES + 1


async def test_what_is_small_is_done_at_once() -> None:
    assert await LargeWork().do(LARGE_BYTES, threading.get_ident) == threading.get_ident()


async def test_others_run_while_a_large_object_is_worked_on() -> None:
    ran = threading.Event()
    asyncio.get_running_loop().call_later(0, ran.set)
    assert await LargeWork().do(LARGE, ran.wait, 10.0)


async def test_one_piece_is_worked_on_at_a_time() -> None:
    large, under_way, most = LargeWork(), 0, 0
    begun = threading.Event()

    def work() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        begun.wait(0.02)
        under_way -= 1

    await asyncio.gather(*(large.do(LARGE, work) for _ in range(4)))
    assert most == 1


async def test_a_thread_asks_on_the_loop_and_gets_what_is_raised_there() -> None:
    asked: list[int] = []

    def ask(allowed: bool) -> str:
        asked.append(threading.get_ident())
        if not allowed:
            raise Forbidden("no")
        return "yes"

    there, large = on_loop(ask), LargeWork()
    assert await large.do(LARGE, there, True) == there(True) == "yes"
    with pytest.raises(Forbidden, match="no"):
        await large.do(LARGE, there, False)
    assert set(asked) == {threading.get_ident()}
