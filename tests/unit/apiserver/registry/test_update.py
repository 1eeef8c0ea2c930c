"""Updating: optimistic concurrency, what is whose, and when nothing is written."""

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.build import build
from apiserver.registry.table import STRATEGIES
from apiserver.storage.interface import Change, Key, KeyConflict, Stored
from apiserver.storage.memory import MemoryStorage
from tests.support.apiserver import Harness, make_apiserver
from tests.support.direct import Direct
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import event_pb2, limit_range_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import BadRequest, Conflict, Invalid, NotFound
from vaina.kinds import KINDS
from vaina.testing.builders import make_pod, make_replica_set
from vaina.testing.clock import FakeClock

STALE = (
    'Operation cannot be fulfilled on pods "web": the object has been modified; '
    "please apply your changes to the latest version and try again"
)


async def _relabel(api: Harness, pod: pod_pb2.Pod, value: str) -> pod_pb2.Pod:
    pod.metadata.labels["app"] = value
    return await api.client.pods.update(pod)


async def test_of_two_updates_of_one_version_one_wins() -> None:
    api = make_apiserver()
    await api.pod()
    mine = await api.client.pods.get("web", "default")
    yours = await api.client.pods.get("web", "default")
    await _relabel(api, mine, "mine")
    with pytest.raises(Conflict) as caught:
        await _relabel(api, yours, "yours")
    assert caught.value.message == STALE
    assert (await api.client.pods.get("web", "default")).metadata.labels["app"] == "mine"


async def test_an_update_without_a_version_replaces_whatever_is_there() -> None:
    api = make_apiserver()
    pod = await api.pod()
    await _relabel(api, pod, "first")
    pod.metadata.resource_version = ""
    assert (await _relabel(api, pod, "second")).metadata.labels["app"] == "second"


async def test_an_update_that_changes_nothing_writes_nothing() -> None:
    api = make_apiserver()
    pod = await api.pod()
    again = await api.client.pods.update(pod)
    assert again == pod
    assert await api.storage.current_version() // 1000 == int(pod.metadata.resource_version) // 1000


async def test_an_update_leaves_the_status_alone() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.status.phase = "Running"
    pod.metadata.labels["app"] = "x"
    assert (await api.client.pods.update(pod)).status.phase == "Pending"


async def test_generation_counts_changes_of_the_spec_alone() -> None:
    api = make_apiserver()
    created = await api.client.replica_sets.create(make_replica_set())
    created.metadata.labels["a"] = "b"
    labelled = await api.client.replica_sets.update(created)
    labelled.spec.replicas = 5
    scaled = await api.client.replica_sets.update(labelled)
    assert [rs.metadata.generation for rs in (created, labelled, scaled)] == [1, 1, 2]


async def test_managed_fields_that_are_not_sent_stay_and_one_empty_entry_resets_them() -> None:
    api = make_apiserver()
    applied = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: i}]}}"
    pod = await api.client.pods.apply("web", applied, namespace="default", field_manager="first")
    pod.metadata.ClearField("managed_fields")
    pod = await api.client.pods.update(pod)
    assert [entry.manager for entry in pod.metadata.managed_fields] == ["first"]
    pod.metadata.managed_fields[0].Clear()
    assert list((await api.client.pods.update(pod)).metadata.managed_fields) == []


async def test_a_client_cannot_set_the_generation() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.metadata.generation = 12
    pod.metadata.labels["app"] = "x"
    assert (await api.client.pods.update(pod)).metadata.generation == 1


async def test_an_object_of_the_same_name_but_another_uid_is_not_updated() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.metadata.uid = "another"
    with pytest.raises(Conflict, match="UID in precondition: another, UID in object meta: uid-"):
        await api.client.pods.update(pod)


