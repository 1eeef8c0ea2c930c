"""A service's election, as the scheduler and the controllers have it.

What it waits for, what it guards, how it ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from vaina.api.coordination.v1 import lease_pb2
from vaina.cache.informer import Informer
from vaina.errors import NotFound, Unavailable
from vaina.leaderelection.runner import LeadershipLost
from vaina.leaderelection.service import Election, LeaderElectionConfig
from vaina.testing.apiserver import FakeApiserver
from vaina.testing.builders import make_config_map
from vaina.testing.clock import FakeClock

NAME = "team"


class Service:
    """Keeps a cache of ConfigMaps, and writes one as soon as it leads."""

    def __init__(self, fake: FakeApiserver, *, elected: bool = True) -> None:
        self.config = LeaderElectionConfig(leader_elect=elected, leader_elect_resource_name=NAME)
        self.election = Election(
            self.config,
            fake.client().transport,
            fake.clock,
            component=NAME,
            instance="host",
            registry=CollectorRegistry(),
        )
        self.informer = Informer(self.election.clients.config_maps, fake.clock)
        self.leads = self.lost = False

    async def run(self) -> None:
        try:
            await self.election.run(self.informer.run, self.informer.wait_synced, self.lead)
        except* LeadershipLost:
            self.lost = True

    async def lead(self) -> None:
        assert self.informer.synced
        self.leads = True
        try:
            await self.election.clients.config_maps.create(make_config_map("written"))
            await asyncio.Event().wait()
        finally:
            self.leads = False


@pytest.fixture
def fake() -> FakeApiserver:
    return FakeApiserver(FakeClock())


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service.run())
        yield task
        task.cancel()


async def advance(fake: FakeApiserver, seconds: float) -> None:
    assert isinstance(fake.clock, FakeClock)
    await fake.clock.advance(seconds)


async def lease(fake: FakeApiserver) -> lease_pb2.LeaseSpec:
    return (await fake.client().leases.get(NAME, "kube-system")).spec


async def test_an_apiserver_that_is_away_at_the_start_is_waited_for(fake: FakeApiserver) -> None:
    service = Service(fake)
    fake.fail("*", None, Unavailable("connection refused"), times=10)
    async with running(service) as task:
        await advance(fake, 0.5)
        assert not service.leads
        await advance(fake, 60)
        assert service.leads
        assert not task.done()
    assert (await lease(fake)).holder_identity == ""


async def test_nobody_stands_for_election_before_its_caches_are_filled(fake: FakeApiserver) -> None:
    service = Service(fake)
    fake.fail("Watch", service.informer.kind, Unavailable("away"), times=3)
    async with running(service):
        await advance(fake, 0.1)
        with pytest.raises(NotFound):
            await lease(fake)
        await advance(fake, 20)
        assert (await lease(fake)).holder_identity.startswith("host_")


async def test_without_an_election_it_leads_and_there_is_no_lease(fake: FakeApiserver) -> None:
    service = Service(fake, elected=False)
    async with running(service):
        await advance(fake, 1)
        assert service.leads
        with pytest.raises(NotFound):
            await lease(fake)


async def test_whose_lease_another_has_taken_ends_with_all_it_did_and_writes_nothing_more(
    fake: FakeApiserver,
) -> None:
    service = Service(fake)
    async with running(service) as task:
        await advance(fake, 1)
        held = await fake.client().leases.get(NAME, "kube-system")
        held.spec.holder_identity = "another"
        await fake.client().leases.update(held)
        await advance(fake, 1)
        assert task.done()
    assert service.lost
    assert not service.leads
    with pytest.raises(Unavailable, match="does not lead"):
        await service.election.clients.config_maps.create(make_config_map("late"))
    assert (await lease(fake)).holder_identity == "another"
