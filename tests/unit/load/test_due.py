"""Things that are due at a time come in their order, and not before."""

import asyncio

from bench.load.due import Due
from vaina.clock import SystemClock

CLOCK = SystemClock()


async def test_things_come_by_their_times_and_those_of_one_time_as_they_were_put_in() -> None:
    due: Due[str] = Due(lambda: 10.0)
    for at, thing in ((9.0, "c"), (5.0, "a"), (9.0, "d"), (8.0, "b"), (11.0, "later")):
        due.put(at, thing)
    assert await due.take(3) == [(5.0, "a"), (8.0, "b"), (9.0, "c")]
    assert await due.take(3) == [(9.0, "d")]


async def test_who_takes_waits_until_something_is_due() -> None:
    due: Due[str] = Due(CLOCK.monotonic)
    begun = CLOCK.monotonic()

    async def put() -> None:
        # Whoever waits is woken by what comes, and again by what is due before that.
        due.put(begun + 3600, "in an hour")
        due.put(begun + 0.02, "soon")

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        taking = group.create_task(due.take(9))
        group.create_task(put())
    assert taking.result() == [(begun + 0.02, "soon")]
    assert CLOCK.monotonic() >= begun + 0.02


async def test_each_thing_goes_to_one_of_those_who_wait() -> None:
    due: Due[int] = Due(CLOCK.monotonic)

    async def put() -> None:
        for number in range(3):
            due.put(0.0, number)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        takers = [group.create_task(due.take(1)) for _ in range(3)]
        group.create_task(put())
    assert sorted(thing for taker in takers for _, thing in taker.result()) == [0, 1, 2]
