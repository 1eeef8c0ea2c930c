"""Static Pods: they live by a file of their node, and by nothing in the API (C5)."""

import re

import pytest

from tests.support.cluster import Cluster, wait_until
from tests.support.manifests import FOREVER, container, pod
from tests.support.static_pods import MIRROR, files, put, remove
from tests.support.workspace import Workspace, ready, status_of
from vaina.errors import Invalid


def manifest(space: Workspace, script: str = FOREVER) -> dict[str, object]:
    """Make the manifest of a Pod in the workspace."""
    made = pod("web", container(script=f"echo begun; {script}"))
    made["metadata"]["namespace"] = space.namespace
    return made


def problems(cluster: Cluster, node: str) -> float:
    """Return how many files of the folder the kubelet says are none."""
    text = cluster.page(cluster.node_port(node, 10255))
    return float(re.findall(r"^kubelet_static_pod_manifest_problems (\S+)", text, re.MULTILINE)[0])


@pytest.mark.requirement("C5")
@pytest.mark.both_runtimes
@pytest.mark.beside_others
def test_a_static_pod_lives_by_its_manifest_and_the_api_only_shows_it(space: Workspace) -> None:
    node = space.node(0)
    name = f"web-{node}"
    with files(space.cluster, node, "web.yaml"):
        put(space.cluster, node, manifest(space), "web.yaml")
        before = space.ready(name)
        static_uid = before.metadata.annotations[MIRROR]
        assert space.shell(name, "echo inside") == "inside"
        assert space.logs(name) == "begun\n"
        # Events come a moment later.
        wait_until(
            lambda: "Started container main" in space.cli("describe", "pod", name), 20, "it is described"
        )

        # Its spec is the node's, and so is its end.
        changed = space.pod(name)
        changed.spec.containers[0].image = "other"
        with pytest.raises(Invalid, match="shows a static pod"):
            space.api.call(space.api.clients.pods.update(changed))
        space.delete(name)
        again = space.wait(name, lambda p: ready(p) and p.metadata.uid != before.metadata.uid, "is back")
        assert status_of(again).container_id == status_of(before).container_id
        assert status_of(again).restart_count == 0

        put(space.cluster, node, manifest(space, f"export NEW=yes; {FOREVER}"), "web.yaml")
        space.wait(
            name,
            lambda p: ready(p) and p.metadata.annotations[MIRROR] != static_uid,
            "is made of the new file",
        )
        assert space.node_containers(static_uid) == {}
        newest = space.pod(name).metadata.annotations[MIRROR]
        remove(space.cluster, node, "web.yaml")
        space.gone(name)
        wait_until(lambda: space.node_containers(newest) == {}, 40, "nothing of it is left")


@pytest.mark.requirement("C5")
def test_static_pods_start_without_an_apiserver_and_among_garbage(space: Workspace) -> None:
    cluster, node = space.cluster, space.node(1)
    garbage = {
        "not.yaml": "a: [",
        "binary.yaml": "\x01\x02",
        "list.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}",
        "half.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: ha",
        "secret.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {serviceAccountName: a, "
        "containers: [{name: a, image: b}]}",
    }
    with files(cluster, node, "web.yaml", ".web.yaml.swp", *garbage):
        with cluster.stopped("apiserver"):
            for name, text in garbage.items():
                put(cluster, node, text, name)
            put(cluster, node, "half of it", ".web.yaml.swp")
            put(cluster, node, manifest(space), "web.yaml")

            def runs() -> list[str]:
                return [
                    one["Id"]
                    for one in cluster.engine_containers(node)
                    if one["Config"]["Labels"].get("io.kubernetes.pod.namespace") == space.namespace
                    and one["Config"]["Labels"].get("io.kubernetes.container.name") == "main"
                ]

            [found] = wait_until(runs, 40, "it runs on its node")
            assert problems(cluster, node) == len(garbage)
        cluster.wait_healthy()
        shown = space.ready(f"web-{node}")
        assert status_of(shown).container_id == f"docker://{found}"
    space.gone(f"web-{node}")
    wait_until(lambda: problems(cluster, node) == 0, 20, "the folder is in order again")
