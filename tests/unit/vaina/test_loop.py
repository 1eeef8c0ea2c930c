"""The simulated loop: time jumps, a seed decides who is next, and nothing hangs for ever."""

import asyncio
import random

import pytest

from vaina.testing.clock import EPOCH
from vaina.testing.loop import LoopClock, SimulatedLoop, Stuck, run_simulated


def run(main, *, seed: int = 1, disorder: float = 1.0):
    return run_simulated(main, SimulatedLoop(random.Random(seed), disorder=disorder))


async def names_in_order() -> list[int]:
    order: list[int] = []

    async def work(number: int) -> None:
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(work(number))
    return order


def test_a_day_passes_at_once_and_all_clocks_agree():
    async def main() -> tuple[float, float, float]:
        clock = LoopClock()
        await clock.sleep(86_400)
        return clock.monotonic(), asyncio.get_running_loop().time(), clock.now()

    monotonic, loop_time, now = run(main())
    assert monotonic == loop_time == pytest.approx(86_400)
    assert now == pytest.approx(EPOCH + 86_400)


def test_a_clock_that_is_wrong_jumps_and_its_durations_do_not():
    async def main() -> tuple[float, float]:
        clock = LoopClock()
        before, start = clock.now(), clock.monotonic()
        clock.skew = -3600.0
        await clock.sleep(1)
        return clock.now() - before, clock.monotonic() - start

    wall, monotonic = run(main())
    assert (wall, monotonic) == (pytest.approx(-3599, abs=0.01), pytest.approx(1, abs=0.01))


def test_timeouts_follow_the_same_time():
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_future()
        return LoopClock().monotonic()

    assert run(main()) == pytest.approx(5, abs=0.01)


def test_the_seed_decides_who_runs_next():
    orders = {tuple(run(names_in_order(), seed=seed)) for seed in range(6)}
    assert len(orders) > 1
    assert run(names_in_order(), seed=3) == run(names_in_order(), seed=3)


def test_without_disorder_it_is_first_come_first_served():
    assert run(names_in_order(), disorder=0.0) == [*range(8)]


def test_threads_are_functions_run_in_place():
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 42)

    assert run(main()) == 42


def test_waiting_for_what_never_comes_is_said():
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck, match="nobody can run"):
        run(main())


def test_spinning_is_said():
    async def main() -> None:
        while True:
            await LoopClock().sleep(0)

    with pytest.raises(Stuck, match="nobody waited for a time"):
        run(main())


def test_what_is_left_is_cancelled():
    ended: list[str] = []

    async def left() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("left")

    async def main() -> None:
        task = asyncio.get_running_loop().create_task(left())
        await LoopClock().sleep(1)
        assert not task.done()

    run(main())
    assert ended == ["left"]
