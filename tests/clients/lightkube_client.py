"""lightkube: typed objects of its own models. It has exec and logs, and neither attach nor port-forward."""

import asyncio
from io import BytesIO

import cases
from cases import LARGE, World, raised
from lightkube import ApiError, AsyncClient, Client, KubeConfig, codecs
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.operators import in_, not_equal
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import CascadeType, PatchType


def connect(world: World, **more: str) -> Client:
    return Client(KubeConfig.from_file(world.kubeconfig), namespace=world.namespace, **more)


def made(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels={"app": "light"}), data=data)


def objects_are_created_read_replaced_and_deleted(world: World) -> None:
    client = connect(world)
    first = client.create(made("typed", a="1"))
    assert first.metadata.uid
    assert raised(ApiError, lambda: client.create(made("typed"))).status.reason == "AlreadyExists"
    read = client.get(ConfigMap, "typed")
    read.data = {"a": "2"}
    assert client.replace(read).data == {"a": "2"}
    first.data = {"a": "3"}
    assert raised(ApiError, lambda: client.replace(first)).status.reason == "Conflict"
    assert client.create(made("dry"), dry_run=True).metadata.name == "dry"
    assert raised(ApiError, lambda: client.get(ConfigMap, "dry")).status.code == 404
    client.delete(ConfigMap, "typed", cascade=CascadeType.BACKGROUND)
    gone = raised(ApiError, lambda: client.get(ConfigMap, "typed")).status
    assert (gone.reason, gone.message) == ("NotFound", 'configmaps "typed" not found')
    wrong = Pod(metadata=ObjectMeta(name="wrong"), spec=PodSpec(containers=[]))
    assert raised(ApiError, lambda: client.create(wrong)).status.details.causes[0].field == "spec.containers"


def collections_are_listed_in_pages_by_selectors_and_deleted(world: World) -> None:
    client = connect(world)
    for number in range(7):
        client.create(made(f"page-{number}"))
    listed = client.list(ConfigMap, chunk_size=3, labels={"app": in_(["light", "other"])})
    assert [each.metadata.name for each in listed] == [f"page-{number}" for number in range(7)]
    assert listed.resourceVersion
    fields = {"metadata.name": not_equal("page-3"), "metadata.namespace": world.namespace}
    assert len(list(client.list(ConfigMap, namespace="*", labels={"app": "light"}, fields=fields))) == 6
    client.deletecollection(ConfigMap)
    assert list(client.list(ConfigMap, labels={"app": "light"})) == []


def patches_of_four_types(world: World) -> None:
    client = connect(world, field_manager="light")
    [pod] = codecs.load_all_yaml(codecs.dump_all_yaml([Pod.from_dict(cases.pod("patched"))]))
    client.create(pod)
    body = {"spec": {"containers": [{"name": "main", "image": "busybox:1.37"}]}}
    [container] = client.patch(Pod, "patched", body, patch_type=PatchType.STRATEGIC).spec.containers
    assert (container.image, container.env[0].value) == ("busybox:1.37", "1")
    merge = {"metadata": {"labels": {"b": "2", "app": None}}}
    assert client.patch(Pod, "patched", merge, patch_type=PatchType.MERGE).metadata.labels == {"b": "2"}
    operations = [{"op": "replace", "path": "/metadata/labels/b", "value": "3"}]
    assert client.patch(Pod, "patched", operations, patch_type=PatchType.JSON).metadata.labels == {"b": "3"}
    set_ = client.set(Pod, "patched", labels={"b": None, "c": "4"}, annotations={"d": "5"}).metadata
    assert (set_.labels, set_.annotations) == ({"c": "4"}, {"d": "5"})
    client.delete(Pod, "patched", grace_period=0)
    assert client.apply(made("applied", a="1")).metadata.managedFields[0].manager == "light"
    conflict = raised(ApiError, lambda: client.apply(made("applied", a="2"), field_manager="other"))
    assert (conflict.status.code, conflict.status.details.causes[0].reason) == (409, "FieldManagerConflict")
    assert client.apply(made("applied", a="2"), field_manager="other", force=True).data == {"a": "2"}
    client.delete(ConfigMap, "applied")


def watches_begin_with_what_is_there_and_go_on(world: World) -> None:
    client, seen = connect(world), []
    client.create(made("watched", a="1"))
    for kind, found in client.watch(ConfigMap, fields={"metadata.name": "watched"}, server_timeout=30):
        seen.append((kind, found.data))
        if kind == "ADDED":
            client.patch(ConfigMap, "watched", {"data": {"a": "2"}})
        elif kind == "MODIFIED":
            client.delete(ConfigMap, "watched")
        else:
            break
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})], seen


