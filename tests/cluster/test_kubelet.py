"""The kubelet: it keeps its node's Pods as they should be, tells how node and Pods are, and survives its own
death.
"""

import signal
from typing import Any

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, on_node, pod, web_server
from tests.support.workspace import Workspace, condition, phase, ready, status_of
from vaina.api.core.v1 import node_pb2
from vaina.clock import seconds_of
from vaina.errors import Unavailable
from vaina.kinds import LEASE, NODE
from vaina.objects.quantity import milli_value, value


def node_object(space: Workspace, name: str) -> node_pb2.Node:
    """Return a Node that is there."""
    node = space.api.find(NODE, name)
    assert node is not None
    return node


@pytest.mark.both_runtimes
@pytest.mark.own_node
@pytest.mark.requirement("C1", "C3", "C4")
def test_killed_kubelet_adopts_what_runs_and_mends_what_died_meanwhile(space: Workspace) -> None:
    node = space.node(0)
    before, mortal = space.start(
        pod("adopted", container("one"), container("two"), **on_node(node)), pod("mortal", **on_node(node))
    )
    # The kubelet sees nothing of what happens from here on: it is stopped first, then killed.
    space.cluster.kill(node, "kubelet", signal.SIGSTOP)
    space.cluster.kill_containers(node, status_of(mortal).container_id.removeprefix(f"{space.runtime}://"))
    space.cluster.kill_kubelet(node)
    space.wait("mortal", lambda p: status_of(p).restart_count == 1 and ready(p), "was restarted")
    after = space.pod("adopted")
    assert [c.container_id for c in after.status.container_statuses] == [
        c.container_id for c in before.status.container_statuses
    ]
    assert [c.restart_count for c in after.status.container_statuses] == [0, 0]
    assert after.status.pod_ip == before.status.pod_ip
    assert space.shell("adopted", "echo still here", "two") == "still here"
    space.cluster.wait_healthy(node)


@pytest.mark.own_node
@pytest.mark.requirement("C1")
def test_a_pod_is_reached_at_the_address_of_one_that_has_just_ended(space: Workspace) -> None:
    node = space.node(0)
    # Others stay: a node forgets its neighbours when the last Pod goes.
    space.start(pod("stays", **on_node(node)))
    wait_until(
        lambda: all(_is_of(space, one) for one in space.cluster.engine_containers(node)),
        60,
        "others are gone",
    )

    # A kubelet that begins gives the lowest address, and does not know which ones have rested.
    space.cluster.kill_kubelet(node)
    [before] = space.start(pod("before", web_server(), **on_node(node)))
    space.cluster.kill_kubelet(node)
    # It is back when it refuses one; it has given no address then.
    space.apply(pod("large", container(resources={"requests": {"cpu": "64"}}), nodeName=node))
    space.wait("large", phase("Failed"), "was refused")
    space.cluster.execute(node, "busybox", "wget", "-qO-", f"http://{before.status.pod_ip}:8080/")
    space.delete("before", grace=1)
    space.gone("before")
    [after] = space.start(pod("after", web_server(), **on_node(node)))

    assert after.status.pod_ip == before.status.pod_ip


def _is_of(space: Workspace, container: dict[str, Any]) -> bool:
    labels = container["Config"]["Labels"] or {}
    return labels.get("io.kubernetes.pod.namespace") == space.namespace


