"""Slices: of all long work one slice begins in a turn of the loop, whoever waits longest first."""

import asyncio

from vaina.clock import SystemClock
from vaina.serving.slices import SECONDS, Slice, Slices


class Loop:
    """Long work of several tasks, on a clock that each piece of it makes later."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slices = Slices(lambda: self.now)
        #: who worked, in order; "" where a turn ended
        self.done: list[str] = []

    async def work(self, name: str, count: int) -> None:
        slice_ = Slice(self.slices)
        for _ in range(count):
            self.done.append(name)
            self.now += SECONDS * 1.5
            if slice_.is_over:
                await slice_.give_way()

    async def mark(self, turns: int) -> None:
        for _ in range(turns):
            await SystemClock().sleep(0)
            self.done.append("")

    def turns(self) -> list[list[str]]:
        """Return who worked in each turn."""
        found: list[list[str]] = [[]]
        for name in self.done:
            if name:
                found[-1].append(name)
            else:
                found.append([])
        return found


async def test_in_a_turn_one_alone_of_many_goes_on() -> None:
    loop = Loop()
    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(loop.work(name, 4))
        group.create_task(loop.mark(20))
    first, *later = loop.turns()
    assert first == ["a", "b", "c"]
    assert all(len(names) <= 1 for names in later)
    assert [name for names in later for name in names] == list("abc" * 3)


async def test_work_that_is_short_gives_no_way() -> None:
    loop = Loop()
    slice_ = Slice(loop.slices)
    assert not slice_.is_over
    loop.now += SECONDS * 2
    assert slice_.is_over
    await slice_.give_way()
    assert not slice_.is_over


async def test_who_has_gone_holds_up_nobody() -> None:
    loop = Loop()
    tasks = [asyncio.get_running_loop().create_task(loop.work(name, 2)) for name in "abc"]
    await SystemClock().sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert loop.done == ["a", "b", "c", "b", "c"]
