"""Volumes on real nodes: claims that outlive Pods, files that follow what they are made of, and parts that
lead nowhere else.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import config_map, container, on_node, pod
from tests.support.workspace import Workspace, ready, status_of
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM

pytestmark = pytest.mark.beside_others

DIRECTORY = "/var/lib/vaina/local-path"


def claim(name: str, **spec: Any) -> dict[str, Any]:
    """Make a claim of the default class."""
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}, **spec}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": wanted,
    }


def with_claim(name: str, claim: str, *mounts: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Make a Pod with a claim, mounted at /data unless `mounts` say otherwise."""
    mounted = [{"name": "data", **mount} for mount in mounts or ({"mountPath": "/data"},)]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return pod(name, container(volumeMounts=mounted), volumes=volumes, **spec)


def bound(space: Workspace, name: str) -> persistent_volume_pb2.PersistentVolumeClaim:
    """Watch a claim until it has its volume."""
    return space.api.wait(
        PERSISTENT_VOLUME_CLAIM,
        name,
        lambda found: found.status.phase == "Bound",
        "is bound",
        namespace=space.namespace,
    )


def node_files(space: Workspace, node: str, path: str) -> Sequence[str]:
    """List what is below a directory of a node."""
    listed = space.cluster.execute(node, "sh", "-c", f"find {path} 2>/dev/null || true")
    return listed.split()


@pytest.mark.requirement("B5")
@pytest.mark.both_runtimes
def test_the_data_of_a_claim_outlive_its_pods_and_go_with_it(space: Workspace) -> None:
    node = space.node(0)
    space.apply(claim("notes"))
    [first] = space.start(with_claim("first", "notes", nodeSelector={"kubernetes.io/hostname": node}))
    # Its class waited for the Pod: the volume was made where that went.
    name = bound(space, "notes").spec.volume_name
    volume = space.api.find(PERSISTENT_VOLUME, name)
    assert volume is not None
    [term] = volume.spec.node_affinity.required.node_selector_terms
    assert [*term.match_expressions[0].values] == [node]
    assert first.spec.node_name == node
    space.shell("first", "echo still here >/data/note")
    space.delete("first", grace=1)
    space.gone("first")

    # The next one asks for no node and goes to its data all the same.
    parts = ({"mountPath": "/part", "subPath": "deep/er"}, {"mountPath": "/data"})
    [second] = space.start(with_claim("second", "notes", *parts))
    assert second.spec.node_name == node
    assert space.shell("second", "cat /data/note; echo x >/part/y; cat /data/deep/er/y") == "still here\nx"

    # In use it stays, though it is deleted; then nothing is left of it.
    space.api.call(space.api.clients.persistent_volume_claims.delete("notes", space.namespace))
    assert space.shell("second", "cat /data/note") == "still here"
    held = space.api.find(PERSISTENT_VOLUME_CLAIM, "notes", space.namespace)
    assert held is not None
    assert held.metadata.HasField("deletion_timestamp")
    space.delete("second", grace=1)
    space.api.wait_gone(PERSISTENT_VOLUME, name)
    assert [path for path in node_files(space, node, DIRECTORY) if name in path] == []
    wait_until(
        lambda: (
            space.cluster.execute(node, "sh", "-c", f"grep -c {second.metadata.uid} /proc/mounts || true")
            == "0\n"
        ),
        15,
        "no mount is left of its Pod",
    )


@pytest.mark.requirement("B5")
def test_a_change_of_a_config_map_is_seen_without_a_restart(space: Workspace) -> None:
    space.apply(config_map("paint", colour="red"))
    mounts = [{"name": "paint", "mountPath": "/paint"}, {"name": "about", "mountPath": "/about"}]
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    volumes = [
        {"name": "paint", "configMap": {"name": "paint"}},
        {"name": "about", "downwardAPI": {"items": [labels]}},
    ]
    painted = pod("painted", container(volumeMounts=mounts), volumes=volumes, labels={"coat": "first"})
    [before] = space.start(painted)
    assert space.shell("painted", "cat /paint/colour; echo; cat /about/labels") == 'red\ncoat="first"'

    space.apply(config_map("paint", colour="blue"))
    painted["metadata"]["labels"]["coat"] = "second"
    space.apply(painted)

    wait_until(
        lambda: space.shell("painted", "cat /paint/colour; echo; cat /about/labels") == 'blue\ncoat="second"',
        20,
        "the files follow",
    )
    after = space.pod("painted")
    assert status_of(after).container_id == status_of(before).container_id
    assert space.exec("painted", "sh", "-c", "echo x >/paint/colour").code != 0


@pytest.mark.requirement("B5")
@pytest.mark.both_runtimes
def test_a_part_of_a_volume_does_not_lead_out_of_it(space: Workspace) -> None:
    node = space.node(0)
    mount = {"name": "data", "mountPath": "/data"}
    attacker = container("attacker", "ln -s / /data/out", volumeMounts=[mount])
    through = {"name": "data", "mountPath": "/seen"}
    victims = [
        container("link", volumeMounts=[{**through, "subPath": "out"}]),
        container("below", volumeMounts=[{**through, "subPath": "out/made/here"}]),
        container("fine", volumeMounts=[{**through, "subPath": "inside"}]),
    ]
    space.apply(
        pod(
            "escape",
            *victims,
            initContainers=[attacker],
            volumes=[{"name": "data", "emptyDir": {}}],
            **on_node(node),
        )
    )
    found = space.wait(
        "escape",
        lambda p: (
            status_of(p, "fine").state.HasField("running")
            and all(
                status_of(p, name).state.waiting.reason == "CreateContainerConfigError"
                for name in ("link", "below")
            )
        ),
        "has what is inside and nothing else",
    )
    words = status_of(found, "link").state.waiting.message
    assert words == 'failed to prepare subPath for volumeMount "data" of container "link"'
    assert not ready(found)
    assert node_files(space, node, "/made") == []


@pytest.mark.both_runtimes
@pytest.mark.requirement("B5")
def test_what_is_mounted_below_a_read_only_volume_is_so_where_that_is_asked_for(space: Workspace) -> None:
    """A tmpfs on the node below a hostPath; runtimes that cannot do it say so."""
    node, path = space.node(0), f"/mnt/{space.namespace}"
    space.cluster.execute(
        node, "sh", "-c", f"mkdir -p {path}/below && mount -t tmpfs -o size=1m tmpfs {path}/below"
    )

    def mounted(name: str, **mode: str) -> dict[str, object]:
        mount = {"name": "data", "mountPath": "/data", "readOnly": True, "mountPropagation": "None", **mode}
        volumes = [{"name": "data", "hostPath": {"path": path}}]
        return pod(name, container(volumeMounts=[mount]), volumes=volumes, **on_node(node))

    def writes(name: str) -> bool:
        return space.exec(name, "sh", "-c", "echo x >/data/below/file").code == 0

    try:
        space.start(mounted("plain"), mounted("possible", recursiveReadOnly="IfPossible"))
        space.apply(mounted("deep", recursiveReadOnly="Enabled"))
        able = space.runtime == "docker"
        assert (writes("plain"), writes("possible")) == (True, not able)
        if able:
            space.ready("deep")
            assert not writes("deep")
        else:
            words = 'volume "data" requested recursive read-only mode, but it is not supported by the runtime'
            space.wait("deep", lambda p: words in status_of(p).state.waiting.message, "says that it cannot")
    finally:
        for name in ("plain", "possible", "deep"):
            space.delete(name, grace=0)
            space.gone(name)
        space.cluster.execute(node, "sh", "-c", f"umount -l {path}/below; rmdir {path}/below {path}")