def sub_resources_and_generic_resources(world: World) -> None:
    client = connect(world)
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": "scaled"}),
        spec=PodSpec(containers=[Container(name="main", image="busybox")]),
    )
    spec = DeploymentSpec(
        selector=LabelSelector(matchLabels={"app": "scaled"}), template=template, replicas=1
    )
    client.create(Deployment(metadata=ObjectMeta(name="scaled"), spec=spec))
    scale = client.get(Deployment.Scale, "scaled")
    scale.spec = ScaleSpec(replicas=3)
    assert client.replace(scale, "scaled").spec.replicas == 3
    told = {"status": {"conditions": [{"type": "Available", "status": "True", "reason": "Test"}]}}
    client.patch(Deployment.Status, "scaled", told, patch_type=PatchType.MERGE)
    waited = client.wait(Deployment, "scaled", for_conditions=["Available"])
    assert waited.spec.replicas == 3
    generic = create_namespaced_resource("apps", "v1", "Deployment", "deployments")
    assert client.get(generic, "scaled").spec["replicas"] == 3
    client.delete(generic, "scaled")


def the_client_on_asyncio(world: World) -> None:
    async def use() -> None:
        client = AsyncClient(KubeConfig.from_file(world.kubeconfig), namespace=world.namespace)
        await client.create(made("asynchronous"))
        assert "asynchronous" in [each.metadata.name async for each in client.list(ConfigMap)]
        async for kind, _ in client.watch(ConfigMap, fields={"metadata.name": "asynchronous"}):
            assert kind == "ADDED"
            break
        await client.delete(ConfigMap, "asynchronous")
        await client.close()

    asyncio.run(use())


def logs_are_read_and_followed(world: World) -> None:
    client = connect(world)
    client.create(Pod.from_dict(cases.pod("light", cases.serving(world.image), cases.listening(world.image))))
    client.wait(Pod, "light", for_conditions=["Ready"])
    assert list(client.log("light", container="main")) == ["one\n", "two\n"]
    assert list(client.log("light", container="main", tail_lines=1, newlines=False)) == ["two"]
    followed = client.log("light", container="main", follow=True)
    assert [next(followed), next(followed)] == ["one\n", "two\n"]
    unnamed = raised(ApiError, lambda: client.log("light"))
    assert "choose one of: [main ear]" in unnamed.status.message


def commands_are_run(world: World) -> None:
    client = connect(world)
    said = client.exec(
        "light",
        container="main",
        command=["sh", "-c", "echo out; echo wrong >&2; exit 3"],
        stdout=True,
        stderr=True,
    )
    assert said == ("out\n", "wrong\n", 3), said
    said = client.exec("light", container="main", command=["cat"], stdin="text", stdout=True)
    assert (said.stdout, said.exit_code) == ("text", 0)
    out = BytesIO()
    client.exec(
        "light", container="main", command="cat", stdin=BytesIO(LARGE.encode()), stdout=out, timeout=60
    )
    assert out.getvalue() == LARGE.encode()
    raised(ApiError, lambda: client.exec("light", container="main", command="false", raise_on_error=True))
    raised(Exception, lambda: client.exec("nope", command="true"))


def commands_are_run_on_asyncio_and_the_end(world: World) -> None:
    async def use() -> None:
        client = AsyncClient(KubeConfig.from_file(world.kubeconfig), namespace=world.namespace)
        said = await client.exec(
            "light", container="main", command=["tr", "a-z", "A-Z"], stdin="text", stdout=True
        )
        assert (said.stdout, said.exit_code) == ("TEXT", 0)
        before = (await client.get(Pod, "light")).metadata.resourceVersion
        await client.delete(Pod, "light", grace_period=1)
        # From before: a watch of what is there may begin when it has gone.
        async for kind, _ in client.watch(Pod, fields={"metadata.name": "light"}, resource_version=before):
            if kind == "DELETED":
                break
        await client.close()

    asyncio.run(use())


if __name__ == "__main__":
    cases.main(
        [
            objects_are_created_read_replaced_and_deleted, collections_are_listed_in_pages_by_selectors_and_deleted,
            patches_of_four_types, watches_begin_with_what_is_there_and_go_on, sub_resources_and_generic_resources,
            the_client_on_asyncio,
        ],
        [logs_are_read_and_followed, commands_are_run, commands_are_run_on_asyncio_and_the_end],
    )  # fmt: skip
