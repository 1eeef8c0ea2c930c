"""Quotas, owners and namespaces over two real apiservers, one etcd and the real controllers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from controller.build import build
from controller.config import ControllerConfig
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.tasks import running
from vaina.api.core.v1 import resource_quota_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError, Conflict, Forbidden, NotFound
from vaina.testing.builders import make_config_map, make_namespace, make_pod, owner_ref

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CONTROLLERS = ("resourcequota", "garbage-collector", "namespace")


@dataclass(frozen=True, slots=True)
class Plane:
    """Two clients, each of an apiserver of its own."""

    first: Clientset
    second: Clientset

    def client(self, number: int) -> Clientset:
        """Return the one or the other."""
        return (self.first, self.second)[number % 2]


@pytest.fixture
async def plane(etcd: EtcdServer) -> AsyncIterator[Plane]:
    processes = [ApiserverProcess(etcd.target) for _ in range(2)]
    try:
        for process in processes:
            await process.start()
        clients = [process.client() for process in processes]
        manager = build(clients[1], SystemClock(), ControllerConfig(controllers=CONTROLLERS))
        async with running(manager.run()):
            await manager.wait_synced()
            yield Plane(*clients)
        for client in clients:
            await client.close()
    finally:
        for process in processes:
            process.close()


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again until something is true."""
    async with asyncio.timeout(60):
        while not await holds():
            pass


async def create_at_once(plane: Plane, prefix: str, number: int) -> int:
    """Create so many Pods at once, half of them at each apiserver; return how many came through."""

    async def create(index: int) -> bool:
        try:
            await plane.client(index).pods.create(make_pod(f"{prefix}-{index}"))
        except Forbidden as refused:
            return "exceeded quota: q" not in refused.message
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(create(index)) for index in range(number)]
    return sum(task.result() for task in tasks)


async def test_a_quota_is_exact_among_many_at_two_apiservers_while_it_is_counted(plane: Plane) -> None:
    quota = resource_quota_pb2.ResourceQuota()
    quota.metadata.name, quota.metadata.namespace = "q", "default"
    quota.spec.hard["pods"].string = "10"
    await plane.first.resource_quotas.create(quota)

    async def used() -> set[str]:
        """A consistent read waits for the cache: both apiservers have heard what is counted."""
        found = [
            (await client.resource_quotas.get("q", "default")).status.used
            for client in (plane.first, plane.second)
        ]
        return {each["pods"].string if "pods" in each else "" for each in found}

    async def is_counted() -> bool:
        return await used() == {"0"}

    await until(is_counted)
    assert await create_at_once(plane, "a", 32) == 10
    assert len((await plane.first.pods.list("default")).items) == 10
    for round_ in range(3):
        gone = (await plane.first.pods.list("default")).items[:4]
        for pod in gone:
            await plane.client(round_).pods.delete(pod.metadata.name, "default")

        async def is_given_back() -> bool:
            return await used() == {"6"}

        await until(is_given_back)
        assert await create_at_once(plane, f"b{round_}", 32) == 4
        assert len((await plane.second.pods.list("default")).items) == 10
    batch = await plane.first.pods.create_batch([make_pod(f"c-{index}") for index in range(100)])
    assert all(isinstance(answer, Forbidden) for answer in batch)


async def test_what_is_owned_goes_with_its_owner_in_circles_too(plane: Plane) -> None:
    owner = await plane.first.config_maps.create(make_config_map("owner"))
    reference = owner_ref("ConfigMap", "owner", owner.metadata.uid, api_version="v1", controller=False)
    reference.block_owner_deletion = True
    pods = [make_pod(f"p-{index}") for index in range(100)]
    for pod in pods:
        pod.metadata.owner_references.append(reference)
    assert not [
        answer for answer in await plane.second.pods.create_batch(pods) if isinstance(answer, ApiError)
    ]
    ring = make_config_map("ring")
    ring.metadata.owner_references.append(reference)
    made = await plane.first.config_maps.create(ring)
    back = owner_ref("ConfigMap", "ring", made.metadata.uid, api_version="v1", controller=False)
    back.block_owner_deletion = True
    owner.metadata.owner_references.append(back)
    await plane.first.config_maps.update(owner)
    await plane.second.config_maps.delete("owner", "default", propagation_policy="Foreground")

    async def is_empty() -> bool:
        found = (await plane.first.pods.list("default")).items
        return not found and not (await plane.first.config_maps.list("default")).items

    await until(is_empty)


async def test_nothing_is_left_in_a_namespace_that_went_while_others_created_in_it(plane: Plane) -> None:
    clock = SystemClock()
    for round_ in range(3):
        name = f"team-{round_}"
        await plane.first.namespaces.create(make_namespace(name))
        ended = asyncio.Event()

        async def create(writer: int, name: str = name, ended: asyncio.Event = ended) -> None:
            number = 0
            while not ended.is_set():
                number += 1
                try:
                    await plane.client(writer).config_maps.create(
                        make_config_map(f"c-{writer}-{number}", name)
                    )
                except (Forbidden, NotFound, Conflict):
                    await clock.sleep(0.001)

        async def is_gone(name: str = name) -> bool:
            return name not in {item.metadata.name for item in (await plane.first.namespaces.list()).items}

        async with asyncio.TaskGroup() as group:
            for writer in range(4):
                group.create_task(create(writer))
            await plane.client(round_).namespaces.delete(name)
            await until(is_gone)
            ended.set()
        assert (await plane.first.config_maps.list(name)).items == []
        assert (await plane.second.config_maps.list(name)).items == []
