"""The process around the handlers: health, targets, what happens beside requests."""

import asyncio
import re
from uuid import RFC_4122, UUID

import pytest

from apiserver.build import App, build
from apiserver.process import keep_health
from apiserver.storage.interface import Version
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.opening import etcd_targets
from tests.support.apiserver import make_apiserver
from tests.support.direct import Direct
from tests.support.tasks import running
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.config import ConfigError
from vaina.errors import ApiError, Unavailable
from vaina.serving.health import Health
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock, settle


def test_members_of_etcd_are_named_by_host_and_port() -> None:
    assert etcd_targets(["etcd:2379"], "certs") == ("etcd:2379",)
    assert etcd_targets(["http://etcd-0:2379", "10.0.0.2:2379"], "certs") == ("etcd-0:2379", "10.0.0.2:2379")
    with pytest.raises(ConfigError, match="etcd_endpoints: at least one"):
        etcd_targets([], "")
    with pytest.raises(ConfigError, match='etcd_endpoints: "https://etcd:2379" is not host:port'):
        etcd_targets(["https://etcd:2379"], "certs")


@pytest.mark.parametrize("endpoint", ["etcd:2379", "10.0.0.2:2379", "http://etcd-0:2379", "[fd00::1]:2379"])
def test_etcd_is_spoken_to_in_the_clear_on_loopback_alone(endpoint: str) -> None:
    here = ("127.0.0.1:2379", "localhost:12379", "[::1]:2379")
    assert etcd_targets(here, "") == here
    plain = re.escape(endpoint.removeprefix("http://"))
    with pytest.raises(
        ConfigError, match=f"{plain} is on another machine, and is not spoken to in the clear"
    ):
        etcd_targets([*here, endpoint], "")


async def test_uids_are_random_uuids_and_never_the_same() -> None:
    api = build(Direct(MemoryStorage()), FakeClock())
    client = Clientset(InProcessTransport(api.handlers))
    pods = [(await client.pods.create(make_pod(f"pod-{number}"))).metadata.uid for number in range(300)]
    uids = [UUID(uid) for uid in pods]
    assert len(set(uids)) == len(pods)
    # 8: of a Pod without a trace (decision 171).
    assert {(uid.version, uid.variant) for uid in uids} <= {(4, RFC_4122), (8, RFC_4122)}
    assert [str(uid) for uid in uids] == pods


class Flaky(Direct):
    """A storage with a cache that can be cut off."""

    def __init__(self, storage: MemoryStorage) -> None:
        super().__init__(storage)
        self.ready, self.is_connected = asyncio.Event(), True
        self.error: ApiError | None = None
        self.current_version = self._version  # type: ignore[method-assign]

    async def wait_ready(self) -> None:
        await self.ready.wait()

    async def _version(self) -> Version:
        if self.error is not None:
            raise self.error
        return await self._storage.current_version()


async def test_health_follows_the_cache_and_the_storage() -> None:
    clock, health = FakeClock(), Health()
    storage = Flaky(MemoryStorage(clock))
    app: App = build(storage, clock)
    seen: list[bool] = []

    async def tick() -> None:
        await clock.advance(1)
        seen.append(health.serving)

    async with running(keep_health(app, storage, health, clock)):  # type: ignore[arg-type]
        await settle()
        seen.append(health.serving)
        storage.ready.set()
        await tick()
        storage.error = Unavailable("etcd is away")
        await tick()
        storage.error, storage.is_connected = None, False
        await tick()
        storage.is_connected = True
        await tick()
    assert seen == [False, True, False, False, True]


async def test_the_namespaces_of_the_system_are_made_before_it_serves() -> None:
    clock, health = FakeClock(), Health()
    storage = Flaky(MemoryStorage(clock))
    app = build(storage, clock)
    storage.ready.set()
    async with running(keep_health(app, storage, health, clock)):  # type: ignore[arg-type]
        await settle()
        page = await storage.list("/registry/namespaces/")  # type: ignore[arg-type]
    assert health.serving
    assert [item.key.rpartition("/")[2] for item in page.items] == [
        "default", "kube-node-lease", "kube-public", "kube-system",
    ]  # fmt: skip


async def test_traces_are_written_beside_requests() -> None:
    api = make_apiserver()
    async with running(api.app.run()):
        pod = await api.pod()
        await settle()
        trace = await api.client.pod_traces.get(pod.metadata.uid, "default")
    assert [record.step for record in trace.status.steps] == ["ADMITTED"]
