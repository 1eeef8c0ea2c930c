"""The node image by itself: identity, supervision, limits, images."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.cluster import Cluster, CommandError, wait_until


def running(cluster: Cluster, node: str, name: str) -> dict[str, object]:
    """Return the state of one container of a node's engine."""
    state: dict[str, object] = json.loads(
        cluster.execute(node, "docker", "inspect", "-f", "{{json .State}}", name)
    )
    return state


@contextmanager
def started(cluster: Cluster, node: str, name: str) -> Iterator[None]:
    """Have a container that stays, past the kubelet: it has no label of a Pod."""
    cluster.execute(node, "docker", "run", "-d", "--name", name, "--network", "none", "vaina/pause:1")
    try:
        yield
    finally:
        cluster.execute(node, "docker", "rm", "-f", name)


@pytest.mark.beside_others
def test_every_node_has_a_name_and_a_machine_id_of_its_own(cluster: Cluster) -> None:
    names = [cluster.execute(node, "hostname").strip() for node in cluster.nodes]
    machine_ids = {cluster.execute(node, "cat", "/etc/machine-id").strip() for node in cluster.nodes}
    assert names == list(cluster.nodes)
    assert len(machine_ids) == len(cluster.nodes)
    assert {len(machine_id) for machine_id in machine_ids} == {32}


@pytest.mark.own_node
def test_killed_kubelet_comes_back_alone(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    with started(cluster, node, "bystander"):
        before, engine = (
            running(cluster, node, "bystander"),
            cluster.execute(node, "cat", "/run/vaina/engine.pid"),
        )
        old = cluster.kill_kubelet(node)
        wait_until(lambda: cluster.process(node, "kubelet") not in (0, old), 60, "the kubelet runs again")
        assert running(cluster, node, "bystander") == before
        assert cluster.execute(node, "cat", "/run/vaina/engine.pid") == engine


@pytest.mark.beside_others
@pytest.mark.parametrize("limited", ["container", "parent"])
def test_memory_limit_of_a_container_and_of_its_parent_hold(cluster: Cluster, limited: str) -> None:
    node = cluster.nodes[2]
    parent = f"/vaina/{node}/limits"
    eat = "x=a; while :; do x=$x$x; done"
    options = ["--rm", "--network", "none", "--cgroup-parent", parent]
    if limited == "container":
        options += ["--memory", "24m"]
    else:
        # Version 1 and version 2 of cgroups, whichever the machine has; version 1 knows memory as a folder.
        make = (
            'cd /sys/fs/cgroup; [ ! -d memory ] || cd memory; mkdir -p ".$0"; '
            'for f in memory.limit_in_bytes memory.max; do [ ! -e ".$0/$f" ] || echo 25165824 >".$0/$f"; done'
        )
        cluster.execute(node, "sh", "-c", make, parent)
    with pytest.raises(CommandError, match="ended with 137"):
        cluster.execute(node, "docker", "run", *options, "busybox", "sh", "-c", eat)


@pytest.mark.beside_others
def test_image_that_is_nowhere_fails_at_once(cluster: Cluster) -> None:
    with pytest.raises(CommandError, match=r"Error response from daemon"):
        cluster.execute(cluster.nodes[0], "docker", "pull", "no-such-image-anywhere:never", timeout=60)


@pytest.mark.own_node
def test_stopped_node_takes_its_cgroups_along_and_comes_back_as_itself(cluster: Cluster) -> None:
    node, other = cluster.nodes[0], cluster.nodes[1]
    with started(cluster, node, "bystander"):
        machine_id = cluster.execute(node, "cat", "/etc/machine-id")
        look = f"find /sys/fs/cgroup -type d -path '*/vaina/{node}*' | wc -l"
        assert int(cluster.execute(other, "sh", "-c", look)) > 0
        with cluster.stopped(node):
            assert int(cluster.execute(other, "sh", "-c", look)) == 0
        cluster.wait_healthy(node)
        assert cluster.execute(node, "cat", "/etc/machine-id") == machine_id
        assert running(cluster, node, "bystander")["Running"] is False


def test_second_node_of_the_same_name_is_refused_and_the_first_keeps_its_containers(cluster: Cluster) -> None:
    node = cluster.nodes[2]
    with started(cluster, node, "bystander"):
        before = running(cluster, node, "bystander")
        # `run` gives the container a name of its own; what it is told to be is another's.
        options = ("--rm", "--no-deps", "-e", f"VAINA_NODE_NAME={node}", "node")
        with pytest.raises(CommandError, match=f"the name {node} belongs to another container"):
            cluster.compose("run", *options)
        assert running(cluster, node, "bystander") == before


@pytest.mark.beside_others
def test_engine_events_are_recorded(cluster: Cluster) -> None:
    node = cluster.nodes[1]
    with cluster.recorded_events() as events:
        with started(cluster, node, "recorded"):
            pass
        wait_until(
            lambda: not [c for c in cluster.engine_containers(node) if c["Name"] == "/recorded"],
            10,
            "removed",
        )
    seen = [
        e["Action"]
        for e in events[node]
        if e.get("Actor", {}).get("Attributes", {}).get("name") == "recorded"
    ]
    assert [action for action in seen if action in ("create", "start", "destroy")] == [
        "create",
        "start",
        "destroy",
    ]
    assert set(events) == set(cluster.nodes)
