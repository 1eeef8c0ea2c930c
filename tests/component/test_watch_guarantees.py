"""What I6 asks of watches, of the real apiserver over gRPC and a real etcd, while etcd and the way to it are
in trouble.

Clients watch everything, or one shard of it, fast and slowly; they resume and list anew as reflectors do, and
write down all they get. A watch of the test's own on etcd, which nothing disturbs, says what really happened.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from apiserver.storage import versions
from apiserver.storage.interface import Version
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer, RawEtcd
from tests.support.etcd_cluster import etcd_cluster
from tests.support.proxy import Proxy, proxy_to
from tests.support.tasks import running
from tests.support.watch_recorder import Truth, WatchRecorder, truth_of
from tests.support.watch_validators import check_client, check_history
from tests.support.write_load import SHARD, SHARDS, TOKEN, Load, check_attempts
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import AlreadyExists, ApiError, InternalError
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()


@dataclass
class World:
    """An apiserver, those who write and watch through it, and what really happened."""

    client: Clientset
    load: Load
    recorders: list[WatchRecorder]
    truth: Truth
    writing: "asyncio.Task[None]"

    async def progress(self, writes: int = 60) -> None:
        """Return when so many more writes were acknowledged."""
        before = self.load.acknowledged
        await until(lambda: self.load.acknowledged >= before + writes)

    async def check(self) -> None:
        """End the load, let everybody catch up, and compare what they got with what happened."""
        self.load.stopped.set()
        await self.writing
        # Bookmarks come seldom; a last write that each selection sees brings everybody up to it.
        last: dict[int | None, int] = {shard: await self._write_last(shard) for shard in range(SHARDS)}
        last[None] = max(last.values())
        await self.truth.wait(last[None])
        await until(lambda: all(recorder.reached >= last[recorder.shard] for recorder in self.recorders))
        history = self.truth.history
        assert check_history(history) == []
        assert check_attempts(self.load.attempts, [e for e in history if "/last-" not in e.key]) == []
        for recorder in self.recorders:
            assert check_client(recorder.streams(recorder.reached), history) == [], recorder.ends

    async def _write_last(self, shard: int) -> int:
        made = config_pb2.ConfigMap(data={TOKEN: "last"})
        made.metadata.name, made.metadata.labels[SHARD] = f"last-{shard}", str(shard)
        return int((await eventually(made, self.client)).metadata.resource_version)


async def eventually(obj: config_pb2.ConfigMap, client: Clientset) -> config_pb2.ConfigMap:
    """Create an object, once that is not refused any more."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await client.config_maps.create(obj)
            except AlreadyExists:
                return await client.config_maps.get(obj.metadata.name, "default")
            except ApiError:
                await CLOCK.sleep(0.1)


async def fill(client: Clientset) -> None:
    """Create large objects, of which 60 are more than etcd may hold, until that is refused."""
    for number in range(60):
        large = make_config_map(f"large-{number}", "kube-system", data={"a": "x" * 500_000})
        await client.config_maps.create(large)


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await CLOCK.sleep(0.01)


@asynccontextmanager
async def world_over(
    direct: Sequence[str], seen: Sequence[str], *arguments: str, way: Proxy | None = None
) -> AsyncIterator[World]:
    """Run an apiserver, and clients that write and watch.

    Args:
        direct: the members of etcd, for the truth.
        seen: the members of etcd as the apiserver reaches them.
        *arguments: flags of the apiserver.
        way: between clients and the apiserver.
    """
    process = ApiserverProcess(seen, *arguments)
    async with AsyncExitStack() as stack:
        stack.callback(process.close)
        truth = await stack.enter_async_context(truth_of(*direct))
        await process.start()
        target = process.target
        if way is not None:
            way.upstream_port = process.port
            target = way.target
        client = await stack.enter_async_context(Clientset(GrpcTransport(target)))
        recorders = [
            WatchRecorder(lambda: client),
            WatchRecorder(lambda: client, stream_seconds=1),
            WatchRecorder(lambda: client, slow_seconds=0.05, stream_seconds=1),
            *(
                WatchRecorder(lambda: client, shard=shard, stream_seconds=1 + shard)
                for shard in range(SHARDS)
            ),
        ]
        load = Load(lambda: client)
        await stack.enter_async_context(running(*(recorder.run() for recorder in recorders)))
        writing = asyncio.get_running_loop().create_task(load.run(4, pause_seconds=0.005))
        try:
            yield World(client, load, recorders, truth, writing)
        finally:
            load.stopped.set()
            await writing


