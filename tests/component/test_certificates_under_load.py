"""Certificates that live for seconds, and authorities that are replaced, while calls and watches go on.

Nothing is lost, and nothing refused that should not be. `CERTIFICATE_RENEWALS=100` makes it ten minutes; `make
soak` does.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from bench.etcd import find_etcd
from tests.support.identities import ADMIN, NAMES, Identities
from tests.support.secured import Plane
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import Informer
from vaina.client import channels
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import Timeout, Unavailable
from vaina.pki.authority import make_authority
from vaina.pki.folder import Folder, write_folder
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(170)]

#: how long a certificate holds; processes look for another one every 10 s
LIFE_SECONDS = 24.0
RENEWED_AFTER_SECONDS = 6.0
RENEWALS = int(os.environ.get("CERTIFICATE_RENEWALS", "9"))  # noqa: TID251 - a switch of the test run
#: until every process has looked for what changed, and uses it; a busy one looks later
TAKEN_UP_SECONDS = 15.0
WORKERS = 4


class Load:
    """Clients that write and read back without a pause, and one that watches. What goes wrong is raised."""

    def __init__(self, plane: Plane, clock: SystemClock, *, patient: bool = False) -> None:
        """Make it. Who is `patient` tries again where a server is away."""
        self.plane, self.clock, self.patient = plane, clock, patient
        self.calls = 0
        self.stopped = asyncio.Event()
        self.written: dict[str, str] = {}

    async def work(self, number: int) -> None:
        """Write one's own object again and again: no call may fail, and nothing that was written is lost."""
        async with self.plane.client(ADMIN) as client:
            made = await client.config_maps.create(make_config_map(f"load-{number}", data={"n": "0"}))
            while not self.stopped.is_set():
                wanted = int(made.data["n"]) + 1
                made.data["n"] = str(wanted)
                try:
                    made = await client.config_maps.update(made)
                    self.written[made.metadata.name] = made.data["n"]
                    made = await client.config_maps.get(made.metadata.name, "default")
                    assert made.data["n"] == str(wanted)
                    self.calls += 2
                except (Unavailable, Timeout):
                    if not self.patient:
                        raise
                    made = await self._read_again(client, made.metadata.name)
                    # Whether the write was done is not known; nothing else may have been.
                    assert int(made.data["n"]) in {wanted - 1, wanted}
                    self.written[made.metadata.name] = made.data["n"]
                await self.clock.sleep(0.01)

    async def _read_again(self, client: Clientset, name: str) -> config_pb2.ConfigMap:
        async with asyncio.timeout(30):
            while True:
                with suppress(Unavailable, Timeout):
                    return await client.config_maps.get(name, "default")
                await self.clock.sleep(0.1)

    async def see(self) -> None:
        """Wait until a watch that was there all the time has seen what was written last."""
        async with asyncio.timeout(60):
            while {
                item.metadata.name: item.data["n"]
                for item in self.informer.lister.list()
                if item.metadata.name.startswith("load-")
            } != self.written:
                await self.clock.sleep(0.05)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator["Load"]:
        """Be under way while the block lasts; then all that was written has been seen."""
        async with self.plane.client(ADMIN) as client:
            self.informer = Informer(client.config_maps, self.clock, rng=Random(1))
            async with running(self.informer.run()):
                await self.informer.wait_synced()
                async with asyncio.TaskGroup() as group:
                    for number in range(WORKERS):
                        group.create_task(self.work(number))
                    yield self
                    self.stopped.set()
                await self.see()


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A plane whose certificates hold for seconds. This process' clients look for new ones at once."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    monkeypatch.setattr(channels, "LOOK_SECONDS", 0.2)
    plane = Plane(tmp_path, certificate_seconds=LIFE_SECONDS)
    try:
        plane.start()
        yield plane
    finally:
        plane.close()


@pytest.mark.timeout(100 + 10 * RENEWALS)
async def test_certificates_are_renewed_again_and_again(short: Plane) -> None:
    clock = SystemClock()
    async with Load(short, clock).going_on() as load:
        for _ in range(RENEWALS):
            before = load.calls
            short.identities.renew()
            await clock.sleep(RENEWED_AFTER_SECONDS)
            assert load.calls > before + 20
    # Each certificate that was there at the start has expired meanwhile, more than once over.
    assert RENEWALS * RENEWED_AFTER_SECONDS > 2 * LIFE_SECONDS


async def replace_authorities(
    plane: Plane,
    clock: SystemClock,
    names: Sequence[str],
    restart: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Do what docs/security.md says, "Replacing an authority". `restart` restarts what reads `ca.crt` once."""
    identities = plane.identities

    async def step() -> None:
        identities.renew()
        await clock.sleep(TAKEN_UP_SECONDS)
        if restart is not None:
            await restart()

    new = {name: make_authority(NAMES[name], clock.now()) for name in names}
    # 1. Everybody trusts both.
    for name in names:
        identities.besides[name] = [new[name]]
    await step()
    # 2. Everybody shows a certificate of the new one.
    for name in names:
        identities.besides[name] = [identities.authority(name)]
        setattr(identities, name, new[name])
    await step()
    # 3. Nobody trusts the old one.
    identities.besides.clear()
    await step()


async def test_authorities_are_replaced_without_a_call_that_fails(short: Plane) -> None:
    clock = SystemClock()
    short.identities.seconds = 3600.0
    old = Identities(
        short.identities.root / "old", short.identities.cluster, short.identities.etcd,
        short.identities.kubelet_client, short.identities.foreign,
    )  # fmt: skip
    stolen = old.credentials(ADMIN)
    async with Load(short, clock).going_on() as load:
        await replace_authorities(short, clock, ("cluster", "kubelet_client"))
        assert load.calls > 100
    # Who has a certificate of the old authority is nobody now, and takes the new one's servers for nobody.
    assert stolen.current().authorities != short.identities.authority_pem("cluster")
    for trusts in (stolen.current().authorities, short.identities.authority_pem("cluster")):
        write_folder(stolen.path, stolen.current().certificate, stolen.current().key, trusts)
        async with Clientset(GrpcTransport(short.apiserver.target, Folder(stolen.path))) as client:
            with pytest.raises(Unavailable):
                await client.config_maps.list("default")


async def test_etcds_authority_is_replaced_and_nothing_is_lost(short: Plane) -> None:
    clock = SystemClock()
    short.identities.seconds = 3600.0

    async def restart() -> None:
        """A cluster of three is restarted member by member, and is never away."""
        await asyncio.to_thread(short.etcd.kill)
        await asyncio.to_thread(short.etcd.start)

    async with Load(short, clock, patient=True).going_on() as load:
        await replace_authorities(short, clock, ("etcd",), restart)
        before = load.calls
        async with asyncio.timeout(60):
            while load.calls == before:
                await clock.sleep(0.05)
