"""Nothing is born in a namespace that ends, however the writes of several apiservers fall between one
another.
"""

import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from apiserver.build import build
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import CONSISTENT, Key, Put, PutResult, Read, Stored
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from tests.support.apiserver import make_apiserver
from tests.support.direct import Direct
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Forbidden, NotFound
from vaina.kinds import KINDS
from vaina.testing.builders import make_config_map, make_namespace, make_pod
from vaina.testing.clock import FakeClock


class Interrupted(MemoryStorage):
    """A storage in which something else happens just before a ConfigMap is stored, and just after."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        ours = puts[0].key.startswith("/registry/configmaps/")
        if ours and self.before is not None:
            await self.before()
        stored = await super().put_all(puts)
        if ours and self.after is not None:
            await self.after()
        return stored


def client_over(storage: object) -> Clientset:
    return Clientset(InProcessTransport(build(storage, FakeClock()).handlers))  # type: ignore[arg-type]  # any that selects


async def end(other: Clientset) -> None:
    await other.namespaces.delete("team")


async def finish(other: Clientset) -> None:
    await end(other)
    ending = await other.namespaces.get("team")
    ending.spec.ClearField("finalizers")
    await other.namespaces.finalize(ending)


@pytest.mark.parametrize(("what", "refusal"), [(end, Forbidden), (finish, NotFound)])
@pytest.mark.parametrize("cached", [False, True])
async def test_what_is_stored_after_the_end_began_is_taken_back(
    what: Callable[[Clientset], Awaitable[None]], refusal: type[ApiError], *, cached: bool
) -> None:
    storage = Interrupted()
    other = client_over(Direct(storage))
    cacher = Cacher(storage, [resource_of(kind) for kind in KINDS], clock=SystemClock(), rng=random.Random(1))
    await other.namespaces.create(make_namespace("team"))
    async with running(cacher.run()):
        await cacher.wait_ready()
        client = client_over(cacher if cached else Direct(storage))
        await client.config_maps.create(make_config_map("first", "team"))
        # The cache that admission asks hears of it only after the write.
        storage.before = lambda: what(other)
        with pytest.raises(refusal):
            await client.config_maps.create(make_config_map("late", "team"))
        assert [item.metadata.name for item in (await other.config_maps.list("team")).items] == ["first"]


async def test_what_is_stored_before_the_end_begins_may_be_taken_back_or_stay_for_whoever_empties_the_namespace() -> (
    None
):
    storage = Interrupted()
    other = client_over(Direct(storage))
    await other.namespaces.create(make_namespace("team"))
    storage.after = lambda: end(other)
    with pytest.raises(Forbidden) as refused:
        await client_over(Direct(storage)).config_maps.create(make_config_map("late", "team"))
    assert refused.value.message == (
        'configmaps "late" is forbidden: unable to create new content in namespace team because it is being terminated'
    )
    assert (await other.config_maps.list("team")).items == []


class Asked(MemoryStorage):
    """Counts how often it is asked for namespaces, and ends one while Pods are being stored."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.questions = 0
        self.before: Callable[[], Awaitable[None]] | None = None

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        self.questions += key.startswith("/registry/namespaces/")
        return await super().get(key, read)

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        if self.before is not None and puts[0].key.startswith("/registry/pods/"):
            await self.before()
        return await super().put_all(puts)


async def test_a_batch_looks_again_once_for_all_of_a_namespace() -> None:
    storage = Asked()
    client = client_over(Direct(storage))
    await client.namespaces.create(make_namespace("team"))
    before = storage.questions
    made = await client.pods.create_batch([make_pod(f"p{number}", namespace="team") for number in range(20)])
    assert [pod.metadata.name for pod in made if isinstance(pod, pod_pb2.Pod)] == [
        f"p{number}" for number in range(20)
    ]
    assert storage.questions - before <= 22  # a lagging cache costs each question half a second


async def test_of_a_batch_only_those_are_taken_back_whose_namespace_began_to_end() -> None:
    storage = Asked()
    other, client = client_over(Direct(storage)), client_over(Direct(storage))
    for name in ("team", "good"):
        await other.namespaces.create(make_namespace(name))
    storage.before = lambda: end(other)
    pods = [make_pod(f"p{number}", namespace=("team", "good")[number % 2]) for number in range(6)]
    made = await client.pods.create_batch(pods)
    assert [str(answer) for answer in made[::2] if isinstance(answer, Forbidden)] == [
        f'pods "p{number}" is forbidden: unable to create new content in namespace team because it is being terminated'
        for number in (0, 2, 4)
    ]
    assert [pod.metadata.name for pod in (await other.pods.list()).items] == ["p1", "p3", "p5"]


async def test_a_refusal_names_what_a_name_would_begin_with() -> None:
    client = client_over(Direct(MemoryStorage(FakeClock())))
    await client.namespaces.create(make_namespace("team"))
    await end(client)
    pod = make_pod("", namespace="team")
    pod.metadata.generate_name = "web-"
    with pytest.raises(
        Forbidden, match=r'^pods "web-" is forbidden: unable to create new content in namespace team'
    ):
        await client.pods.create(pod)
    pod.metadata.namespace, pod.spec.priority_class_name = "kube-system", "none"
    with pytest.raises(
        Forbidden, match=r'^pods "web-" is forbidden: no PriorityClass with name none was found'
    ):
        await client.pods.create(pod)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_what_the_system_needs_cannot_be_deleted(name: str) -> None:
    api = make_apiserver()
    await api.app.bootstrap()
    with pytest.raises(Forbidden) as refused:
        await api.client.namespaces.delete(name)
    assert refused.value.message == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_the_namespaces_of_the_system_are_made_at_start() -> None:
    api = make_apiserver()
    await api.app.bootstrap()
    names = {item.metadata.name for item in (await api.client.namespaces.list()).items}
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