@pytest.mark.both_runtimes
@pytest.mark.own_node
@pytest.mark.requirement("B5", "C3")
def test_secrets_lie_in_memory_outlive_a_kubelet_and_leave_no_mount(space: Workspace) -> None:
    node = space.node(0)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    space.apply({**secret, "stringData": {"user": "web"}})
    names = ("secret", "projected", "about", "part")
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in names[:3]]
    mounts.append({"name": "secret", "mountPath": "/part", "subPath": "user"})
    about = {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
    volumes = [
        {"name": "secret", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "projected", "projected": {"sources": [{"secret": {"name": "keys"}}]}},
        {"name": "about", "downwardAPI": {"items": [about]}},
    ]
    [made] = space.start(pod("keeper", container(volumeMounts=mounts), volumes=volumes, **on_node(node)))
    uid = made.metadata.uid

    kinds = "for d in secret projected about part; do grep \" /$d \" /proc/mounts | cut -d' ' -f3; done"
    assert space.shell("keeper", kinds).split() == ["tmpfs"] * 4
    assert space.shell("keeper", "stat -Lc %a /secret /secret/user /projected/user") == "1777\n400\n644"
    assert space.shell("keeper", "cat /secret/user /projected/user /about/name /part") == "webwebkeeperweb"

    def shows() -> str:
        try:
            return space.shell("keeper", "cat /secret/user /projected/user")
        except Unavailable:
            return ""  # there is no kubelet that could be asked

    space.cluster.kill_kubelet(node)
    space.apply({**secret, "stringData": {"user": "someone"}})
    wait_until(
        lambda: shows() == "someonesomeone",
        90,
        "the kubelet that comes back writes into the same memory",
    )
    space.delete("keeper", grace=1)
    space.gone("keeper")
    wait_until(
        lambda: space.cluster.execute(node, "sh", "-c", f"grep -c {uid} /proc/mounts || true") == "0\n",
        15,
        "no mount is left of it",
    )


@pytest.mark.both_runtimes
@pytest.mark.own_node
@pytest.mark.requirement("C1", "C3")
def test_pod_deleted_while_its_kubelet_is_away_is_cleared_afterwards(space: Workspace) -> None:
    node = space.node(1)
    [one] = space.start(pod("orphan", **on_node(node)))
    space.cluster.kill(node, "kubelet", signal.SIGSTOP)
    space.delete("orphan", grace=0)
    space.gone("orphan")
    space.cluster.kill_kubelet(node)
    wait_until(lambda: space.node_containers(one.metadata.uid) == {}, 40, "its containers are gone")
    space.cluster.wait_healthy(node)


@pytest.mark.both_runtimes
@pytest.mark.beside_others
@pytest.mark.requirement("C1", "C3")
def test_sandbox_that_dies_is_made_anew_with_its_containers(space: Workspace) -> None:
    [before] = space.start(pod("resandboxed"))
    [containers] = space.node_containers(before.metadata.uid).values()
    [pause] = [c["Id"] for c in containers if "io.kubernetes.container.name" not in c["Config"]["Labels"]]
    space.cluster.kill_containers(before.spec.node_name, pause)
    after = space.wait(
        "resandboxed",
        lambda p: ready(p) and status_of(p).container_id != status_of(before).container_id,
        "runs in a new sandbox",
    )
    assert after.metadata.uid == before.metadata.uid
    assert space.shell("resandboxed", "ip -4 -o addr show dev eth0").count(f" {after.status.pod_ip}/") == 1


@pytest.mark.both_runtimes
@pytest.mark.own_node
@pytest.mark.requirement("C1", "C3")
def test_pods_run_again_after_their_node_was_restarted(space: Workspace) -> None:
    node = space.node(1)
    volume = {"volumes": [{"name": "kept", "emptyDir": {}}]}
    kept = container(volumeMounts=[{"name": "kept", "mountPath": "/kept"}])
    [before] = space.start(pod("rebooted", kept, **volume, **on_node(node)))
    space.shell("rebooted", "echo still >/kept/note")
    with space.cluster.stopped(node):
        pass
    after = space.wait("rebooted", lambda p: ready(p) and status_of(p).restart_count == 1, "runs again")
    assert (after.metadata.uid, after.spec.node_name) == (before.metadata.uid, node)
    assert space.shell("rebooted", "cat /kept/note") == "still"
    assert space.shell("rebooted", "ip -4 -o addr show dev eth0").count(f" {after.status.pod_ip}/") == 1
    space.cluster.wait_healthy(node)


@pytest.mark.beside_others
@pytest.mark.requirement("C2")
def test_node_reports_capacity_and_allocatable_that_sum_to_the_machine(space: Workspace) -> None:
    total = 0
    for name in space.cluster.all_nodes:
        status = node_object(space, name).status
        capacity = {resource: status.capacity[resource].string for resource in status.capacity}
        allocatable = {resource: status.allocatable[resource].string for resource in status.allocatable}
        assert {"cpu", "memory", "pods", "ephemeral-storage"} <= set(capacity)
        assert set(allocatable) == set(capacity)
        assert 0 < milli_value(allocatable["cpu"]) <= milli_value(capacity["cpu"])
        assert 0 < value(allocatable["memory"]) <= value(capacity["memory"])
        assert value(capacity["pods"]) == 110
        total += milli_value(capacity["cpu"])
    machine = int(space.cluster.execute(space.cluster.nodes[0], "nproc")) * 1000
    assert machine * 0.95 <= total <= machine


@pytest.mark.requirement("C2")
def test_requests_are_shared_out_up_to_allocatable_and_no_further(space: Workspace) -> None:
    node = space.cluster.nodes[2]
    status = node_object(space, node).status
    half = milli_value(status.allocatable["cpu"].string) * 45 // 100

    def sized(name: str) -> dict[str, object]:
        return pod(name, container(resources={"requests": {"cpu": f"{half}m"}}), **on_node(node))

    space.start(sized("first"), sized("second"))
    space.apply(sized("third"))
    waiting = space.wait("third", lambda p: condition(p, "PodScheduled") == "False", "does not fit")
    message = next(c.message for c in waiting.status.conditions if c.type == "PodScheduled")
    assert "1 Insufficient cpu" in message
    assert "2 node(s) didn't match Pod's node affinity/selector" in message
    space.delete("first")
    space.ready("third")


@pytest.mark.beside_others
@pytest.mark.requirement("C2")
def test_kubelet_refuses_what_somebody_binds_to_it_by_hand_and_does_not_fit(space: Workspace) -> None:
    space.apply(
        pod("forced", container(resources={"requests": {"cpu": "64"}}), nodeName=space.cluster.nodes[0])
    )
    refused = space.wait("forced", lambda p: p.status.phase == "Failed", "was refused")
    assert refused.status.reason == "OutOfcpu"
    assert "Node didn't have enough resource: cpu" in refused.status.message
    assert space.node_containers(refused.metadata.uid) == {}


@pytest.mark.beside_others
@pytest.mark.requirement("C2")
def test_who_follows_a_pod_that_was_deleted_by_force_on_a_full_node_runs(space: Workspace) -> None:
    ports = [{"containerPort": 80, "hostPort": 18473}]
    # Deaf to TERM: it ends some seconds after its object.
    deaf = container("main", "trap '' TERM; while :; do sleep 1; done", ports=ports)
    node = space.cluster.nodes[0]
    space.start(pod("first", deaf, nodeName=node))
    space.delete("first", grace=0)
    space.gone("first")

    space.apply(pod("second", container(ports=ports), nodeName=node))

    space.ready("second")


@pytest.mark.beside_others
@pytest.mark.requirement("C4")
def test_node_is_ready_describes_itself_and_renews_its_lease(space: Workspace) -> None:
    for name in space.cluster.all_nodes:
        node = node_object(space, name)
        conditions = {c.type: c.status for c in node.status.conditions}
        assert conditions["Ready"] == "True"
        assert {conditions[c] for c in ("MemoryPressure", "DiskPressure", "PIDPressure")} == {"False"}
        addresses = {a.type: a.address for a in node.status.addresses}
        assert addresses["InternalIP"] == space.cluster.address(name)
        assert node.metadata.labels["kubernetes.io/hostname"] == name
        engine = "docker" if name in space.cluster.nodes else "containerd"
        assert node.status.node_info.container_runtime_version.startswith(f"{engine}://")
        assert (
            node.status.node_info.machine_id == space.cluster.execute(name, "cat", "/etc/machine-id").strip()
        )
        assert node.status.daemon_endpoints.kubelet_endpoint.port == 10250
    first = space.cluster.nodes[0]
    lease = space.api.find(LEASE, first, "kube-node-lease")
    assert lease is not None
    assert lease.spec.holder_identity == first
    renewed = seconds_of(lease.spec.renew_time)
    space.api.wait(
        LEASE,
        first,
        lambda one: seconds_of(one.spec.renew_time) > renewed,
        "is renewed",
        namespace="kube-node-lease",
    )
