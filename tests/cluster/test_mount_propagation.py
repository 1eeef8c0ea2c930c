"""How mounts spread between a node and the containers that see a directory of it (`mountPropagation`)."""

import pytest

from tests.support.manifests import Manifest, container, on_node, pod
from tests.support.workspace import Workspace

pytestmark = pytest.mark.beside_others

MODES = ("None", "HostToContainer", "Bidirectional")


def _of_the_node(space: Workspace, path: str) -> Manifest:
    """Make a Pod with a container for each mode, which sees the directory at /host."""
    containers = [
        container(
            mode.lower(),
            volumeMounts=[{"name": "host", "mountPath": "/host", "mountPropagation": mode}],
            securityContext={"privileged": mode == "Bidirectional"},
        )
        for mode in MODES
    ]
    volumes = [{"name": "host", "hostPath": {"path": path}}]
    return pod("spread", *containers, volumes=volumes, **on_node(space.node(0)))


@pytest.mark.requirement("B5")
@pytest.mark.both_runtimes
def test_a_pod_may_see_the_root_of_its_node_whatever_it_says_of_mounts(space: Workspace) -> None:
    space.start(_of_the_node(space, "/"))

    for mode in MODES:
        assert space.shell("spread", "cat /host/etc/hostname", mode.lower())


@pytest.mark.requirement("B5")
@pytest.mark.both_runtimes
def test_mounts_are_seen_on_the_other_side_where_that_is_asked_for(space: Workspace) -> None:
    node, path = space.node(0), f"/mnt/{space.namespace}"
    space.cluster.execute(node, "mkdir", "-p", f"{path}/later", f"{path}/own")
    try:
        space.start(_of_the_node(space, path))
        space.cluster.execute(
            node, "sh", "-c", f"mount -t tmpfs -o size=1m tmpfs {path}/later && touch {path}/later/file"
        )
        seen = {
            mode: space.exec("spread", "test", "-e", "/host/later/file", container=mode.lower()).code
            for mode in MODES
        }
        assert seen == {"None": 1, "HostToContainer": 0, "Bidirectional": 0}

        space.shell(
            "spread", "mount -t tmpfs -o size=1m tmpfs /host/own && touch /host/own/file", "bidirectional"
        )
        assert space.cluster.execute(node, "ls", f"{path}/own").split() == ["file"]
        assert space.exec("spread", "test", "-e", "/host/own/file", container="none").code == 1
    finally:
        space.delete("spread", grace=0)
        space.gone("spread")
        for name in ("later", "own"):
            space.cluster.execute(node, "sh", "-c", f"umount -l {path}/{name} || true; rmdir {path}/{name}")
        space.cluster.execute(node, "rmdir", path)
