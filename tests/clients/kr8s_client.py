"""kr8s: objects that have the verbs. It has no attach, and its exec (of protocol v4) takes no input."""

import asyncio
import tempfile
import traceback
from pathlib import Path
from typing import Any

import cases
import kr8s
import kr8s.asyncio
import yaml
from cases import LARGE, World, page, raised
from kr8s.asyncio.objects import ConfigMap as AsyncConfigMap
from kr8s.asyncio.objects import Deployment as AsyncDeployment
from kr8s.asyncio.objects import Pod as AsyncPod
from kr8s.objects import ConfigMap, Deployment, Node, Pod, Table, objects_from_files


def connect(world: World) -> Any:
    return kr8s.api(kubeconfig=world.kubeconfig, namespace=world.namespace)


def config_map(api: Any, name: str, **data: str) -> ConfigMap:
    manifest = cases.config_map(name, **data)
    manifest["metadata"]["labels"] = {"app": "kr8s"}
    return ConfigMap(manifest, namespace=api.namespace, api=api)


def code(error: kr8s.ServerError) -> tuple[int, str]:
    return error.response.status_code, error.response.json()["reason"]


def objects_are_created_read_and_deleted(world: World) -> None:
    api = connect(world)
    made = config_map(api, "typed", a="1")
    assert not made.exists()
    made.create()
    assert made.metadata.uid
    assert code(raised(kr8s.ServerError, config_map(api, "typed").create)) == (409, "AlreadyExists")
    read = ConfigMap.get("typed", namespace=world.namespace, api=api)
    assert read.data == {"a": "1"}
    made.delete(propagation_policy="Background")
    assert not made.exists()
    raised(kr8s.NotFoundError, made.refresh)
    raised(kr8s.NotFoundError, lambda: ConfigMap.get("typed", namespace=world.namespace, api=api))
    wrong = Pod(cases.pod("wrong") | {"spec": {"containers": []}}, namespace=world.namespace, api=api)
    refused = code(raised(kr8s.ServerError, wrong.create))
    assert refused == (422, "Invalid"), refused


def collections_are_listed_in_pages_and_by_selectors(world: World) -> None:
    api = connect(world)
    # It asks for a hundred at a time.
    for number in range(101):
        config_map(api, f"page-{number:03}").create()
    listed = list(api.get("configmaps", namespace=world.namespace, label_selector={"app": "kr8s"}))
    assert [each.name for each in listed] == [f"page-{number:03}" for number in range(101)]
    everywhere = list(api.get("cm", namespace=kr8s.ALL, field_selector="metadata.name=page-007"))
    assert [each.namespace for each in everywhere] == [world.namespace]
    [table] = api.get("configmaps", namespace=world.namespace, as_object=Table)
    assert [each["name"] for each in table.column_definitions] == ["Name", "Data", "Age"]
    for each in listed:
        each.delete()
    assert list(api.get("configmaps", namespace=world.namespace, label_selector="app=kr8s")) == []


def patches_labels_and_annotations(world: World) -> None:
    api = connect(world)
    made = config_map(api, "patched", a="1")
    made.create()
    made.patch({"data": {"b": "2"}})
    assert made.data == {"a": "1", "b": "2"}
    made.patch([{"op": "remove", "path": "/data/a"}], type="json")
    assert made.data == {"b": "2"}
    made.label(c="3")
    made.annotate(d="4")
    made.remove_label("app")
    made.refresh()
    assert (made.labels, made.annotations) == ({"c": "3"}, {"d": "4"})
    made.delete()


def watches_begin_with_what_is_there_and_go_on(world: World) -> None:
    api, seen = connect(world), []
    config_map(api, "watched", a="1").create()
    for kind, found in api.watch(
        "configmaps", namespace=world.namespace, field_selector="metadata.name=watched"
    ):
        seen.append((kind, dict(found.data)))
        if kind == "ADDED":
            found.patch({"data": {"a": "2"}})
        elif kind == "MODIFIED":
            found.delete()
        else:
            break
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})], seen


def conditions_scale_and_nodes(world: World) -> None:
    api = connect(world)
    made = Deployment(cases.deployment("scaled"), namespace=world.namespace, api=api)
    made.create()
    made.scale(3)
    assert made.replicas == 3
    told = {"status": {"conditions": [{"type": "Available", "status": "True", "reason": "Test"}]}}
    made.patch(told, subresource="status")
    made.wait("condition=Available", timeout=30)
    made.wait("jsonpath='{.spec.replicas}'=3", timeout=30)
    made.delete(propagation_policy="Orphan")
    node = Node(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-of-{world.namespace}"}}, api=api
    )
    node.create()
    node.cordon()
    assert node.unschedulable
    node.uncordon()
    node.taint(key="k", value="v", effect="NoSchedule")
    assert ("k", "v") in [(each.key, each.get("value")) for each in node.taints]
    node.delete()


