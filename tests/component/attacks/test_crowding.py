"""Threat: an identity that takes as much of the apiserver as it can get, over many connections."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bench.etcd import find_etcd
from tests.component.attacks.conftest import OBJECTS
from tests.support.fresh import fresh
from tests.support.identities import ANA, BEN
from tests.support.secured import Plane, refused
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import TooManyRequests
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

MOST = 20
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A plane that gives each user twenty streams."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    plane = Plane(tmp_path_factory.mktemp("narrow"), f"--max-streams-per-client={MOST}")
    try:
        plane.start(*OBJECTS)
        yield plane
    finally:
        plane.close()


async def opened(client: Clientset) -> AsyncGenerator[Any, None]:
    """Open a watch and return it once it has begun. Raises TooManyRequests."""
    stream = client.config_maps.watch("ours", send_initial_events=True)
    await anext(stream)
    return stream


async def test_streams_are_counted_by_user_over_all_of_their_connections(narrow: Plane) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(narrow.client(ANA)) for _ in range(MOST + 5)]
        for client in clients[:MOST]:
            stack.push_async_callback((await opened(client)).aclose)
        for client in clients[MOST:]:
            with refused(429):
                await opened(client)
        # Others have theirs, from the same address; and she may still call.
        async with narrow.client(BEN) as ben:
            stream = await opened(ben)
            await stream.aclose()
        await clients[-1].config_maps.list("ours")


async def test_in_a_crowd_of_one_users_calls_another_has_a_turn(narrow: Plane) -> None:
    ended = asyncio.Event()
    hers, his = list[float](), list[float]()

    async def crowd(client: Clientset) -> None:
        while not ended.is_set():
            begun = CLOCK.monotonic()
            try:
                await client.config_maps.list("ours")
            except TooManyRequests:
                await CLOCK.sleep(0.05)
            else:
                hers.append(CLOCK.monotonic() - begun)

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        ben = await stack.enter_async_context(narrow.client(BEN))
        ana = await stack.enter_async_context(narrow.client(ANA))
        name = fresh("c")
        for index in range(20):
            await ana.config_maps.create(make_config_map(f"{name}-{index}", "ours"))
        clients = [await stack.enter_async_context(narrow.client(ANA)) for _ in range(10)]
        for client in clients:
            for _ in range(40):
                group.create_task(crowd(client))
        while len(hers) < 400:
            await CLOCK.sleep(0.01)
        for _ in range(20):
            begun = CLOCK.monotonic()
            await ben.config_maps.get(f"{name}-1", "ours")
            his.append(CLOCK.monotonic() - begun)
        ended.set()
    # 400 calls of hers are under way, and each waits for the others; he waits for some of them, not for all.
    assert sorted(his)[10] < sorted(hers)[len(hers) // 2] / 2, (his, sorted(hers)[:: len(hers) // 20])
