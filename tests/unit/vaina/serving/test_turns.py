"""Turns: few dear calls begin at once, each connection has its own, and nobody waits while the loop has
nothing to do.
"""

import asyncio

from vaina.clock import SystemClock
from vaina.serving.turns import LONG_SECONDS, MOST, Turns


class Loop:
    """Calls of connections, and a clock that each of them makes later."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds
        self.turns = Turns(asyncio.get_running_loop(), lambda: self.now)
        self.begun: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def call(self, peer: str, count: int) -> None:
        async def begin() -> None:
            await self.turns.take(peer)
            self.begun.append(peer)
            self.now += self.seconds

        self.tasks += [asyncio.get_running_loop().create_task(begin()) for _ in range(count)]

    async def turn(self, times: int = 1) -> None:
        for _ in range(times):
            await SystemClock().sleep(0)


async def test_one_more_call_does_not_wait_for_a_hundred_of_another_connection() -> None:
    loop = Loop(LONG_SECONDS)
    loop.call("noisy", 100)
    await loop.turn(5)
    loop.call("quiet", 1)
    await asyncio.gather(*loop.tasks)
    assert len(loop.begun) == 101
    # Those that began at first, before anybody knew how long they take, and one in each turn.
    assert loop.begun.index("quiet") < MOST + 20


async def test_calls_that_take_no_time_begin_many_at_once() -> None:
    loop = Loop(0.0)
    loop.call("a", 10 * MOST)
    await loop.turn(15)
    assert len(loop.begun) == 10 * MOST


async def test_who_has_gone_holds_up_nobody() -> None:
    loop = Loop(LONG_SECONDS)
    loop.call("a", 40)
    await loop.turn()
    for task in loop.tasks[MOST:39]:
        task.cancel()
    await loop.turn(4)
    assert len(loop.begun) == MOST + 1
    assert loop.tasks[39].done()


async def test_when_it_is_over_all_may_begin_again_at_once() -> None:
    loop = Loop(LONG_SECONDS)
    loop.call("a", 50)
    await asyncio.gather(*loop.tasks)
    await loop.turn(3 * MOST)
    before, loop.seconds = len(loop.begun), 0.0
    loop.call("a", MOST)
    await loop.turn()
    assert len(loop.begun) == before + MOST