def discovery_and_manifests(world: World) -> None:
    api = connect(world)
    assert api.version()["gitVersion"].startswith("v1.")
    assert api.whoami()
    assert {"v1", "apps/v1"} <= set(api.api_versions())
    found = {(each["version"], each["kind"]) for each in api.api_resources()}
    assert {("v1", "Pod"), ("apps/v1", "Deployment")} <= found
    assert api.lookup_kind("deploy")[1:] == ("deployments", True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.yaml"
        file.write_text(yaml.safe_dump(cases.config_map("from-file", a="1")))
        [made] = objects_from_files(file, api=api)
    made.namespace = world.namespace
    made.create()
    made.delete()


def the_client_on_asyncio(world: World) -> None:
    async def use() -> None:
        api = await kr8s.asyncio.api(kubeconfig=world.kubeconfig, namespace=world.namespace)
        made = await AsyncConfigMap(cases.config_map("asynchronous"), namespace=world.namespace, api=api)
        await made.create()
        await made.label(a="1")
        async for kind, _ in api.watch("configmaps", field_selector="metadata.name=asynchronous"):
            assert kind == "ADDED"
            break
        await made.delete()

    asyncio.run(use())


def found(world: World) -> Pod:
    return Pod.get("kr8s", namespace=world.namespace, api=connect(world))


def logs_are_read_and_followed(world: World) -> None:
    api = connect(world)
    manifest = cases.pod("kr8s", cases.serving(world.image), cases.listening(world.image))
    made = Pod(manifest, namespace=world.namespace, api=api)
    made.create()
    made.wait("condition=Ready", timeout=90)
    assert made.ready()
    assert list(made.logs(container="main")) == ["one", "two"]
    assert list(made.logs(container="main", tail_lines=1)) == ["two"]
    followed = made.logs(container="main", follow=True, timeout=30)
    assert [next(followed), next(followed)] == ["one", "two"]
    refused = raised(kr8s.ServerError, lambda: list(made.logs()))
    assert refused.response.status_code == 400


def commands_are_run(world: World) -> None:
    pod = found(world)
    said = pod.exec(["sh", "-c", "echo out; echo wrong >&2"])
    assert (said.stdout, said.stderr, said.returncode) == (b"out\n", b"wrong\n", 0)
    assert pod.exec(["sh", "-c", "exit 3"], check=False).returncode == 3
    # An ExecError, in as many groups as there are tasks around it.
    assert "exit code 1" in "".join(
        traceback.format_exception(raised(Exception, lambda: pod.exec(["false"])))
    )
    words = "i=0; while [ $i -lt 65536 ]; do printf 0123456789abcdef; i=$((i+1)); done"
    assert pod.exec(["sh", "-c", words], timeout=60).stdout.decode() == LARGE


def ports_are_forwarded(world: World) -> None:
    with found(world).portforward(8080, local_port="auto") as port:
        assert [page(port) for _ in range(3)] == ["page\n"] * 3


def streams_of_a_deployment(world: World) -> None:
    """Only that on asyncio finds a Pod by itself: the other's ready_pods is not to be called."""

    async def use() -> None:
        api = await kr8s.asyncio.api(kubeconfig=world.kubeconfig, namespace=world.namespace)
        manifest = cases.deployment("kr8s-web", cases.serving(world.image))
        made = await AsyncDeployment(manifest, namespace=world.namespace, api=api)
        await made.create()
        await made.wait("condition=Available", timeout=90)
        assert (await made.exec(["echo", "out"])).stdout == b"out\n"
        await made.delete(propagation_policy="Foreground")

    asyncio.run(use())


def streams_on_asyncio_and_the_end(world: World) -> None:
    async def use() -> None:
        api = await kr8s.asyncio.api(kubeconfig=world.kubeconfig, namespace=world.namespace)
        pod = await AsyncPod.get("kr8s", namespace=world.namespace, api=api)
        assert (await pod.exec(["echo", "out"])).stdout == b"out\n"
        async with pod.portforward(8080, local_port="auto") as port:
            assert await asyncio.to_thread(page, port) == "page\n"
        await pod.delete(grace_period=1)
        await pod.wait("delete", timeout=60)

    asyncio.run(use())


if __name__ == "__main__":
    cases.main(
        [
            objects_are_created_read_and_deleted, collections_are_listed_in_pages_and_by_selectors,
            patches_labels_and_annotations, watches_begin_with_what_is_there_and_go_on, conditions_scale_and_nodes,
            discovery_and_manifests, the_client_on_asyncio,
        ],
        [
            logs_are_read_and_followed, commands_are_run, ports_are_forwarded, streams_of_a_deployment,
            streams_on_asyncio_and_the_end,
        ],
    )  # fmt: skip
