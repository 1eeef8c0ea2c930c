"""Clients that move between apiservers at any time, of which one lags behind the others.

Nobody sees time run backwards (I7).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.etcd_cluster import etcd_cluster
from tests.support.hopping import HoppingTransport
from tests.support.proxy import Proxy, proxy_to
from tests.support.tasks import running
from tests.support.watch_recorder import truth_of
from tests.support.watch_validators import check_history
from tests.support.write_load import Load, check_attempts
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.resource import ObjectList
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, NotFound, is_version_too_large
from vaina.kinds import CONFIG_MAP

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()
READERS, INFORMERS, WRITERS = 4, 4, 4


class Reader:
    """A client that lists and gets, and remembers the newest that it has seen."""

    def __init__(self, client: Clientset, rng: random.Random) -> None:
        self._client, self._rng = client.config_maps, rng
        #: the newest version that was seen, of a list or an object
        self.version = 0
        #: uid -> the newest version of the object that was seen
        self._objects: dict[str, int] = {}
        #: what ran backwards
        self.wrong: list[str] = []
        self.reads = 0

    async def run(self) -> None:
        """Read until cancelled."""
        ways = (self._list, self._list_not_older, self._list_in_pages, self._get, self._get_not_older)
        while True:
            try:
                await self._rng.choice(ways)()
                self.reads += 1
            except NotFound:
                continue
            except ApiError as error:
                if not is_version_too_large(error):
                    self.wrong.append(f"refused: {error!r}")

    async def _list(self) -> None:
        self._see_list(await self._client.list("default"), "list")

    async def _list_not_older(self) -> None:
        if self.version:
            asked = str(self.version)
            self._see_list(await self._client.list("default", resource_version=asked), "list not older")

    async def _list_in_pages(self) -> None:
        """Each page may come from another server; all are of one version."""
        page = await self._client.list_page("default", limit=5)
        self._see_list(page, "page")
        version, names = page.resource_version, [item.metadata.name for item in page.items]
        while page.continue_token:
            page = await self._client.list_page("default", limit=5, continue_token=page.continue_token)
            names += [item.metadata.name for item in page.items]
            if page.resource_version != version:
                self.wrong.append(f"a page of {page.resource_version} in a list of {version}")
        if names != sorted(set(names)):
            self.wrong.append(f"pages do not fit together: {names}")

    async def _get(self) -> None:
        self._see(await self._client.get(self._name(), "default"), "get")

    async def _get_not_older(self) -> None:
        if self.version:
            asked = str(self.version)
            self._see(
                await self._client.get(self._name(), "default", resource_version=asked), "get not older"
            )

    def _name(self) -> str:
        return f"s1-w{self._rng.randrange(WRITERS)}-{self._rng.randrange(6)}"

    def _see_list(self, page: ObjectList[config_pb2.ConfigMap], how: str) -> None:
        version = int(page.resource_version)
        if version < self.version:
            self.wrong.append(f"{how}: {self.version} was seen, then {version}")
        self.version = max(self.version, version)
        for obj in page.items:
            self._see(obj, how)

    def _see(self, obj: config_pb2.ConfigMap, how: str) -> None:
        uid, version = obj.metadata.uid, int(obj.metadata.resource_version)
        if version < self._objects.get(uid, 0):
            self.wrong.append(f"{how}: {obj.metadata.name} at {version}, was at {self._objects[uid]}")
        self._objects[uid] = version
        self.version = max(self.version, version)


class Follower:
    """An informer that writes down what ran backwards."""

    def __init__(self, client: Clientset, rng: random.Random) -> None:
        self.informer: Informer[config_pb2.ConfigMap] = Informer(
            client.kind(CONFIG_MAP), CLOCK, namespace="default", rng=rng
        )
        self.wrong: list[str] = []
        self._version = 0
        #: those that are gone never come back
        self._gone: set[str] = set()
        self.informer.add_handler(on_add=self._see, on_update=self._update, on_delete=self._delete)

    def state(self) -> dict[str, str]:
        """name -> version of what it has."""
        return versions_of(self.informer.lister.list())

    def _see(self, obj: config_pb2.ConfigMap) -> None:
        if obj.metadata.uid in self._gone:
            self.wrong.append(f"{obj.metadata.name} came back")
        if self.informer.resource_version < self._version:
            self.wrong.append(f"{self._version} was reached, then {self.informer.resource_version}")
        self._version = self.informer.resource_version

    def _update(self, old: config_pb2.ConfigMap, new: config_pb2.ConfigMap) -> None:
        self._see(new)
        if int(new.metadata.resource_version) <= int(old.metadata.resource_version):
            self.wrong.append(f"{new.metadata.name} went from {old.metadata} to {new.metadata}")

    def _delete(self, obj: config_pb2.ConfigMap) -> None:
        self._gone.add(obj.metadata.uid)


def versions_of(objects: "list[config_pb2.ConfigMap]") -> dict[str, str]:
    return {obj.metadata.name: obj.metadata.resource_version for obj in objects}


@asynccontextmanager
async def one_member() -> AsyncIterator[tuple[tuple[str, ...], int]]:
    etcd = EtcdServer()
    try:
        yield (etcd.target,), etcd.port
    finally:
        etcd.close()


@asynccontextmanager
async def three_members() -> AsyncIterator[tuple[tuple[str, ...], int]]:
    async with etcd_cluster() as cluster:
        follower = await cluster.first_follower()
        yield cluster.order(follower), follower.port


Members = Callable[[], AbstractAsyncContextManager[tuple[tuple[str, ...], int]]]


@pytest.mark.parametrize("members", [one_member, three_members])
async def test_clients_that_hop_between_three_apiservers_never_go_back(members: Members) -> None:
    async with AsyncExitStack() as stack:
        targets, port = await stack.enter_async_context(members())
        slow: Proxy = await stack.enter_async_context(proxy_to(port))
        # The lagging one hears of nothing but through the proxy; the others prefer different members.
        ways = (targets, targets[::-1], (slow.target,))
        processes = [ApiserverProcess(way) for way in ways]
        for process in processes:
            stack.callback(process.close)
        truth = await stack.enter_async_context(truth_of(*targets))
        await asyncio.gather(*(process.start() for process in processes))
        slow.answers_late_seconds = 0.3

        async def client(seed: int) -> Clientset:
            inner = [GrpcTransport(process.target) for process in processes]
            made = Clientset(HoppingTransport(inner, random.Random(seed)))
            return await stack.enter_async_context(made)

        writer = await client(0)
        load = Load(lambda: writer)
        readers = [Reader(await client(100 + seed), random.Random(seed)) for seed in range(READERS)]
        followers = [Follower(await client(200 + seed), random.Random(seed)) for seed in range(INFORMERS)]
        jobs = [*(reader.run() for reader in readers), *(follower.informer.run() for follower in followers)]
        async with running(*jobs):
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(WRITERS, pause_seconds=0.01))
                await until(lambda: load.acknowledged > 200)
                load.stopped.set()
            final = await writer.config_maps.list("default")
            await until(lambda: all(f.state() == versions_of(final.items) for f in followers))
        await truth.wait(int(final.resource_version))
        assert [reader.wrong for reader in readers] == [[]] * READERS
        assert [follower.wrong for follower in followers] == [[]] * INFORMERS
        assert check_history(truth.history) == []
        assert check_attempts(load.attempts, truth.history) == []
        assert all(reader.reads > 10 for reader in readers)


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await CLOCK.sleep(0.02)