async def test_while_etcd_is_compacted_every_second(etcd: EtcdServer) -> None:
    async with world_over([etcd.target], [etcd.target], "--compaction-seconds=1") as world:
        late = WatchRecorder(lambda: world.client)
        async with running(late.run()):
            await until(lambda: late.reached > 0)
        seen = versions.revision_of(Version(late.reached))
        async with RawEtcd(etcd.target) as raw, asyncio.timeout(60):
            while not await raw.has_forgotten(seen):
                await world.progress()
        # Who comes back after a while, to a version that etcd has forgotten, is served from the apiserver's
        # memory.
        async with running(late.run()):
            world.recorders.append(late)
            await world.progress()
            await world.check()
        assert [recorder.lists for recorder in world.recorders] == [1] * len(world.recorders)


async def test_while_connections_break_and_answers_of_etcd_are_200_ms_late(etcd: EtcdServer) -> None:
    async with (
        proxy_to(etcd.port) as to_etcd,
        proxy_to(0) as to_apiserver,
        world_over([etcd.target], [to_etcd.target], way=to_apiserver) as world,
    ):
        await world.progress()
        to_etcd.answers_late_seconds = 0.2
        for number in range(6):
            await world.progress(30)
            (to_etcd, to_apiserver)[number % 2].break_connections()
        to_etcd.answers_late_seconds = 0.0
        await world.progress()
        await world.check()
        assert [recorder.lists for recorder in world.recorders] == [1] * len(world.recorders)


async def test_while_etcd_does_not_answer_for_10_seconds(own_etcd: EtcdServer) -> None:
    async with world_over([own_etcd.target], [own_etcd.target]) as world:
        await world.progress()
        own_etcd.stop()
        await CLOCK.sleep(10)
        own_etcd.resume()
        await world.progress()
        await world.check()
        assert [recorder.lists for recorder in world.recorders] == [1] * len(world.recorders)


@pytest.mark.parametrize("way", ["kill", "stop", "cut off"])
async def test_while_three_members_lose_their_leader(way: str) -> None:
    async with etcd_cluster() as cluster:
        leader = await cluster.leader()
        async with world_over(cluster.order(leader)[::-1], cluster.order(leader)) as world:
            await world.progress()
            if way == "kill":
                leader.kill()
            elif way == "stop":
                leader.stop()
            else:
                await cluster.cut_off(leader)
            await world.progress()
            await world.check()
            assert [recorder.lists for recorder in world.recorders] == [1] * len(world.recorders)


async def test_while_etcd_is_out_of_space_and_recovers() -> None:
    etcd = EtcdServer("--quota-backend-bytes=16777216")
    try:
        async with world_over([etcd.target], [etcd.target]) as world, RawEtcd(etcd.target) as raw:
            await world.progress()
            with pytest.raises(InternalError, match="database space exceeded"):
                await fill(world.client)
            # Writers are refused meanwhile, and what was refused was not written.
            refused = len(world.load.attempts)
            await until(lambda: len(world.load.attempts) > refused + 50)
            await world.client.config_maps.delete_collection("kube-system")
            page = await world.client.config_maps.list_page("default", limit=1)
            await raw.make_room(versions.revision_of(Version(int(page.resource_version))))
            await world.progress()
            await world.check()
            assert any(attempt.error.endswith("database space exceeded") for attempt in world.load.attempts)
            assert [recorder.lists for recorder in world.recorders] == [1] * len(world.recorders)
    finally:
        etcd.close()