async def test_what_an_update_leaves_out_of_the_metadata_stays() -> None:
    api = make_apiserver()
    made = await api.pod(node="node-1")
    await api.client.pods.delete("web", "default")
    current = await api.client.pods.get("web", "default")
    sent = make_pod(created=None)
    sent.spec.CopyFrom(current.spec)
    sent.metadata.uid, sent.metadata.labels["new"] = "", "label"
    updated = await api.client.pods.update(sent)
    assert updated.metadata.uid == made.metadata.uid
    assert updated.metadata.creation_timestamp == made.metadata.creation_timestamp
    assert updated.metadata.deletion_timestamp == current.metadata.deletion_timestamp
    assert updated.metadata.deletion_grace_period_seconds == current.metadata.deletion_grace_period_seconds


async def test_a_deletion_timestamp_cannot_be_set_by_an_update() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.metadata.deletion_timestamp.seconds = 1
    with pytest.raises(Invalid, match=r"metadata.deletionTimestamp: Invalid value: .*field is immutable"):
        await api.client.pods.update(pod)


async def test_what_is_not_there_cannot_be_updated() -> None:
    api = make_apiserver()
    with pytest.raises(NotFound, match=r'^pods "web" not found$'):
        await api.client.pods.update(make_pod())


async def test_an_update_needs_a_name() -> None:
    api = make_apiserver()
    with pytest.raises(BadRequest, match="name of the object is required"):
        await api.client.pods.update(make_pod(""))


async def test_a_version_that_is_no_number_is_refused() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.metadata.resource_version = "abc"
    with pytest.raises(Invalid, match='resourceVersion: Invalid value: "abc"'):
        await api.client.pods.update(pod)


async def test_a_lease_is_only_updated_by_who_saw_its_version() -> None:
    api = make_apiserver()
    lease = lease_pb2.Lease()
    lease.metadata.name = "lock"
    await api.client.leases.create(lease)
    lease.spec.holder_identity = "me"
    with pytest.raises(
        Invalid, match=r"metadata.resourceVersion: Invalid value: .*must be specified for an update"
    ):
        await api.client.leases.update(lease)


async def test_an_ending_object_goes_with_its_last_finalizer() -> None:
    api = make_apiserver()
    pod = await api.pod(finalizers=["example.com/hold"])
    ending = await api.client.pods.delete("web", "default")
    assert ending.metadata.HasField("deletion_timestamp")
    del ending.metadata.finalizers[:]
    await api.client.pods.update(ending)
    with pytest.raises(NotFound):
        await api.client.pods.get("web", "default")
    assert pod.metadata.uid == ending.metadata.uid


async def test_an_update_warns_of_what_is_not_acted_on_once() -> None:
    api = make_apiserver()
    created = await api.client.replica_sets.create(make_replica_set())
    created.spec.template.spec.resource_claims.add(name="gpu", resource_claim_name="one")
    assert api.warnings == []
    changed = await api.client.replica_sets.update(created)
    words = "spec.template.spec.resourceClaims: accepted, but vaina does not act on it yet"
    assert api.warnings == [words]
    changed.metadata.labels["a"] = "b"
    await api.client.replica_sets.update(changed)
    assert api.warnings == [words]


async def test_times_of_creation_and_deletion_that_a_client_sends_are_ignored() -> None:
    """Clients that rebuild an object from what they read elsewhere lose nothing; upstream ignores these too."""
    api = make_apiserver()
    pod = make_pod(finalizers=("example.com/hold",))
    made = await api.client.pods.create(pod)
    sent = pod_pb2.Pod()
    sent.CopyFrom(made)
    sent.metadata.creation_timestamp.seconds = 1
    sent.metadata.labels["app"] = "first"
    assert (
        await api.client.pods.update(sent)
    ).metadata.creation_timestamp == made.metadata.creation_timestamp
    ending = await api.client.pods.delete("web", "default")
    sent.CopyFrom(ending)
    sent.metadata.deletion_timestamp.seconds += 500
    sent.metadata.labels["app"] = "second"
    after = await api.client.pods.update(sent)
    assert after.metadata.deletion_timestamp == ending.metadata.deletion_timestamp
    assert after.metadata.labels["app"] == "second"


