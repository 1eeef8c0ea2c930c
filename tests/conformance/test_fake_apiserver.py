"""One spec of what a controller can notice of an apiserver, run against the real one and against the
library's fake.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from tests.support.apiserver import make_apiserver
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.verbs import binding
from vaina.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Invalid,
    NotFound,
    Timeout,
    is_version_too_large,
)
from vaina.testing.apiserver import FakeApiserver
from vaina.testing.builders import make_config_map, make_deployment, make_node, make_pod, make_replica_set
from vaina.testing.clock import FakeClock, settle


@dataclass
class Subject:
    client: Clientset
    clock: FakeClock


@pytest.fixture(params=["real", "fake"])
async def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        clock = FakeClock()
        return Subject(FakeApiserver(clock).client(), clock)
    server = make_apiserver()
    await server.app.bootstrap()
    return Subject(server.client, server.clock)


@pytest.fixture
def client(subject: Subject) -> Clientset:
    return subject.client


def config_map(name: str = "a", **data: str) -> config_pb2.ConfigMap:
    made = make_config_map(name, data=data)
    made.metadata.ClearField("uid")
    made.metadata.ClearField("creation_timestamp")
    return made


def pod(name: str = "web", **kwargs) -> pod_pb2.Pod:
    made = make_pod(name, **kwargs)
    made.metadata.ClearField("uid")
    return made


class Watch:
    """Reads a watch in the background."""

    def __init__(self, stream) -> None:
        self._stream, self.events = stream, []

    async def run(self) -> None:
        async with aclosing(self._stream) as batches:
            async for batch in batches:
                self.events += [(event.type, event.object.metadata.name) for event in batch.events]


async def watched(stream, *acts) -> list[tuple[str, str]]:
    """Open a watch, do things, and return its events without bookmarks in between."""
    watch = Watch(stream)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.run())
        await settle(100)
        for act in acts:
            await act
            await settle(100)
        task.cancel()
    return watch.events


async def test_what_is_created_has_a_uid_a_version_and_a_time(client: Clientset) -> None:
    made = await client.config_maps.create(config_map(x="1"))
    assert made.metadata.uid
    assert int(made.metadata.resource_version) > 0
    assert made.metadata.HasField("creation_timestamp")
    assert await client.config_maps.get("a", "default") == made


async def test_a_name_is_taken_once(client: Clientset) -> None:
    await client.config_maps.create(config_map())
    with pytest.raises(AlreadyExists, match=r'^configmaps "a" already exists$') as caught:
        await client.config_maps.create(config_map())
    assert (caught.value.kind, caught.value.name) == ("configmaps", "a")


async def test_a_name_can_be_generated_and_each_is_another(client: Clientset) -> None:
    template = config_map()
    template.metadata.name, template.metadata.generate_name = "", "team-"
    names = {(await client.config_maps.create(template)).metadata.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("team-") and len(name) == 10 for name in names)


async def test_what_is_not_there_is_not_found(client: Clientset) -> None:
    for call in (
        client.config_maps.get("a", "default"),
        client.config_maps.update(config_map()),
        client.config_maps.delete("a", "default"),
    ):
        with pytest.raises(NotFound, match=r'^configmaps "a" not found$'):
            await call


async def test_of_two_updates_from_one_version_the_second_conflicts(client: Clientset) -> None:
    made = await client.config_maps.create(config_map())
    made.data["x"] = "1"
    await client.config_maps.update(made)
    made.data["x"] = "2"
    with pytest.raises(Conflict, match="the object has been modified; please apply your changes") as caught:
        await client.config_maps.update(made)
    assert caught.value.message.startswith('Operation cannot be fulfilled on configmaps "a": ')
    assert (await client.config_maps.get("a", "default")).data["x"] == "1"


async def test_an_update_without_a_version_wins_but_not_over_another_uid(client: Clientset) -> None:
    made = await client.config_maps.create(config_map())
    unversioned = config_map(x="1")
    assert (await client.config_maps.update(unversioned)).metadata.uid == made.metadata.uid
    unversioned.metadata.uid = "another"
    with pytest.raises(
        Conflict, match="UID in precondition: another, UID in object meta: " + made.metadata.uid
    ):
        await client.config_maps.update(unversioned)


async def test_a_lease_is_never_updated_without_a_version(client: Clientset) -> None:
    lease = await client.leases.create(_lease())
    lease.metadata.ClearField("resource_version")
    with pytest.raises(Invalid, match="must be specified for an update"):
        await client.leases.update(lease)


def _lease():
    lease = lease_pb2.Lease()
    lease.metadata.name, lease.metadata.namespace = "a", "default"
    lease.spec.holder_identity = "me"
    return lease


async def test_an_update_that_changes_nothing_is_no_event_and_no_version(client: Clientset) -> None:
    made = await client.config_maps.create(config_map(x="1"))
    assert (await client.config_maps.update(made)).metadata.resource_version == made.metadata.resource_version


async def test_generation_counts_changes_of_the_spec_alone(client: Clientset) -> None:
    made = await client.replica_sets.create(make_replica_set("web", replicas=1))
    assert made.metadata.generation == 1
    made.metadata.labels["x"] = "1"
    made = await client.replica_sets.update(made)
    assert made.metadata.generation == 1
    made.spec.replicas = 2
    made = await client.replica_sets.update(made)
    assert made.metadata.generation == 2
    made.status.replicas = 2
    made = await client.replica_sets.update_status(made)
    assert (made.metadata.generation, made.status.replicas) == (2, 2)


async def test_an_update_leaves_the_status_and_a_status_leaves_the_spec(client: Clientset) -> None:
    made = await client.replica_sets.create(make_replica_set("web", replicas=1))
    made.status.replicas, made.spec.replicas = 7, 3
    made = await client.replica_sets.update(made)
    assert (made.spec.replicas, made.status.replicas) == (3, 0)
    made.status.replicas, made.spec.replicas = 3, 9
    made = await client.replica_sets.update_status(made)
    assert (made.spec.replicas, made.status.replicas) == (3, 3)


async def test_a_status_brings_its_metadata_but_for_what_the_kind_keeps(client: Clientset) -> None:
    made = make_deployment("web")
    made.metadata.ClearField("uid")
    made.metadata.labels["stored"] = "yes"
    made = await client.deployments.create(made)
    made.metadata.annotations["deployment.kubernetes.io/revision"] = "1"
    made.metadata.labels["sent"] = "yes"
    told = await client.deployments.update_status(made)
    assert dict(told.metadata.annotations) == {"deployment.kubernetes.io/revision": "1"}
    assert (dict(told.metadata.labels), told.metadata.generation) == ({"stored": "yes"}, 1)
    told.metadata.annotations["example.com/a"] = "b"
    assert (await client.deployments.update(told)).metadata.generation == 2


async def test_a_masked_status_writes_its_fields_and_merges_conditions(client: Clientset) -> None:
    await client.pods.create(pod())
    first = pod()
    first.status.ClearField("conditions")
    first.status.phase, first.status.pod_ip = "Running", "10.0.0.9"
    first.status.conditions.add(type="Ready", status="True")
    await client.pods.update_status(first, mask=("phase", "conditions"))
    second = pod()
    second.status.conditions.add(type="PodScheduled", status="False", reason="Unschedulable")
    found = await client.pods.update_status(second, mask=("conditions",))
    assert (found.status.phase, found.status.pod_ip) == ("Running", "")
    assert {condition.type for condition in found.status.conditions} == {"Ready", "PodScheduled"}
    third = pod()
    third.status.conditions.add(type="Ready")
    found = await client.pods.update_status(third, mask=("conditions",))
    assert [condition.type for condition in found.status.conditions] == ["PodScheduled"]


MERGE, JSON = "application/merge-patch+json", "application/json-patch+json"


@pytest.mark.parametrize(
    ("patch", "patch_type", "want"),
    [
        ('{"data":{"x":null,"y":"2"}}', "", {"y": "2"}),
        ('{"data":{"x":null,"y":"2"}}', MERGE, {"y": "2"}),
        ('[{"op":"test","path":"/data/x","value":"1"},{"op":"add","path":"/data/y","value":"2"}]', JSON, {"x": "1", "y": "2"}),
        ("{}", MERGE, {"x": "1"}),
    ],
)  # fmt: skip
async def test_a_patch_changes_what_it_names(
    client: Clientset, patch: str, patch_type: str, want: dict[str, str]
) -> None:
    made = await client.config_maps.create(config_map(x="1"))
    kwargs = {"patch_type": patch_type} if patch_type else {}
    changed = await client.config_maps.patch("a", patch, namespace="default", **kwargs)
    assert (dict(changed.data), changed.metadata.uid) == (want, made.metadata.uid)
    assert await client.config_maps.get("a", "default") == changed
    assert (changed.metadata.resource_version == made.metadata.resource_version) is (want == {"x": "1"})


@pytest.mark.parametrize(
    ("patch", "patch_type", "error"),
    [
        ("{", MERGE, BadRequest),
        ("[]", MERGE, BadRequest),
        ("{}", "text/plain", BadRequest),
        ('{"data":{"x":{"y":1}}}', MERGE, BadRequest),
        ('{"metadata":{"name":"other"}}', MERGE, BadRequest),
        ('{"metadata":{"namespace":"other"}}', MERGE, BadRequest),
        ('[{"op":"test","path":"/data/x","value":"2"}]', JSON, Invalid),
        ('{"metadata":{"resourceVersion":"1"}}', MERGE, Conflict),
        ('{"metadata":{"uid":"another"}}', MERGE, Conflict),
    ],
)
async def test_a_patch_that_does_not_fit_is_refused_in_the_same_words(
    client: Clientset, patch: str, patch_type: str, error: type[ApiError]
) -> None:
    made = await client.config_maps.create(config_map(x="1"))
    with pytest.raises(error) as caught:
        await client.config_maps.patch("a", patch, namespace="default", patch_type=patch_type)
    other, words = make_apiserver(), caught.value.message
    await other.app.bootstrap()
    there = (await other.client.config_maps.create(config_map(x="1"))).metadata.uid
    with pytest.raises(error) as real:
        await other.client.config_maps.patch("a", patch, namespace="default", patch_type=patch_type)
    assert words.replace(made.metadata.uid, "UID") == real.value.message.replace(there, "UID")
    assert await client.config_maps.get("a", "default") == made


async def test_an_unknown_field_of_a_patch_is_an_error_only_when_asked(client: Clientset) -> None:
    await client.config_maps.create(config_map(x="1"))
    patch = '{"colour":"red","data":{"x":"2"}}'
    with pytest.raises(BadRequest, match='unknown field "colour"'):
        await client.config_maps.patch("a", patch, namespace="default", field_validation="Strict")
    assert (await client.config_maps.patch("a", patch, namespace="default")).data["x"] == "2"


async def test_a_patch_of_a_status_leaves_the_spec_and_the_other_way_about(client: Clientset) -> None:
    await client.replica_sets.create(make_replica_set("web", replicas=1))
    patch = '{"spec":{"replicas":3},"status":{"replicas":2}}'
    found = await client.replica_sets.patch("web", patch, namespace="default", subresource="status")
    assert (found.spec.replicas, found.status.replicas, found.metadata.generation) == (1, 2, 1)
    found = await client.replica_sets.patch("web", patch.replace("2", "9"), namespace="default")
    assert (found.spec.replicas, found.status.replicas, found.metadata.generation) == (3, 2, 2)


async def test_a_patch_lets_the_last_finalizer_go_and_a_dry_one_does_not(client: Clientset) -> None:
    held = config_map()
    held.metadata.finalizers.append("vaina.dev/test")
    await client.config_maps.create(held)
    await client.config_maps.delete("a", "default")
    patch = '{"metadata":{"finalizers":null}}'
    await client.config_maps.patch("a", patch, namespace="default", patch_type=MERGE, dry_run=True)
    await client.config_maps.patch("a", patch, namespace="default", patch_type=MERGE)
    with pytest.raises(NotFound, match=r'^configmaps "a" not found$'):
        await client.config_maps.patch("a", patch, namespace="default", patch_type=MERGE)


async def test_lists_are_in_order_and_selected_by_labels_and_fields(client: Clientset) -> None:
    for name, app, node in (("b", "x", "n1"), ("a", "x", ""), ("c", "y", "n1")):
        await client.pods.create(pod(name, labels={"app": app}, node=node))

    async def names(**selection: str) -> list[str]:
        return [item.metadata.name for item in (await client.pods.list("default", **selection)).items]

    assert await names() == ["a", "b", "c"]
    assert await names(label_selector="app in (x)") == ["a", "b"]
    assert await names(field_selector="spec.nodeName=n1") == ["b", "c"]
    assert await names(label_selector="app=x", field_selector="spec.nodeName!=") == ["b"]
    with pytest.raises(BadRequest):
        await names(label_selector="!!")


async def test_a_list_comes_in_pages(client: Clientset) -> None:
    for number in range(5):
        await client.config_maps.create(config_map(f"m{number}"))
    first = await client.config_maps.list_page("default", limit=2)
    assert [item.metadata.name for item in first.items] == ["m0", "m1"]
    rest = await client.config_maps.list_page("default", limit=10, continue_token=first.continue_token)
    assert [item.metadata.name for item in rest.items] == ["m2", "m3", "m4"]
    assert not rest.continue_token
    assert len((await client.config_maps.list("default", page=2)).items) == 5


async def test_a_watch_shows_what_is_there_then_the_mark_then_what_happens(client: Clientset) -> None:
    await client.config_maps.create(config_map("a"))
    events = await watched(
        client.config_maps.watch("default", send_initial_events=True),
        client.config_maps.create(config_map("b")),
        client.config_maps.update(config_map("b", x="1")),
        client.config_maps.delete("a", "default"),
    )
    assert events == [
        ("ADDED", "a"), ("BOOKMARK", ""), ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a"),
    ]  # fmt: skip


async def test_a_watch_goes_on_after_the_version_it_names(client: Clientset) -> None:
    made = await client.config_maps.create(config_map("a"))
    await client.config_maps.create(config_map("b"))
    events = await watched(
        client.config_maps.watch("default", resource_version=made.metadata.resource_version)
    )
    assert [event for event in events if event[0] != "BOOKMARK"] == [("ADDED", "b")]


async def test_a_version_that_is_not_there_yet_is_refused_in_a_way_that_a_reflector_knows(
    client: Clientset,
) -> None:
    made = await client.config_maps.create(config_map("a"))
    ahead = str(int(made.metadata.resource_version) + 100_000)
    stream = client.config_maps.watch("default", resource_version=ahead)
    with pytest.raises(Timeout, match=f"^Too large resource version: {ahead}, current: ") as caught:
        async with asyncio.timeout(60):
            await anext(stream)
    assert is_version_too_large(caught.value)


async def test_a_dry_run_answers_as_if_and_leaves_nothing(client: Clientset) -> None:
    made = await client.config_maps.create(config_map("a"), dry_run=True)
    assert made.metadata.name == "a"
    with pytest.raises(NotFound):
        await client.config_maps.get("a", "default")
    await client.config_maps.create(config_map("a"))
    await client.config_maps.update(config_map("a", x="1"), dry_run=True)
    await client.config_maps.delete("a", "default", dry_run=True)
    assert not (await client.config_maps.get("a", "default")).data


async def test_a_status_that_comes_with_a_new_object_is_not_kept(client: Clientset) -> None:
    sent = make_replica_set("web", replicas=1)
    sent.status.replicas = 7
    assert (await client.replica_sets.create(sent)).status.replicas == 0


async def test_what_leaves_a_selection_is_deleted_and_what_enters_it_is_added(client: Clientset) -> None:
    async def label(value: str) -> None:
        changed = config_map("a")
        changed.metadata.labels["team"] = value
        await client.config_maps.update(changed)

    await client.config_maps.create(config_map("a"))
    version = (await client.config_maps.list("default")).resource_version
    events = await watched(
        client.config_maps.watch("default", label_selector="team=blue", resource_version=version),
        label("blue"), label("red"), label("blue"),
    )  # fmt: skip
    assert [event for event in events if event[0] != "BOOKMARK"] == [
        ("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"),
    ]  # fmt: skip


async def test_a_deletion_waits_for_finalizers_and_for_nothing_else(client: Clientset) -> None:
    held = config_map()
    held.metadata.finalizers.append("vaina.dev/test")
    await client.config_maps.create(held)
    ending = await client.config_maps.delete("a", "default")
    assert ending.metadata.HasField("deletion_timestamp")
    ending.metadata.ClearField("finalizers")
    await client.config_maps.update(ending)
    with pytest.raises(NotFound):
        await client.config_maps.get("a", "default")


async def test_preconditions_of_a_deletion_hold(client: Clientset) -> None:
    made = await client.config_maps.create(config_map())
    with pytest.raises(Conflict, match=r"the UID in the precondition \(another\) does not match"):
        await client.config_maps.delete("a", "default", uid="another")
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\) does not match"):
        await client.config_maps.delete("a", "default", resource_version="1")
    await client.config_maps.delete(
        "a", "default", uid=made.metadata.uid, resource_version=made.metadata.resource_version
    )


async def test_a_pod_on_a_node_ends_gracefully_and_another_at_once(client: Clientset) -> None:
    await client.pods.create(pod("placed", node="n1"))
    await client.pods.create(pod("waiting"))
    ending = await client.pods.delete("placed", "default")
    assert ending.metadata.deletion_grace_period_seconds == 30
    await client.pods.delete("waiting", "default")
    assert [item.metadata.name for item in (await client.pods.list("default")).items] == ["placed"]
    await client.pods.delete("placed", "default", grace_period_seconds=0)
    assert not (await client.pods.list("default")).items


async def test_a_collection_is_deleted_by_selector(client: Clientset) -> None:
    for name, app in (("a", "x"), ("b", "y"), ("c", "x")):
        await client.pods.create(pod(name, labels={"app": app}))
    assert await client.pods.delete_collection("default", label_selector="app=x") == 2
    assert [item.metadata.name for item in (await client.pods.list("default")).items] == ["b"]


async def test_a_pod_is_bound_once(client: Clientset) -> None:
    made = await client.pods.create(pod())
    with pytest.raises(NotFound, match='nodes "n1" not found'):
        await client.pods.bind("web", namespace="default", uid=made.metadata.uid, node="n1")
    await client.nodes.create(make_node("n1"))
    with pytest.raises(Conflict):
        await client.pods.bind("web", namespace="default", uid="another", node="n1")
    await client.pods.bind("web", namespace="default", uid=made.metadata.uid, node="n1")
    found = await client.pods.get("web", "default")
    assert found.spec.node_name == "n1"
    assert [(item.type, item.status) for item in found.status.conditions] == [("PodScheduled", "True")]
    with pytest.raises(Conflict, match="already assigned to node"):
        await client.pods.bind("web", namespace="default", uid="", node="n1")


async def test_a_batch_answers_for_each_item(client: Clientset) -> None:
    await client.nodes.create(make_node("n1"))
    await client.pods.create(pod("taken"))
    made, refused = await client.pods.create_batch([pod("new"), pod("taken")])
    assert not isinstance(made, ApiError)
    assert made.metadata.uid
    assert isinstance(refused, AlreadyExists)
    results = await client.pods.bind_batch([_binding("new", made.metadata.uid), _binding("absent", "")])
    assert results[0] is None
    assert isinstance(results[1], NotFound)


def _binding(name: str, uid: str) -> pod_pb2.Binding:
    return binding("default", name, uid, "n1")


async def test_kinds_without_a_namespace_have_none(client: Clientset) -> None:
    await client.nodes.create(make_node("n1"))
    found = await client.nodes.get("n1")
    assert found.metadata.namespace == ""
    assert [item.metadata.name for item in (await client.nodes.list()).items] == ["n1"]


async def test_versions_grow_over_all_kinds(client: Clientset) -> None:
    versions = [
        int((await client.config_maps.create(config_map("a"))).metadata.resource_version),
        int((await client.pods.create(pod())).metadata.resource_version),
        int((await client.config_maps.update(config_map("a", x="1"))).metadata.resource_version),
    ]
    assert versions == sorted(set(versions))


async def test_a_scale_is_read_set_and_patched(client: Clientset) -> None:
    made = await client.replica_sets.create(make_replica_set("web", replicas=2))
    scale = await client.replica_sets.get_scale("web", "default")
    assert (scale.metadata.uid, scale.spec.replicas, scale.status.selector) == (
        made.metadata.uid,
        2,
        "app=web",
    )
    scale.spec.replicas = 3
    assert (await client.replica_sets.update_scale(scale)).spec.replicas == 3
    with pytest.raises(Conflict):
        await client.replica_sets.update_scale(scale)
    patched = await client.replica_sets.patch_scale("web", '{"spec":{"replicas":4}}', namespace="default")
    found = await client.replica_sets.get("web", "default", subresource="status")
    assert (patched.spec.replicas, found.spec.replicas, found.metadata.generation) == (4, 4, 3)
    tried = await client.replica_sets.patch_scale(
        "web", '{"spec":{"replicas":9}}', namespace="default", dry_run=True
    )
    assert (tried.spec.replicas, await client.replica_sets.get("web", "default")) == (9, found)
    with pytest.raises(Invalid):
        await client.replica_sets.patch_scale("web", '{"spec":{"replicas":-1}}', namespace="default")
    with pytest.raises(NotFound):
        await client.config_maps.get("web", "default", subresource="status")
