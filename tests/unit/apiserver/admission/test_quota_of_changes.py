"""Quotas and what changes: what a Pod takes more by a resize, or a claim by growing, is charged before it is
stored; less always passes.
"""

import asyncio

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.unit.apiserver.admission.test_resource_quota import Restless, client_of, give, quota, used
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Forbidden, Invalid
from vaina.testing.builders import make_pod

CPU = "requests.cpu"


async def a_pod(client: Clientset, name: str = "web", cpu: str = "1") -> pod_pb2.Pod:
    made = make_pod(name)
    made.spec.containers[0].resources.requests["cpu"].string = cpu
    return await client.pods.create(made)


async def resize(client: Clientset, pod: pod_pb2.Pod, cpu: str) -> str:
    """Return why it was refused; empty when it was not."""
    wish = pod_pb2.Pod()
    wish.CopyFrom(pod)
    wish.metadata.resource_version = ""
    wish.spec.containers[0].resources.requests["cpu"].string = cpu
    try:
        await client.pods.update_resize(wish)
    except Forbidden as refused:
        return refused.message
    return ""


async def test_a_resize_takes_no_more_than_is_left_and_is_charged() -> None:
    api = make_apiserver()
    await give(api.client, quota(used={CPU: "1"}, **{CPU: "4"}))
    pod = await a_pod(api.client)
    assert await resize(api.client, pod, "4") == (
        'pods "web" is forbidden: exceeded quota: q, requested: requests.cpu=3, used: requests.cpu=2, limited: requests.cpu=4'
    )
    assert await used(api.client) == {CPU: "2"}
    assert await resize(api.client, pod, "3") == ""
    assert await used(api.client) == {CPU: "4"}


@pytest.mark.parametrize("apiservers", [1, 2])
@pytest.mark.parametrize("seed", range(3))
async def test_resizes_at_once_take_no_more_than_is_left(seed: int, apiservers: int) -> None:
    storage = Restless(seed)
    clients = [client_of(storage, number) for number in range(apiservers)]
    await give(clients[0], quota(**{CPU: "10"}))
    pods = [await a_pod(clients[0], f"p{number}") for number in range(6)]
    answers = await asyncio.gather(
        *(resize(clients[number % apiservers], pod, "2") for number, pod in enumerate(pods))
    )
    assert sum(not answer for answer in answers) == 4
    assert all(
        "exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=10" in answer
        for answer in answers
        if answer
    )
    assert await used(clients[0]) == {CPU: "10"}


async def test_resizes_of_one_pod_at_once_are_charged_for_what_it_became() -> None:
    storage = Restless(7)
    clients = [client_of(storage, number) for number in range(2)]
    await give(clients[0], quota(**{CPU: "100"}))
    pod = await a_pod(clients[0])
    await asyncio.gather(*(resize(clients[number % 2], pod, str(number + 2)) for number in range(6)))
    now = await clients[0].pods.get("web", "default")
    taken = int((await used(clients[0]))[CPU])
    # What is given up is found by the controller; nothing is taken that was not charged.
    assert taken >= int(now.spec.containers[0].resources.requests["cpu"].string)


async def test_a_decrease_passes_though_the_quota_is_exceeded() -> None:
    api = make_apiserver()
    pod = await a_pod(api.client, cpu="5")
    await give(api.client, quota(used={CPU: "5"}, **{CPU: "2"}))
    assert await resize(api.client, pod, "4") == ""
    assert "requested: requests.cpu=1, used: requests.cpu=5, limited: requests.cpu=2" in await resize(
        api.client, pod, "5"
    )


async def test_what_is_not_stored_is_given_back() -> None:
    api = make_apiserver()
    await give(api.client, quota(**{CPU: "9"}))
    pod = await a_pod(api.client)
    pod.spec.containers[0].resources.requests["cpu"].string = "5"
    pod.spec.containers[0].resources.limits["cpu"].string = "1"
    with pytest.raises(Invalid):
        await api.client.pods.update_resize(pod)
    assert await used(api.client) == {CPU: "1"}


async def a_claim(api: Harness, storage: str) -> persistent_volume_pb2.PersistentVolumeClaim:
    kind = storage_class_pb2.StorageClass(provisioner="example.com/p", allow_volume_expansion=True)
    kind.metadata.name = "fast"
    await api.client.storage_classes.create(kind)
    claim = persistent_volume_pb2.PersistentVolumeClaim()
    claim.metadata.name, claim.metadata.namespace = "data", "default"
    claim.spec.access_modes.append("ReadWriteOnce")
    claim.spec.storage_class_name = "fast"
    claim.spec.resources.requests["storage"].string = storage
    made = await api.client.persistent_volume_claims.create(claim)
    made.spec.volume_name, made.status.phase = "pv", "Bound"
    made = await api.client.persistent_volume_claims.update(made)
    made.status.phase = "Bound"
    return await api.client.persistent_volume_claims.update_status(made)


async def test_a_claim_that_grows_is_charged() -> None:
    api = make_apiserver()
    await give(api.client, quota(**{"requests.storage": "3Gi"}))
    claim = await a_claim(api, "1Gi")
    claim.spec.resources.requests["storage"].string = "2Gi"
    claim = await api.client.persistent_volume_claims.update(claim)
    assert await used(api.client) == {"requests.storage": "2Gi"}
    claim.spec.resources.requests["storage"].string = "4Gi"
    with pytest.raises(Forbidden) as refused:
        await api.client.persistent_volume_claims.update(claim)
    assert refused.value.message == (
        'persistentvolumeclaims "data" is forbidden: exceeded quota: q, requested: requests.storage=2Gi, '
        "used: requests.storage=2Gi, limited: requests.storage=3Gi"
    )
    claim.spec.resources.requests["storage"].string = "2Gi"
    claim.metadata.labels["a"] = "b"
    await api.client.persistent_volume_claims.update(claim)
    assert await used(api.client) == {"requests.storage": "2Gi"}


async def test_a_dry_run_is_judged_and_costs_nothing() -> None:
    api = make_apiserver()
    await give(api.client, quota(**{"requests.storage": "2Gi"}))
    claim = await a_claim(api, "1Gi")
    claim.spec.resources.requests["storage"].string = "2Gi"
    await api.client.persistent_volume_claims.update(claim, dry_run=True)
    assert await used(api.client) == {"requests.storage": "1Gi"}
    claim.spec.resources.requests["storage"].string = "3Gi"
    with pytest.raises(Forbidden, match="exceeded quota"):
        await api.client.persistent_volume_claims.update(claim, dry_run=True)
