"""The end of a real apiserver by SIGTERM, while others work: no request is lost, and watches go on elsewhere."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.fast_paths import GRPC_CORE
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.tasks import running
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import Unavailable
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]


@pytest.fixture(params=[GRPC_CORE, "none"])
def fast_paths(request: pytest.FixtureRequest) -> str:
    """The flag for each gRPC core."""
    return f"--fast-paths={request.param}"


@pytest.fixture
async def both(etcd: EtcdServer, fast_paths: str) -> AsyncIterator[tuple[ApiserverProcess, ApiserverProcess]]:
    """Two apiservers over one etcd."""
    first, second = ApiserverProcess(etcd.target, fast_paths), ApiserverProcess(etcd.target, fast_paths)
    try:
        await asyncio.gather(first.start(), second.start())
        yield first, second
    finally:
        first.close()
        second.close()


async def test_no_request_is_lost_when_an_apiserver_goes(
    both: tuple[ApiserverProcess, ApiserverProcess],
) -> None:
    """Whoever was turned away may come again without fear: nothing was done, so no name is taken."""
    first, second = both
    target = f"ipv4:{first.target},{second.target}"
    turned_away: list[str] = []
    stop = asyncio.Event()

    async def write(client: Clientset, writer: int) -> list[str]:
        written: list[str] = []
        while not stop.is_set():
            name = f"w{writer}-{len(written)}"
            try:
                await client.config_maps.create(make_config_map(name))
            except Unavailable as error:
                turned_away.append(error.message)
                # As it was told: who comes again at once may cross the server's GOAWAY.
                await SystemClock().sleep(error.retry_seconds or 0.05)
            else:
                written.append(name)
        return written

    async with Clientset(GrpcTransport(target)) as client:
        informer = Informer(client.config_maps, SystemClock())
        async with running(informer.run()), asyncio.TaskGroup() as group:
            tasks = [group.create_task(write(client, writer)) for writer in range(8)]
            while not informer.lister.get("default/w0-20"):
                await SystemClock().sleep(0.02)
            assert await asyncio.to_thread(first.terminate) == 0
            seen = len(informer.lister.list())
            while len(informer.lister.list()) < seen + 100:
                await SystemClock().sleep(0.02)
            stop.set()
            written = {name for task in tasks for name in await task}
            there = {item.metadata.name for item in (await client.config_maps.list("default")).items}
            while {item.metadata.name for item in informer.lister.list()} < written:
                await SystemClock().sleep(0.02)
    assert written == {name for name in there if name.startswith("w")}
    # Each was told so by the server, before anything was done, or could not connect any more. Where the machine
    # stands still just then a call crosses the GOAWAY, which gRPC's core answers so; nothing was done either.
    words = ("shutting down", "failed to connect", "CANCELLED")
    assert [text for text in turned_away if not any(one in text for one in words)] == []


async def test_the_end_comes_in_its_order(fast_paths: str) -> None:
    # As long as a busy machine may stand still while it is served still.
    process = ApiserverProcess("", "--shutdown-delay-seconds=5", fast_paths)
    try:
        await process.start()
        async with process.client() as client, asyncio.TaskGroup() as group:
            watch = client.config_maps.watch(allow_bookmarks=False)
            await client.config_maps.create(make_config_map("before"))
            assert [event.object.metadata.name for event in (await anext(watch)).events] == ["before"]
            ending = group.create_task(asyncio.to_thread(process.terminate))
            while await status_of(process, "/readyz") == 200:
                await SystemClock().sleep(0.02)
            # Health has said it; everything is served still, and the watch with it.
            await client.config_maps.create(make_config_map("meanwhile"))
            assert [event.object.metadata.name for event in (await anext(watch)).events] == ["meanwhile"]
            assert await status_of(process, "/livez") == 200
            # Then the watch ends in good order, and nothing is left running.
            assert [batch async for batch in watch] == []
            assert await ending == 0
    finally:
        process.close()


async def status_of(process: ApiserverProcess, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", process.metrics_port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])
