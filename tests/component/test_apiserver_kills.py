"""Apiservers and etcd are killed while clients write.

What was acknowledged is there, what is unknown happened once or not at all (I4).

A proxy between each apiserver and etcd holds a transaction, or its answer, at the point where the apiserver
is to die.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.proxy import Gate, Proxy
from tests.support.watch_recorder import Truth, truth_of
from tests.support.watch_validators import check_history
from tests.support.write_load import Answer, Load, check_attempts
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]

CLOCK = SystemClock()
KILLS_OF_EACH = 15
CLIENTS_OF_EACH = 16


class Server:
    """An apiserver, the proxy through which it reaches etcd, and those who write through it."""

    def __init__(self, proxy: Proxy, seed: int) -> None:
        self.proxy = proxy
        self.process = ApiserverProcess(proxy.target)
        self.client: Clientset = self.process.client()
        self.load = Load(lambda: self.client, seed=seed)
        self.rng = Random(seed)

    async def close(self) -> None:
        await self.client.close()
        self.process.close()

    async def kill_before(self) -> None:
        """The transaction never reaches etcd."""
        await held(self.proxy.requests)
        self.proxy.loses_requests = True
        self.process.kill()
        self.proxy.break_connections()
        self.proxy.loses_requests = False

    async def kill_inside(self) -> None:
        """The transaction reaches etcd when its sender is dead."""
        await held(self.proxy.requests)
        self.process.kill()

    async def kill_after(self) -> None:
        """The transaction is committed, and nobody hears of it."""
        await held(self.proxy.answers)
        self.process.kill()
        self.proxy.break_connections()

    async def kill_at_any_time(self) -> None:
        await CLOCK.sleep(self.rng.random() * 0.1)
        self.process.kill()

    async def kill_again_and_again(self) -> None:
        ways = (self.kill_before, self.kill_inside, self.kill_after, self.kill_at_any_time)
        for number in range(KILLS_OF_EACH):
            before = self.load.acknowledged
            await until(lambda before=before: self.load.acknowledged > before + 20)
            await ways[number % len(ways)]()
            self.proxy.requests.open()
            self.proxy.answers.open()
            await self.process.start()
            # A new channel: the old one would wait before it tries to connect again.
            old, self.client = self.client, self.process.client()
            await old.close()


async def held(gate: Gate) -> None:
    """Close a gate, and return when something waits at it."""
    gate.close()
    async with asyncio.timeout(60):
        await gate.holds.wait()


async def until(condition: "object") -> None:
    """Return when a condition holds."""
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():
            await CLOCK.sleep(0.01)


@asynccontextmanager
async def servers(etcd: EtcdServer, count: int) -> AsyncIterator[list[Server]]:
    """Run apiservers side by side."""
    made: list[Server] = []
    try:
        for number in range(count):
            proxy = Proxy(etcd.port)
            await proxy.start()
            made.append(Server(proxy, seed=number))
        await asyncio.gather(*(server.process.start() for server in made))
        yield made
    finally:
        for server in made:
            await server.close()
            await server.proxy.stop()


async def finish(made: list[Server], truth: Truth) -> None:
    """Wait until the truth has everything that happened."""
    page = await made[0].client.config_maps.list_page("default", limit=1)
    await truth.wait(int(page.resource_version))


async def test_of_32_clients_nobody_is_told_wrong_when_apiservers_are_killed_30_times(
    etcd: EtcdServer,
) -> None:
    async with truth_of(etcd.target) as truth, servers(etcd, 2) as made:
        async with asyncio.TaskGroup() as group:
            for server in made:
                group.create_task(server.load.run(CLIENTS_OF_EACH))
            async with asyncio.TaskGroup() as kills:
                for server in made:
                    kills.create_task(server.kill_again_and_again())
            for server in made:
                server.load.stopped.set()
        await finish(made, truth)
        attempts = [attempt for server in made for attempt in server.load.attempts]
        assert check_history(truth.history) == []
        assert check_attempts(attempts, truth.history) == []
        unknown = [attempt for attempt in attempts if attempt.answer is Answer.UNKNOWN]
        happened = {event.data[0] for event in truth.history if isinstance(event.data, tuple)}
        # The kills hit both sides of the commit, those of generated names too: some unknown writes happened,
        # others did not.
        assert {attempt.token in happened for attempt in unknown if attempt.verb == "generate"} == {
            True,
            False,
        }


async def test_of_32_clients_nobody_is_told_wrong_when_etcd_is_killed(own_etcd: EtcdServer) -> None:
    async with truth_of(own_etcd.target) as truth, servers(own_etcd, 1) as made:
        load = made[0].load
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(32))
            for _ in range(5):
                before = load.acknowledged
                await until(lambda before=before: load.acknowledged > before + 100)
                own_etcd.kill()
                await asyncio.to_thread(own_etcd.start)
            before = load.acknowledged
            await until(lambda: load.acknowledged > before + 100)
            load.stopped.set()
        await finish(made, truth)
        assert check_history(truth.history) == []
        assert check_attempts(load.attempts, truth.history) == []