async def test_a_version_that_is_none_is_named_as_the_object_s_own() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.metadata.resource_version = "abc"
    words = 'Pod "web" is invalid: metadata.resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    with pytest.raises(Invalid) as caught:
        await api.client.pods.update(pod)
    assert caught.value.message == words
    with pytest.raises(Invalid) as caught:
        await api.client.pods.update_status(pod)
    assert caught.value.message == words


class _Contended(Direct):
    """A storage where others are always quicker, a number of times."""

    lost = 5

    async def guaranteed_update(
        self, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        if self.lost:
            self.lost -= 1
            raise KeyConflict
        return await super().guaranteed_update(key, change, hint=hint)


async def test_a_change_that_names_no_version_is_tried_until_it_is_through() -> None:
    """Nobody gets a Conflict who asked for no version (upstream's GuaranteedUpdate has no end but the
    deadline).
    """
    clock = FakeClock()
    storage = _Contended(MemoryStorage(clock))
    client = Clientset(InProcessTransport(build(storage, clock).handlers))
    await client.pods.create(make_pod())
    patched = await client.pods.patch("web", '{"metadata":{"labels":{"a":"1"}}}', namespace="default")
    assert (patched.metadata.labels["a"], storage.lost) == ("1", 0)


async def test_a_change_is_not_tried_for_ever() -> None:
    clock = FakeClock()
    storage = _Contended(MemoryStorage(clock))
    client = Clientset(InProcessTransport(build(storage, clock).handlers))
    await client.pods.create(make_pod())
    storage.lost = 1000
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.pods.patch("web", "{}", namespace="default")


def _lease(version: str = "") -> lease_pb2.Lease:
    return lease_pb2.Lease(metadata={"name": "a", "namespace": "default", "resource_version": version})


def _event(version: str = "") -> event_pb2.Event:
    event = event_pb2.Event(metadata={"name": "a", "namespace": "default", "resource_version": version})
    event.involved_object.kind, event.involved_object.namespace = "Pod", "default"
    return event


def _limits(version: str = "") -> limit_range_pb2.LimitRange:
    return limit_range_pb2.LimitRange(
        metadata={"name": "a", "namespace": "default", "resource_version": version}
    )


@pytest.mark.parametrize("version", ["", "128000"])
@pytest.mark.parametrize("make", [_lease, _event, _limits])
async def test_an_update_creates_what_is_not_there_of_kinds_that_allow_it(
    make: Callable[[str], Any], version: str
) -> None:
    api = make_apiserver()
    sent = make(version)
    client: Any = api.client.kind(next(kind for kind in KINDS if kind.message is type(sent)))
    assert (await client.update(sent, dry_run=True)).metadata.name == "a"
    made = await client.update(sent)
    assert made.metadata.uid
    assert await client.get("a", "default") == made
    await client.delete("a", "default")
    sent.metadata.uid = "uid-of-another"
    with pytest.raises(Conflict, match=r"UID in precondition: uid-of-another, UID in object meta: $"):
        await client.update(sent)


async def test_what_is_there_is_not_created_anew_by_an_update() -> None:
    api = make_apiserver()
    await api.client.leases.create(_lease())
    with pytest.raises(Invalid, match="must be specified for an update"):
        await api.client.leases.update(_lease())
    with pytest.raises(Conflict):
        await api.client.leases.update(_lease("1"))


async def test_of_other_kinds_an_update_creates_nothing() -> None:
    kept = {name for name, strategy in STRATEGIES.items() if strategy.allow_create_on_update}
    assert kept == {
        "Lease", "Event", "LimitRange", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Service", "Endpoints",
    }  # fmt: skip
    with pytest.raises(NotFound):
        await make_apiserver().client.pods.update(make_pod())


async def test_kinds_whose_updates_must_say_which_version_they_change() -> None:
    strict = {name for name, strategy in STRATEGIES.items() if not strategy.allow_unconditional_update}
    assert strict == {
        "CSIDriver", "CSINode", "CSIStorageCapacity", "DeviceTaintRule", "Lease", "PodDisruptionBudget", "VolumeAttachment",
    }  # fmt: skip
