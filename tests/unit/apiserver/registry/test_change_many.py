"""Many changes in one call, from what the cache has.

Each has an answer of its own, the one that it would have had alone.
"""

from collections.abc import AsyncIterator

import pytest

from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.client.verbs import binding
from vaina.errors import Conflict, NotFound
from vaina.testing.builders import make_pod


@pytest.fixture(params=["cached", "direct"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    if request.param == "direct":
        yield make_apiserver()
        return
    async with cached_apiserver() as made:
        yield made


async def test_each_binding_has_an_answer_of_its_own(api: Harness) -> None:
    await api.node("node-1")
    for name in ("a", "b", "c"):
        await api.pod(name)
    await api.client.pods.bind("c", namespace="default", uid="", node="node-1")
    wanted = [
        ("a", "node-1"),
        ("none", "node-1"),
        ("b", "nowhere"),
        ("c", "node-1"),
        ("a", "node-1"),
        ("b", "node-1"),
    ]
    results = await api.client.pods.bind_batch([binding("default", name, "", node) for name, node in wanted])
    assert [type(result) for result in results] == [
        type(None),
        NotFound,
        NotFound,
        Conflict,
        Conflict,
        type(None),
    ]
    bound = {pod.metadata.name: pod.spec.node_name for pod in (await api.client.pods.list()).items}
    assert bound == {"a": "node-1", "b": "node-1", "c": "node-1"}


async def test_each_status_has_an_answer_of_its_own(api: Harness) -> None:
    made = await api.pod("a")
    running, other = pod_pb2.Pod(), pod_pb2.Pod()
    running.CopyFrom(made)
    running.status.phase = "Running"
    other.CopyFrom(running)
    other.metadata.uid = "other"
    results = await api.client.pods.update_status_batch(
        [(pod, ()) for pod in (make_pod("none"), running, other, running)]
    )
    assert [type(result) for result in results] == [NotFound, pod_pb2.Pod, Conflict, Conflict]
    assert (await api.client.pods.get("a", "default")).status.phase == "Running"


async def test_what_the_cache_does_not_know_yet_is_changed_all_the_same(api: Harness) -> None:
    await api.node("node-1")
    # Straight after the answers of their creation, which come before the cache has seen them.
    await api.client.pods.create_batch([make_pod(f"pod-{number}") for number in range(130)])
    bindings = [binding("default", f"pod-{number}", "", "node-1") for number in range(130)]
    assert await api.client.pods.bind_batch(bindings) == [None] * 130
