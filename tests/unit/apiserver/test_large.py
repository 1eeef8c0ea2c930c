"""Work on large objects is done beside the loop, one piece at a time, and asks the loop what is its own."""

import asyncio
import sys
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
    assert await LargeWork().do(LARGE, ran.wait, 60.0)


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


class Piece:
    """Work that lasts until a test lets it end."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.ended = threading.Event(), threading.Event(), threading.Event()
        #: after which the thread gave others a turn, at the end of the work
        self.switch_seconds = 0.0

    def __call__(self) -> None:
        self.begun.set()
        self.may_end.wait(60.0)
        self.switch_seconds = sys.getswitchinterval()
        self.ended.set()


async def test_work_whose_caller_has_gone_ends_before_the_next_begins() -> None:
    large, first, second, usual = LargeWork(), Piece(), Piece(), sys.getswitchinterval()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(large.do(LARGE, first))
        await asyncio.to_thread(first.begun.wait, 60.0)
        gone.cancel()
        # Who has gone is not kept.
        await asyncio.wait([gone])
        group.create_task(large.do(LARGE, second))
        begun_beside = await asyncio.to_thread(second.begun.wait, 0.1)
        first.may_end.set()
        second.may_end.set()
    assert first.ended.is_set()
    assert not begun_beside
    assert first.switch_seconds < usual == sys.getswitchinterval()


async def test_who_goes_before_their_turn_costs_no_work() -> None:
    large, first, second = LargeWork(), Piece(), Piece()
    async with asyncio.TaskGroup() as group:
        group.create_task(large.do(LARGE, first))
        gone = group.create_task(large.do(LARGE, second))
        await asyncio.to_thread(first.begun.wait, 60.0)
        gone.cancel()
        # A turn of the loop until the thread is told.
        await asyncio.wait([gone])
        first.may_end.set()
    assert await large.do(LARGE, threading.active_count)
    assert not second.begun.is_set()


async def test_the_end_waits_for_work_whose_caller_has_gone() -> None:
    large, piece = LargeWork(), Piece()
    there = on_loop(threading.get_ident)
    asked: list[int] = []

    def work() -> None:
        piece()
        asked.append(there())

    async with asyncio.TaskGroup() as group:
        gone = group.create_task(large.do(LARGE, work))
        await asyncio.to_thread(piece.begun.wait, 60.0)
        gone.cancel()
    end = asyncio.get_running_loop().create_task(large.end(60.0))
    piece.may_end.set()
    await end
    assert asked == [threading.get_ident()]


async def test_the_end_waits_no_longer_than_it_may() -> None:
    large, piece = LargeWork(), Piece()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(large.do(LARGE, piece))
        await asyncio.to_thread(piece.begun.wait, 60.0)
        gone.cancel()
    await large.end(0.0)
    assert not piece.ended.is_set()
    piece.may_end.set()


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
