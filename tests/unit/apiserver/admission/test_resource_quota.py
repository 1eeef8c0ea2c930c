"""Quotas over the whole apiserver: exact under concurrency, with several apiservers, in batches.

Errors give back.
"""

import asyncio
import random
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from apiserver.build import build
from apiserver.storage.interface import Change, Key, Stored, Version
from apiserver.storage.memory import MemoryStorage
from tests.support.apiserver import make_apiserver
from tests.support.direct import Direct
from vaina.api.core.v1 import pod_pb2, resource_quota_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.errors import AlreadyExists, ApiError, Forbidden, Invalid, Unavailable
from vaina.testing.builders import make_config_map, make_pod
from vaina.testing.clock import FakeClock

Quota = resource_quota_pb2.ResourceQuota


def quota(name: str = "q", *, used: dict[str, str] | None = None, **hard: str) -> Quota:
    made = Quota()
    made.metadata.name, made.metadata.namespace = name, "default"
    for resource, amount in hard.items():
        made.spec.hard[resource].string = made.status.hard[resource].string = amount
        made.status.used[resource].string = (used or {}).get(resource, "0")
    return made


async def give(client: Clientset, made: Quota) -> None:
    """Make a quota that is counted already, as the quota controller would."""
    await client.resource_quotas.create(made)
    await client.resource_quotas.update_status(made, mask=("hard", "used"))


async def used(client: Clientset, name: str = "q") -> dict[str, str]:
    found = await client.resource_quotas.get(name, "default")
    return {resource: found.status.used[resource].string for resource in found.status.used}


