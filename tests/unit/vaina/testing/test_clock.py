import asyncio

from vaina.testing.clock import EPOCH, FakeClock


async def test_sleepers_wake_in_order_each_at_its_own_time():
    clock, woken = FakeClock(), []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 3), ("a", 1), ("b", 1)):
            group.create_task(sleep(name, seconds))
        await clock.advance(2)
        assert woken == [("a", 1), ("b", 1)]
        await clock.advance(2)
    assert woken[2:] == [("c", 3)]
    assert (clock.monotonic(), clock.now()) == (4, EPOCH + 4)


async def test_a_loop_that_waits_for_a_moment_comes_to_it():
    clock = FakeClock()

    async def wait_until(moment: float) -> None:
        while clock.monotonic() < moment:
            await clock.sleep(moment - clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(wait_until(0.1 + 0.2))
        group.create_task(wait_until(1e-9))
        await clock.advance(1)


async def test_a_sleeper_that_is_cancelled_is_forgotten():
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(5))
        await clock.advance(0)
        assert clock.sleeping == 1
        task.cancel()
        await clock.advance(10)
        assert clock.sleeping == 0
