"""StatefulSets, DaemonSets and a drained node on a real cluster."""

from typing import Any

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, replica_set
from tests.support.workspace import Workspace, ready


def set_of(kind: str, name: str, replicas: int, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a StatefulSet or DaemonSet that selects app=<name>."""
    made = replica_set(name, replicas, *containers)
    spec = {**made["spec"], **more}
    if kind == "DaemonSet":
        del spec["replicas"]
    return {**made, "kind": kind, "spec": spec}


def places(space: Workspace, app: str) -> list[str]:
    """Return the nodes of the Pods that are ready and stay."""
    found = space.pods(f"app={app}")
    return sorted(
        one.spec.node_name for one in found if ready(one) and not one.metadata.HasField("deletion_timestamp")
    )


@pytest.mark.beside_others
@pytest.mark.requirement("D3")
def test_a_pod_of_a_stateful_set_comes_back_with_its_name_and_its_data(space: Workspace) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    space.apply(
        set_of(
            "StatefulSet",
            "db",
            2,
            container(volumeMounts=mounts),
            serviceName="db",
            volumeClaimTemplates=[claim],
        )
    )
    told = space.cli("rollout", "status", "statefulset/db", "--timeout=120s", timeout=130)
    assert "statefulset rolling update complete 2 pods" in told
    assert space.shell("db-1", "hostname; echo mine > /data/note") == "db-1"
    first = space.pod("db-1")
    space.delete("db-1")
    space.gone("db-1", uid=first.metadata.uid)
    again = space.ready("db-1")
    assert again.metadata.uid != first.metadata.uid
    assert space.shell("db-1", "cat /data/note") == "mine"
    assert again.spec.node_name == first.spec.node_name, "its volume is there"


@pytest.mark.requirement("D3")
def test_a_drained_node_keeps_its_daemons_and_its_other_pods_go_one_by_one(space: Workspace) -> None:
    nodes = [*space.cluster.nodes]
    space.apply(set_of("DaemonSet", "log", 0, container()))
    space.cli("rollout", "status", "daemonset/log", "--timeout=120s", timeout=130)
    assert places(space, "log") == sorted(nodes)

    space.apply(
        replica_set("web", 3, container()),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        },
    )
    wait_until(lambda: len(places(space, "web")) == 3, 90, "three replicas are ready")
    target = places(space, "web")[0]
    flags = ("--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=120s")
    try:
        told = space.cluster.cli("drain", target, *flags, timeout=150)
        assert told.splitlines()[0] == f"node/{target} cordoned"
        assert told.splitlines()[-1] == f"node/{target} drained"
        assert target not in places(space, "web")
        assert target in places(space, "log")
        wait_until(lambda: len(places(space, "web")) == 3, 90, "the replicas are elsewhere")
        assert "SchedulingDisabled" in space.cluster.cli("get", "node", target)
    finally:
        space.cluster.cli("uncordon", target)