class Restless(MemoryStorage):
    """A storage whose operations take some turns of the event loop, so that everything happens between
    everything.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(FakeClock())
        self._rng, self._yielding = random.Random(seed), SystemClock()
        self.quota_writes = 0

    async def _turn(self) -> None:
        for _ in range(self._rng.randrange(4)):
            await self._yielding.sleep(0)

    async def create(
        self, key: Key, data: bytes, type_meta: tuple[str, str], *, ttl_seconds: int = 0
    ) -> Stored:
        await self._turn()
        stored = await super().create(key, data, type_meta, ttl_seconds=ttl_seconds)
        await self._turn()
        return stored

    async def update(
        self, key: Key, data: bytes, type_meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        await self._turn()
        stored = await super().update(key, data, type_meta, expected=expected, ttl_seconds=ttl_seconds)
        self.quota_writes += "/resourcequotas/" in key
        await self._turn()
        return stored


def client_of(storage: MemoryStorage, seed: int) -> Clientset:
    numbers = count(1)
    app = build(
        Direct(storage), FakeClock(), rng=random.Random(seed), new_uid=lambda: f"uid-{seed}-{next(numbers)}"
    )
    return Clientset(InProcessTransport(app.handlers))


async def created(client: Clientset, pod: pod_pb2.Pod) -> str:
    """Return why a Pod was refused; empty when it was made."""
    try:
        await client.pods.create(pod)
    except Forbidden as refused:
        return refused.message.partition("is forbidden: ")[2]
    return ""


@pytest.mark.parametrize("apiservers", [1, 2])
@pytest.mark.parametrize("seed", range(5))
async def test_of_32_at_once_a_quota_of_10_lets_exactly_10_through(seed: int, apiservers: int) -> None:
    storage = Restless(seed)
    clients = [client_of(storage, number) for number in range(apiservers)]
    await give(clients[0], quota(pods="10"))
    answers = await asyncio.gather(
        *(created(clients[number % apiservers], make_pod(f"p{number}")) for number in range(32))
    )
    refusal = "exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10"
    assert sorted(answers) == [""] * 10 + [refusal] * 22
    assert len((await clients[0].pods.list("default")).items) == 10
    assert await used(clients[0]) == {"pods": "10"}


async def test_a_batch_shares_its_charge() -> None:
    storage = Restless(1)
    client = client_of(storage, 1)
    await give(client, quota(pods="100"))
    storage.quota_writes = 0
    answers = await client.pods.create_batch([make_pod(f"p{number}") for number in range(120)])
    assert sum(not isinstance(answer, ApiError) for answer in answers) == 100
    assert await used(client) == {"pods": "100"}
    assert storage.quota_writes <= 3


async def test_an_object_must_fit_into_every_quota_and_costs_none_of_them_when_it_does_not() -> None:
    api = make_apiserver()
    await give(api.client, quota("a", pods="5"))
    await give(api.client, quota("b", pods="1"))
    await api.pod("first")
    with pytest.raises(
        Forbidden, match="exceeded quota: b, requested: pods=1, used: pods=1, limited: pods=1"
    ):
        await api.pod("second")
    assert await used(api.client, "a") == await used(api.client, "b") == {"pods": "1"}


async def test_what_is_refused_after_all_costs_nothing() -> None:
    api = make_apiserver()
    await give(api.client, quota(pods="5"))
    await api.pod("web")
    with pytest.raises(AlreadyExists):
        await api.pod("web")
    with pytest.raises(Invalid):
        await api.pod("Web")
    assert await used(api.client) == {"pods": "1"}


async def test_a_dry_run_is_told_and_takes_nothing() -> None:
    api = make_apiserver()
    await give(api.client, quota(pods="1"))
    await api.client.pods.create(make_pod("web"), dry_run=True)
    assert await used(api.client) == {"pods": "0"}
    await api.pod("web")
    with pytest.raises(Forbidden, match="exceeded quota"):
        await api.client.pods.create(make_pod("other"), dry_run=True)


async def test_a_quota_that_is_not_counted_yet_limits_nothing() -> None:
    api = make_apiserver()
    made = quota(pods="0")
    made.ClearField("status")
    await api.client.resource_quotas.create(made)
    await api.pod("web")


async def test_generated_names_cost_once() -> None:
    api = make_apiserver()
    await give(api.client, quota(pods="5"))
    pod = make_pod("")
    pod.metadata.generate_name = "web-"
    await api.client.pods.create(pod)
    assert await used(api.client) == {"pods": "1"}


async def test_objects_of_other_kinds_are_counted_and_other_namespaces_are_not() -> None:
    api = make_apiserver()
    hard = {"count/configmaps": "1", "configmaps": "1", "resourcequotas": "1"}
    await give(api.client, quota(used={"resourcequotas": "1"}, **hard))
    await api.client.config_maps.create(make_config_map("a"))
    with pytest.raises(Forbidden) as refused:
        await api.client.config_maps.create(make_config_map("b"))
    assert refused.value.message == (
        'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1,count/configmaps=1, '
        "used: configmaps=1,count/configmaps=1, limited: configmaps=1,count/configmaps=1"
    )
    elsewhere = make_config_map("b")
    elsewhere.metadata.namespace = "kube-system"
    await api.client.config_maps.create(elsewhere)
    with pytest.raises(Forbidden, match="requested: resourcequotas=1, used: resourcequotas=1") as refused:
        await api.client.resource_quotas.create(quota("second", pods="1"))


async def test_one_who_gives_up_takes_nobody_along() -> None:
    storage = Restless(3)
    client = client_of(storage, 1)
    await give(client, quota(pods="20"))
    yielding, made = SystemClock(), set[str]()

    async def create(name: str) -> None:
        await client.pods.create(make_pod(name))
        made.add(name)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(create(f"p{number}")) for number in range(16)]
        for victim in (0, 1, 5):
            await yielding.sleep(0)
            tasks[victim].cancel()
    assert made == {f"p{number}" for number in range(16)} - {"p0", "p1", "p5"}


@pytest.mark.parametrize("turns", range(0, 16, 3))
async def test_one_who_gives_up_in_the_middle_of_a_charge_costs_the_others_nothing(turns: int) -> None:
    storage = Restless(5)
    client = client_of(storage, 1)
    await give(client, quota(pods="16", cpu="16"))
    await give(client, quota("second", pods="16"))
    yielding, pods = SystemClock(), [make_pod(f"p{number}") for number in range(16)]
    for pod in pods:
        pod.spec.containers[0].resources.requests["cpu"].string = "1"
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.pods.create(pod)) for pod in pods]
        before = storage.quota_writes
        while storage.quota_writes == before:  # the charge of the first is written
            await yielding.sleep(0)
        for _ in range(turns):
            await yielding.sleep(0)
        for task in tasks[:3]:
            task.cancel()
    there = len((await client.pods.list("default")).items)
    assert there >= 13
    for name in ("q", "second"):
        assert there <= int((await used(client, name))["pods"]) <= 16


class Broken(MemoryStorage):
    """A storage that cannot write quotas."""

    async def guaranteed_update(
        self, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        if key.endswith("/broken"):
            raise Unavailable("etcd is away")
        return await super().guaranteed_update(key, change, hint=hint)


async def test_without_an_answer_nothing_is_stored() -> None:
    storage = Broken(FakeClock())
    client = client_of(storage, 1)
    await client.resource_quotas.create(quota("a", pods="5"))
    made: Any = quota("broken", pods="5")
    await client.resource_quotas.create(made)
    stored = await storage.get(Key("/registry/resourcequotas/default/broken"))
    assert stored is not None
    await storage.update(stored.key, made.SerializeToString(), stored.type_meta, expected=stored.version)
    with pytest.raises(Unavailable):
        await client.pods.create(make_pod("web"))
    assert (await client.pods.list("default")).items == []
