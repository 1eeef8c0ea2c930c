import asyncio

import pytest
from prometheus_client import CollectorRegistry

from vaina.backoff import Backoff
from vaina.metrics import QueueMetrics
from vaina.testing.clock import FakeClock, settle
from vaina.workqueue import RateLimitingQueue, ShutDown


@pytest.fixture
def clock():
    return FakeClock()


async def test_a_key_added_twice_is_worked_on_once(clock):
    queue = RateLimitingQueue("q", clock)
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_a_key_added_while_it_is_worked_on_comes_again_after_done_and_not_before(clock):
    queue = RateLimitingQueue("q", clock)
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_getters_are_woken_one_per_key(clock):
    queue = RateLimitingQueue("q", clock)
    got = []

    async def worker():
        got.append(await queue.get())

    async with asyncio.TaskGroup() as group:
        group.create_task(worker())
        group.create_task(worker())
        await settle()
        queue.add("a")
        queue.add("b")
    assert sorted(got) == ["a", "b"]


async def test_of_two_delays_for_one_key_the_earlier_counts(clock):
    queue = RateLimitingQueue("q", clock)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(queue.run())
        queue.add_after("a", 10)
        queue.add_after("a", 2)
        queue.add_after("a", 5)
        await clock.advance(1.9)
        assert len(queue) == 0
        await clock.advance(0.2)
        assert len(queue) == 1
        assert queue.waiting == 0
        queue.done(await queue.get())
        await clock.advance(20)
        assert len(queue) == 0
        runner.cancel()


async def test_failures_of_a_key_grow_its_delay_until_it_is_forgotten(clock):
    queue = RateLimitingQueue("q", clock, Backoff(base_seconds=1, cap_seconds=5))
    assert [queue.add_rate_limited("a") for _ in range(4)] == [1, 2, 4, 5]
    assert queue.add_rate_limited("b") == 1
    queue.forget("a")
    assert queue.failures("a") == 0
    assert queue.add_rate_limited("a") == 1


async def test_shutdown_tells_those_who_wait(clock):
    queue = RateLimitingQueue("q", clock)

    async def worker():
        with pytest.raises(ShutDown):
            await queue.get()

    async with asyncio.TaskGroup() as group:
        group.create_task(worker())
        group.create_task(queue.run())
        await settle()
        queue.shutdown()
    queue.add("a")
    assert len(queue) == 0


async def test_metrics_have_upstreams_names(clock):
    registry = CollectorRegistry()
    queue = RateLimitingQueue("q", clock, metrics=QueueMetrics(registry))
    queue.add("a")
    assert registry.get_sample_value("workqueue_depth", {"name": "q"}) == 1
    key = await queue.get()
    await clock.advance(2)
    queue.done(key)
    queue.add_rate_limited(key)
    values = {
        name: registry.get_sample_value(name, {"name": "q"})
        for name in (
            "workqueue_adds_total", "workqueue_retries_total", "workqueue_depth",
            "workqueue_work_duration_seconds_sum", "workqueue_queue_duration_seconds_count",
        )
    }  # fmt: skip
    assert values == {
        "workqueue_adds_total": 1, "workqueue_retries_total": 1, "workqueue_depth": 0,
        "workqueue_work_duration_seconds_sum": 2, "workqueue_queue_duration_seconds_count": 1,
    }  # fmt: skip


async def test_work_that_hangs_shows_in_the_metrics_though_nothing_else_happens(clock):
    registry = CollectorRegistry()
    queue = RateLimitingQueue("q", clock, metrics=QueueMetrics(registry))
    for key in ("a", "b"):
        queue.add(key)
        await queue.get()
        await clock.advance(30)
    values = [
        registry.get_sample_value(name, {"name": "q"})
        for name in ("workqueue_longest_running_processor_seconds", "workqueue_unfinished_work_seconds")
    ]
    assert values == [60, 90]


async def test_delays_that_earlier_ones_replaced_do_not_pile_up(clock):
    """What a controller does that looks again after minutes, and at once when something has gone."""
    queue = RateLimitingQueue("q", clock)
    queue.add_after("waits", 250)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(queue.run())
        for _ in range(1000):
            queue.add_after("busy", 300)
            queue.add_after("busy", 0.1)
            await clock.advance(0.1)
            assert await queue.get() == "busy"
            queue.done("busy")
        assert queue.entries < 100
        await clock.advance(200)
        assert await queue.get() == "waits"
        task.cancel()
