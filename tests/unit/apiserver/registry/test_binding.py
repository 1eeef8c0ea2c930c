"""Binding: once, to a node that is there, the Pod that is meant (I1)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.client.verbs import binding
from vaina.clock import timestamp
from vaina.errors import Conflict, Invalid, NotFound
from vaina.testing.builders import make_pod


@pytest.mark.requirement("A2")
async def test_binding_sets_the_node_and_the_condition() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await api.node()
    await api.clock.advance(3)
    await api.client.pods.bind("web", namespace="default", uid=pod.metadata.uid, node="node-1")
    bound = await api.client.pods.get("web", "default")
    assert (pod.spec.node_name, bound.spec.node_name, bound.status.phase) == ("", "node-1", "Pending")
    condition = bound.status.conditions[0]
    assert (condition.type, condition.status) == ("PodScheduled", "True")
    assert condition.last_transition_time == timestamp(api.clock.now())
    assert bound.metadata.generation == pod.metadata.generation


async def test_a_bound_pod_has_the_zone_and_the_region_of_its_node() -> None:
    api = make_apiserver()
    node = _node("node-1")
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    node.metadata.labels.update({zone: "a", region: "north", "disk": "ssd"})
    node = await api.client.nodes.create(node)
    await api.client.pods.create(make_pod("web", labels={"app": "web", zone: "mine"}))
    await api.client.pods.bind("web", namespace="default", uid="", node="node-1")
    labels = (await api.client.pods.get("web", "default")).metadata.labels
    assert dict(labels) == {"app": "web", zone: "a", region: "north"}
    # What the node is given later its Pods do not have; those that come later do.
    node.metadata.labels[zone] = "b"
    del node.metadata.labels[region]
    await api.client.nodes.update(node)
    assert (await api.client.pods.get("web", "default")).metadata.labels == labels
    there = make_pod("there")
    there.spec.node_name = "node-1"
    assert dict((await api.client.pods.create(there)).metadata.labels) == {zone: "b"}


async def test_labels_of_a_binding_are_the_pods() -> None:
    api = make_apiserver()
    await api.node()
    await api.client.pods.create(make_pod("web", labels={"app": "web", "tier": "back"}))
    made = binding("default", "web", "", "node-1")
    made.metadata.labels.update({"tier": "front", "bound": "yes"})
    await api.client.pods.bind_batch([made])
    labels = (await api.client.pods.get("web", "default")).metadata.labels
    assert dict(labels) == {"app": "web", "tier": "front", "bound": "yes"}
    made.metadata.labels["tier"] = "far back"
    [error] = await api.client.pods.bind_batch([made])
    assert isinstance(error, Invalid)
    assert error.message.startswith('Binding "web" is invalid: metadata.labels: Invalid value: "far back"')


async def test_an_unschedulable_pod_that_is_bound_forgets_why() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await api.node()
    pod.status.conditions.add(
        type="PodScheduled", status="False", reason="Unschedulable", message="0/1 nodes"
    )
    pod.status.nominated_node_name = "node-1"
    await api.client.pods.update_status(pod, mask=["conditions", "nominated_node_name"])
    await api.client.pods.bind("web", namespace="default", uid="", node="node-1")
    bound = await api.client.pods.get("web", "default")
    assert [(c.status, c.reason, c.message) for c in bound.status.conditions] == [("True", "", "")]
    assert bound.status.nominated_node_name == ""


async def _bound(api: Harness) -> None:
    await api.pod(node="node-1")


async def _deleting(api: Harness) -> None:
    await api.pod(finalizers=["a/b"])
    await api.client.pods.delete("web", "default")


async def _gated(api: Harness) -> None:
    pod = make_pod()
    pod.spec.scheduling_gates.add(name="example.com/wait")
    await api.client.pods.create(pod)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (_bound, 'pod web is already assigned to node "node-1"'),
        (_deleting, "pod web is being deleted, cannot be assigned to a host"),
        (_gated, "pod web has non-empty .spec.schedulingGates"),
    ],
)
async def test_a_pod_that_may_not_be_bound(given: Callable[[Harness], Awaitable[None]], words: str) -> None:
    api = make_apiserver()
    await given(api)
    await api.client.nodes.create(_node("node-9"))
    with pytest.raises(Conflict) as caught:
        await api.client.pods.bind("web", namespace="default", uid="", node="node-9")
    assert caught.value.message == f'Operation cannot be fulfilled on pods/binding "web": {words}'


async def test_another_pod_of_the_same_name_is_not_bound() -> None:
    api = make_apiserver()
    await api.pod()
    await api.node()
    with pytest.raises(Conflict, match="UID in precondition: old, UID in object meta: uid-2"):
        await api.client.pods.bind("web", namespace="default", uid="old", node="node-1")


async def test_a_stale_version_is_not_bound() -> None:
    api = make_apiserver()
    await api.pod()
    await api.node()
    stale = binding("default", "web", "", "node-1")
    stale.metadata.resource_version = "1"
    [error] = await api.client.pods.bind_batch([stale])
    assert isinstance(error, Conflict)


async def test_what_is_not_there_is_not_found() -> None:
    api = make_apiserver()
    await api.pod()
    with pytest.raises(NotFound, match=r'^nodes "node-1" not found$'):
        await api.client.pods.bind("web", namespace="default", uid="", node="node-1")
    await api.node()
    with pytest.raises(NotFound, match=r'^pods "other" not found$'):
        await api.client.pods.bind("other", namespace="default", uid="", node="node-1")


async def test_a_binding_must_name_a_node() -> None:
    api = make_apiserver()
    await api.pod()
    with pytest.raises(Invalid, match=r'^Binding "web" is invalid: target.name: Required value$'):
        await api.client.pods.bind("web", namespace="default", uid="", node="")
    wrong = binding("default", "web", "", "node-1")
    wrong.target.kind = "Pod"
    [error] = await api.client.pods.bind_batch([wrong])
    assert isinstance(error, Invalid)
    assert 'target.kind: Unsupported value: "Pod"' in error.message


async def test_a_batch_answers_for_each_in_order() -> None:
    api = make_apiserver()
    await api.node()
    for name in ("a", "b"):
        await api.pod(name)
    results = await api.client.pods.bind_batch(
        [binding("default", name, "", "node-1") for name in ("a", "nobody", "b", "a")]
    )
    assert [None if item is None else item.reason for item in results] == [None, "NotFound", None, "Conflict"]


async def test_of_many_bindings_at_once_exactly_one_wins() -> None:
    api = make_apiserver()
    await api.pod()
    for index in range(20):
        await api.client.nodes.create(_node(f"n{index}"))
    outcomes = await asyncio.gather(
        *(api.client.pods.bind("web", namespace="default", uid="", node=f"n{index}") for index in range(20)),
        return_exceptions=True,
    )
    winners = [index for index, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert (await api.client.pods.get("web", "default")).spec.node_name == f"n{winners[0]}"


async def test_a_node_name_cannot_be_taken_back_or_changed_by_an_update() -> None:
    api = make_apiserver()
    pod = await api.pod(node="node-1")
    for name in ("", "node-2"):
        pod.spec.node_name = name
        with pytest.raises(Invalid):
            await api.client.pods.update(pod)


async def test_an_update_cannot_bind() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.spec.node_name = "node-1"
    with pytest.raises(Invalid, match="spec: Forbidden: pod updates may not change fields"):
        await api.client.pods.update(pod)


async def test_batches_of_pods_answer_for_each() -> None:
    api = make_apiserver()
    results = await api.client.pods.create_batch([make_pod("a"), make_pod("a"), make_pod("B")])
    made = [item for item in results if isinstance(item, pod_pb2.Pod)]
    refused = sorted(item.reason for item in results if not isinstance(item, pod_pb2.Pod))
    assert [item.metadata.name for item in made] == ["a"]
    assert refused == ["AlreadyExists", "Invalid"]


def _node(name: str):  # type: ignore[no-untyped-def]
    from vaina.testing.builders import make_node

    return make_node(name)
