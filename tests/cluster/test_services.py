"""The cluster as a whole: what compose brings up, and that its parts are separate gRPC services."""

import ipaddress
import json
import sys

import pytest

from tests.support.cluster import Cluster, CommandError, run, wait_until
from tests.support.workspace import Workspace
from vaina.kinds import NAMESPACE, NODE


@pytest.mark.requirement("E1")
def test_compose_brings_up_every_part_healthy(cluster: Cluster) -> None:
    # A check of one may have come late this moment.
    cluster.wait_healthy()
    listing = cluster.compose("ps", "-a", "--format", "json")
    found = [json.loads(line) for line in listing.splitlines() if line.strip()]
    # Other tests ask for those.
    rows = [row for row in found if row["Service"] not in ("private-registry", "registry-push")]
    assert sorted(row["Service"] for row in rows) == [
        "apiserver", "certs", "certs-renewal", "controller", "dashboard", "etcd", "node", "node", "node",
        "node-containerd", "registry", "scheduler",
    ]  # fmt: skip
    states = {row["Service"]: (row["State"], row["Health"], row["ExitCode"]) for row in rows}
    assert states.pop("certs") == ("exited", "", 0)
    assert states.pop("certs-renewal") == ("running", "", 0)
    assert set(states.values()) == {("running", "healthy", 0)}
    published = [port for row in rows for port in row["Publishers"] or () if port["PublishedPort"]]
    assert {port["URL"] for port in published} == {"127.0.0.1"}


@pytest.mark.requirement("E1")
def test_every_node_is_registered_with_a_pod_cidr_of_its_own(space: Workspace) -> None:
    nodes = {node.metadata.name: node for node in space.api.list(NODE)}
    assert sorted(nodes) == sorted(space.cluster.all_nodes)
    cidrs = [ipaddress.ip_network(node.spec.pod_cidr) for node in nodes.values()]
    assert all(
        cidr.subnet_of(ipaddress.ip_network("10.244.0.0/16")) and cidr.prefixlen == 24 for cidr in cidrs
    )
    assert len(set(cidrs)) == len(cidrs)

    def told() -> list[list[str]]:
        return sorted(line.split()[:2] for line in space.cluster.cli("get", "nodes").splitlines())

    ready = sorted([["NAME", "STATUS"], *([name, "Ready"] for name in nodes)])
    wait_until(lambda: told() == ready, 60, "all nodes are ready")
    namespaces = {one.metadata.name for one in space.api.list(NAMESPACE)}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= namespaces


@pytest.mark.requirement("E4")
def test_every_service_is_a_grpc_server_of_its_own_with_health_and_metrics(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    addresses = {
        "apiserver": (cluster.apiserver, f"127.0.0.1:{cluster.env['VAINA_METRICS_PORT']}"),
        "scheduler": (cluster.scheduler, f"127.0.0.1:{cluster.env['VAINA_SCHEDULER_METRICS_PORT']}"),
        "controller": (cluster.controller, f"127.0.0.1:{cluster.env['VAINA_CONTROLLER_METRICS_PORT']}"),
        "kubelet": (cluster.node_port(node), cluster.node_port(node, 10255)),
    }
    for name, (address, metrics) in addresses.items():
        probe = (sys.executable, "-m", "vaina.serving.probe", address)
        if name == "kubelet":
            # It serves apiservers alone.
            with pytest.raises(CommandError, match="UNAVAILABLE"):
                run(*probe, env=cluster.command_env, timeout=60)
        else:
            run(*probe, env=cluster.command_env, timeout=60)
        assert "process_cpu_seconds_total" in cluster.page(metrics), name
        assert cluster.page(metrics, "/healthz") == "ok"


@pytest.mark.requirement("E4")
def test_only_the_apiserver_talks_to_etcd(cluster: Cluster) -> None:
    addresses = {
        address: name
        for name in (
            *cluster.all_nodes,
            *(cluster.container(s) for s in ("apiserver", "scheduler", "controller")),
        )
        for address in cluster.addresses(name).values()
    }
    # Established connections to etcd's port: column 3 is the other side, as a little-endian address and a port.
    rows = cluster.execute(cluster.container("etcd"), "cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()
    peers = set()
    for row in rows:
        columns = row.split()
        if columns[1].endswith(":094B") and columns[3] == "01":  # port 2379, established
            raw = bytes.fromhex(columns[2].split(":")[0][-8:])[::-1]
            peers.add(str(ipaddress.ip_address(raw)))
    assert {addresses[peer] for peer in peers if peer in addresses} == {cluster.container("apiserver")}
