"""Creating: what the server decides, what it refuses, and in which words."""

import re
from collections.abc import Callable, Sequence

import pytest

from apiserver.build import build
from apiserver.registry.metadata import ALPHABET, generate_name
from apiserver.storage.interface import Put, PutResult
from apiserver.storage.memory import MemoryStorage
from tests.support.apiserver import Harness
from tests.support.direct import Direct
from vaina.api.core.v1 import config_pb2, namespace_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import timestamp
from vaina.errors import AlreadyExists, BadRequest, Forbidden, Invalid, NotFound, TooLarge
from vaina.testing.builders import make_config_map, make_pod, owner_ref
from vaina.testing.clock import EPOCH, FakeClock


async def test_the_server_decides_uid_times_generation_and_status(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    sent = make_pod(uid="mine", phase="Running", created=1.0, deleted=5.0)
    sent.metadata.generation, sent.metadata.self_link = 7, "/x"
    made = await api.client.pods.create(sent)
    assert made.metadata.uid.startswith("uid-")
    assert made.metadata.uid != "mine"
    assert made.metadata.creation_timestamp == timestamp(EPOCH)
    assert not made.metadata.HasField("deletion_timestamp")
    assert not made.metadata.HasField("deletion_grace_period_seconds")
    assert (made.metadata.generation, made.metadata.self_link) == (1, "")
    assert (made.status.phase, made.status.qos_class) == ("Pending", "BestEffort")
    assert int(made.metadata.resource_version) > 0


async def test_what_is_answered_is_what_is_stored(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    made = await api.client.pods.create(make_pod())
    assert await api.client.pods.get("web", "default") == made


async def test_an_object_without_a_namespace_goes_to_default(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    made = await api.client.pods.create(make_pod(namespace=""))
    assert made.metadata.namespace == "default"


async def test_a_cluster_scoped_object_loses_its_namespace(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    node = await api.node()
    assert node.metadata.namespace == ""


def test_generated_names_are_cut_and_end_in_five_characters() -> None:
    import random

    name = generate_name("a" * 80, random.Random(1))
    assert len(name) == 63
    assert re.fullmatch(f"a{{58}}[{ALPHABET}]{{5}}", name)


async def test_a_generated_name_that_is_taken_is_made_anew(make_apiserver: Callable[..., Harness]) -> None:
    api, same_names = make_apiserver(seed=3), make_apiserver(seed=3)
    sent = make_pod("")
    sent.metadata.generate_name = "web-"
    first = await same_names.client.pods.create(sent)
    await api.client.pods.create(make_pod(first.metadata.name))
    made = await api.client.pods.create(sent)
    assert re.fullmatch(f"web-[{ALPHABET}]{{5}}", made.metadata.name)
    assert made.metadata.name != first.metadata.name


async def test_a_taken_name_is_refused_in_upstreams_words(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    await api.pod()
    with pytest.raises(AlreadyExists, match=r'^pods "web" already exists$'):
        await api.client.pods.create(make_pod())


async def test_a_name_whose_object_is_still_ending_says_so(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    await api.pod(node="node-1")
    await api.client.pods.delete("web", "default")
    with pytest.raises(AlreadyExists, match=r'^object is being deleted: pods "web" already exists$'):
        await api.client.pods.create(make_pod())


async def test_an_object_without_any_name_is_invalid(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    with pytest.raises(Invalid, match=r"metadata.name: Required value: name or generateName is required"):
        await api.client.pods.create(make_pod(""))


async def test_all_violations_come_together(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    pod = make_pod("Bad_Name")
    pod.spec.containers[0].image = ""
    pod.spec.restart_policy = "Sometimes"
    with pytest.raises(Invalid) as caught:
        await api.client.pods.create(pod)
    fields = {cause.field for cause in caught.value.causes}
    assert {"metadata.name", "spec.containers[0].image", "spec.restartPolicy"} <= fields
    assert caught.value.message.startswith('Pod "Bad_Name" is invalid: [')


async def test_an_object_that_exists_cannot_be_created_again_by_its_version(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    with pytest.raises(BadRequest, match="resourceVersion should not be set on objects to be created"):
        await api.client.pods.create(make_pod(resource_version="384"))


async def test_nothing_is_created_in_a_namespace_that_is_not_there(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    with pytest.raises(NotFound, match=r'^namespaces "nowhere" not found$'):
        await api.client.pods.create(make_pod(namespace="nowhere"))


async def test_nothing_is_created_in_a_namespace_that_is_ending(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    await api.client.namespaces.create(_namespace("shop"))
    ending = await api.client.namespaces.delete("shop")
    assert ending.status.phase == "Terminating"
    words = 'pods "web" is forbidden: unable to create new content in namespace shop because it is being terminated'
    with pytest.raises(Forbidden, match=words) as caught:
        await api.client.pods.create(make_pod(namespace="shop"))
    assert caught.value.causes[0].type == "NamespaceTerminating"


async def test_a_dry_run_checks_everything_and_stores_nothing(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    made = await api.client.pods.create(make_pod(), dry_run=True)
    assert (made.metadata.uid != "", made.metadata.resource_version) == (True, "")
    assert (await api.client.pods.list()).items == []
    await api.pod()
    with pytest.raises(AlreadyExists):
        await api.client.pods.create(make_pod(), dry_run=True)


@pytest.mark.requirement("B18")
async def test_who_makes_a_pod_without_a_controller_is_told_that_nothing_will_replace_it(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    await api.pod()
    assert any('Pod "web" has no controller: nothing will replace it' in text for text in api.warnings)


async def test_a_pod_of_a_controller_needs_no_such_warning(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    await api.pod(owner=owner_ref("ReplicaSet", "web", "uid-rs"))
    assert not any("no controller" in text for text in api.warnings)


async def test_an_object_larger_than_etcd_takes_is_refused(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    node = config_pb2.ConfigMap(data={f"k{i}": "x" * 100_000 for i in range(10)})
    node.metadata.name = "large"
    node.metadata.annotations["a"] = "y" * 200_000
    for index in range(30):
        node.metadata.owner_references.add(api_version="v1", kind="K" * 16_000, name="n", uid=f"u{index}")
    with pytest.raises((TooLarge, Invalid), match=r"Request entity too large: limit is 1572864|Too long"):
        await api.client.config_maps.create(node)


async def test_a_gated_pod_says_so_in_its_conditions(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    pod = make_pod()
    pod.spec.scheduling_gates.add(name="example.com/wait")
    made = await api.client.pods.create(pod)
    condition = made.status.conditions[0]
    assert (condition.type, condition.status, condition.reason) == (
        "PodScheduled",
        "False",
        "SchedulingGated",
    )


async def test_the_text_of_a_secret_is_stored_as_data(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    secret = config_pb2.Secret(string_data={"user": "ana"}, data={"user": b"old", "key": b"k"})
    secret.metadata.name = "s"
    made = await api.client.secrets.create(secret)
    assert (dict(made.data), dict(made.string_data)) == ({"user": b"ana", "key": b"k"}, {})


async def test_the_namespaces_of_the_system_are_there_when_they_are_needed(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    await api.pod()
    await api.app.bootstrap()
    names = {item.metadata.name for item in (await api.client.namespaces.list()).items}
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}


async def test_a_new_namespace_is_active_labelled_and_held(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    made = await api.client.namespaces.create(_namespace("shop"))
    assert (made.status.phase, list(made.spec.finalizers)) == ("Active", ["kubernetes"])
    assert made.metadata.labels["kubernetes.io/metadata.name"] == "shop"


@pytest.mark.parametrize(
    ("class_name", "priority"),
    [("", 0), ("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)],
)
async def test_a_pods_priority_is_that_of_its_class(
    make_apiserver: Callable[..., Harness], class_name: str, priority: int
) -> None:
    api = make_apiserver()
    pod = make_pod()
    pod.spec.priority_class_name = class_name
    made = await api.client.pods.create(pod)
    assert (made.spec.priority, made.spec.preemption_policy) == (priority, "PreemptLowerPriority")


async def test_an_unknown_priority_class_is_forbidden(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    pod = make_pod()
    pod.spec.priority_class_name = "gold"
    with pytest.raises(Forbidden, match="no PriorityClass with name gold was found"):
        await api.client.pods.create(pod)


def _namespace(name: str) -> namespace_pb2.Namespace:
    namespace = namespace_pb2.Namespace()
    namespace.metadata.name = name
    return namespace


async def test_a_kubelet_registers_its_node_together_with_its_status(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    node = await api.node()
    assert node.status.capacity["cpu"].string == "4"
    assert [condition.type for condition in node.status.conditions] == ["Ready"]


class _EndsMeanwhile(Direct):
    """A storage where a namespace begins to end while a ConfigMap is on its way."""

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        if puts[0].type_meta[1] == "ConfigMap":
            await self.client.namespaces.delete("shop")
        return await self._storage.put_all(puts)

    def __init__(self, storage: MemoryStorage, clock: FakeClock) -> None:
        super().__init__(storage)
        del self.__dict__["put_all"]
        self.client = Clientset(InProcessTransport(build(self, clock).handlers))


async def test_what_is_created_while_its_namespace_begins_to_end_is_taken_back() -> None:
    clock = FakeClock()
    storage = _EndsMeanwhile(MemoryStorage(clock), clock)
    client = storage.client
    await client.namespaces.create(namespace_pb2.Namespace(metadata={"name": "shop"}))
    with pytest.raises(Forbidden, match="because it is being terminated"):
        await client.config_maps.create(make_config_map("late", "shop"))
    assert (await client.config_maps.list("shop")).items == []
