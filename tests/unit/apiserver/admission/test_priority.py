"""Priorities: from classes, with a default, in upstream's words; a class cannot be changed under its Pods."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from apiserver.storage.interface import Key, StorageEvent, Version
from apiserver.storage.memory import MemoryStorage
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.direct import build_handlers
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import Forbidden, Invalid, NotFound
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

PriorityClass = priority_class_pb2.PriorityClass


async def _class(api: Harness, name: str, value: int, **fields: object) -> PriorityClass:
    made = PriorityClass(value=value, **fields)  # type: ignore[arg-type]
    made.metadata.name = name
    return await api.client.priority_classes.create(made)


async def test_a_pod_gets_the_value_and_the_policy_of_its_class() -> None:
    api = make_apiserver()
    await _class(api, "high", 1000, preemption_policy="Never")
    pod = make_pod("web")
    pod.spec.priority_class_name = "high"
    made = await api.client.pods.create(pod)
    assert (made.spec.priority, made.spec.preemption_policy) == (1000, "Never")


async def test_without_a_default_class_a_pod_has_priority_0_and_no_class() -> None:
    made = await make_apiserver().pod("web")
    assert (made.spec.priority, made.spec.preemption_policy) == (0, "PreemptLowerPriority")
    assert made.spec.priority_class_name == ""


async def test_the_default_class_is_that_of_pods_without_one_from_the_moment_it_exists() -> None:
    api = make_apiserver()
    await api.pod("before")
    await _class(api, "usual", 7, global_default=True)
    # The same spec as before: what is remembered of it must not have the old priority.
    made = await api.pod("after")
    assert (made.spec.priority_class_name, made.spec.priority) == ("usual", 7)
    await api.client.priority_classes.delete("usual")
    assert (await api.pod("later")).spec.priority == 0


async def test_only_one_class_is_the_default() -> None:
    api = make_apiserver()
    first = await _class(api, "first", 1, global_default=True)
    words = (
        'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass first is already marked as default. '
        "Only one default can exist"
    )
    with pytest.raises(Forbidden) as refused:
        await _class(api, "second", 2, global_default=True)
    assert refused.value.message == words
    second = await _class(api, "second", 2)
    second.global_default = True
    with pytest.raises(Forbidden) as refused:
        await api.client.priority_classes.update(second)
    assert refused.value.message == words
    with pytest.raises(Forbidden) as refused:
        await api.client.priority_classes.patch("second", '{"globalDefault": true}')
    assert refused.value.message == words
    first.global_default = False
    await api.client.priority_classes.update(first)
    second = await api.client.priority_classes.patch("second", '{"globalDefault": true}')
    assert second.global_default
    second.description = "still the default"
    assert (await api.client.priority_classes.update(second)).global_default


async def test_a_class_that_is_not_there_is_refused() -> None:
    api = make_apiserver()
    pod = make_pod("web")
    pod.spec.priority_class_name = "gone"
    with pytest.raises(Forbidden) as refused:
        await api.client.pods.create(pod)
    assert refused.value.message == 'pods "web" is forbidden: no PriorityClass with name gone was found'


async def test_a_priority_of_ones_own_is_refused() -> None:
    api = make_apiserver()
    pod = make_pod("web")
    pod.spec.priority = 5
    with pytest.raises(Forbidden) as refused:
        await api.client.pods.create(pod)
    assert refused.value.message == (
        'pods "web" is forbidden: the integer value of priority (5) must not be provided in pod spec; '
        "priority admission controller computed 0 from the given PriorityClass name"
    )
    pod.spec.ClearField("priority")
    pod.spec.preemption_policy = "Never"
    with pytest.raises(Forbidden) as refused:
        await api.client.pods.create(pod)
    assert refused.value.message == (
        'pods "web" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; '
        "priority admission controller computed PreemptLowerPriority from the given PriorityClass name"
    )


async def test_an_update_that_does_not_say_the_priority_keeps_it() -> None:
    api = make_apiserver()
    pod = await api.pod("web")
    pod.spec.ClearField("priority")
    pod.spec.ClearField("preemption_policy")
    pod.metadata.labels["a"] = "b"
    changed = await api.client.pods.update(pod)
    assert (changed.spec.priority, changed.spec.preemption_policy) == (0, "PreemptLowerPriority")
    assert changed.spec.HasField("priority")


async def test_the_classes_of_the_system_are_made_at_start_and_stand_for_their_values() -> None:
    api = make_apiserver()
    await api.app.bootstrap()
    await api.app.bootstrap()
    listed = (await api.client.priority_classes.list()).items
    assert {item.metadata.name: item.value for item in listed} == {
        "system-cluster-critical": 2_000_000_000,
        "system-node-critical": 2_000_001_000,
    }
    assert all(item.preemption_policy == "PreemptLowerPriority" for item in listed)
    pod = make_pod("web")
    pod.spec.priority_class_name = "system-node-critical"
    assert (await api.client.pods.create(pod)).spec.priority == 2_000_001_000


async def test_a_pod_of_the_system_needs_no_start_to_be_done() -> None:
    api = make_apiserver()
    pod = make_pod("web")
    pod.spec.priority_class_name = "system-cluster-critical"
    assert (await api.client.pods.create(pod)).spec.priority == 2_000_000_000


async def test_value_and_policy_of_a_class_stay() -> None:
    api = make_apiserver()
    made = await _class(api, "high", 1000)
    made.value, made.preemption_policy = 2000, "Never"
    with pytest.raises(Invalid) as refused:
        await api.client.priority_classes.update(made)
    assert [str(cause.field) for cause in refused.value.causes] == ["value", "preemptionPolicy"]


class Lagging(MemoryStorage):
    """A storage whose watch says nothing until somebody asks how far the storage is."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def current_version(self) -> Version:
        self.goes_on.set()
        return await super().current_version()

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        async with aclosing(super().watch(prefix, after=after, previous=previous)) as batches:
            async for batch in batches:
                await self.goes_on.wait()
                yield batch


async def test_a_class_that_another_apiserver_has_just_made_is_found() -> None:
    storage = Lagging()
    async with cached_apiserver(storage=storage) as api:
        await api.pod("before")
        other = Clientset(InProcessTransport(build_handlers(storage, FakeClock())))
        storage.goes_on.clear()
        wanted = PriorityClass(value=1000)
        wanted.metadata.name = "high"
        await other.priority_classes.create(wanted)
        pod = make_pod("web")
        pod.spec.priority_class_name = "high"
        assert (await api.client.pods.create(pod)).spec.priority == 1000


async def test_classes_are_seen_through_the_watch_cache() -> None:
    async with cached_apiserver() as api:
        await _class(api, "high", 1000)
        pod = make_pod("web")
        pod.spec.priority_class_name = "high"
        assert (await api.client.pods.create(pod)).spec.priority == 1000
        with pytest.raises(NotFound):
            await api.client.priority_classes.get("low")
