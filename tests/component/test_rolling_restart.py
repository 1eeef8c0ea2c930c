"""Two apiservers are restarted one after the other under a load of writes and watches.

Nothing is lost, and nobody lists anew.

Clients know both addresses, as behind one name. A write that is refused meanwhile was refused before anything
was done.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.tasks import running
from tests.support.watch_recorder import WatchRecorder, truth_of
from tests.support.watch_validators import check_client, check_history
from tests.support.write_load import Answer, Load, check_attempts
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()
CLIENTS, WATCHES_OF_EACH = 4, 3


async def test_two_apiservers_are_restarted_one_after_the_other(etcd: EtcdServer) -> None:
    async with AsyncExitStack() as stack:
        servers = [ApiserverProcess(etcd.target) for _ in range(2)]
        for server in servers:
            stack.callback(server.close)
        truth = await stack.enter_async_context(truth_of(etcd.target))
        await asyncio.gather(*(server.start() for server in servers))
        # gRPC takes the first that answers: half of the clients prefer the one, half the other.
        targets = [f"ipv4:{first.target},{second.target}" for first, second in (servers, servers[::-1])]
        clients = [
            await stack.enter_async_context(Clientset(GrpcTransport(targets[number % 2])))
            for number in range(CLIENTS)
        ]
        loads = [Load(partial(same, client), seed=seed) for seed, client in enumerate(clients)]
        recorders = [
            WatchRecorder(partial(same, client)) for client in clients for _ in range(WATCHES_OF_EACH)
        ]
        async with running(*(recorder.run() for recorder in recorders)):
            await until(lambda: all(recorder.reached for recorder in recorders))
            async with asyncio.TaskGroup() as group:
                for load in loads:
                    group.create_task(load.run(2, pause_seconds=0.01))
                for server in servers:
                    await progress(loads)
                    server.interrupt()
                    assert await asyncio.to_thread(server.wait_ended) == 0
                    await progress(loads)
                    await server.start()
                await progress(loads)
                for load in loads:
                    load.stopped.set()
            last = int((await clients[0].config_maps.list_page("default", limit=1)).resource_version)
            await truth.wait(last)
            newest = max(event.version for event in truth.history)
            await until(lambda: all(recorder.reached >= newest for recorder in recorders))
        attempts = [attempt for load in loads for attempt in load.attempts]
        assert check_history(truth.history) == []
        assert check_attempts(attempts, truth.history) == []
        written = {event.data[0] for event in truth.history if isinstance(event.data, tuple)}
        unknown = [attempt for attempt in attempts if attempt.answer is Answer.UNKNOWN]
        # (A deletion has the token of what it deletes.)
        assert [a for a in unknown if a.verb != "delete" and a.token in written] == []
        assert {attempt.error.partition(":")[0] for attempt in unknown} <= {"ServiceUnavailable"}
        for recorder in recorders:
            assert check_client(recorder.streams(newest), truth.history) == [], recorder.ends
        # Resumed, not listed anew; and as often as an apiserver went, not again and again.
        assert [recorder.lists for recorder in recorders] == [1] * len(recorders)
        assert max(len(recorder.ends) for recorder in recorders) <= 6, [r.ends for r in recorders]


def same(client: Clientset) -> Clientset:
    return client


async def progress(loads: list[Load]) -> None:
    """Return when every client has had some more writes acknowledged."""
    before = [load.acknowledged for load in loads]
    await until(
        lambda: all(load.acknowledged > count + 20 for load, count in zip(loads, before, strict=True))
    )


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(40):
        while not condition():
            await CLOCK.sleep(0.02)
