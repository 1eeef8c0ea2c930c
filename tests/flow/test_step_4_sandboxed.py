"""Step 4, SANDBOXED: a network namespace and one unique IP, which all of the Pod's containers share."""

import ipaddress

import pytest

from tests.support.manifests import container, on_node, pod, web_server
from tests.support.workspace import Workspace, status_of
from vaina.kinds import NODE

pytestmark = [pytest.mark.step(4), pytest.mark.beside_others]

ADDRESSES = "ip -4 -o addr show dev eth0 | awk '{sub(/\\/.*/, \"\", $4); print $4}'"


@pytest.mark.requirement("A4", "B2")
def test_containers_share_one_address_and_localhost(space: Workspace) -> None:
    [pair] = space.start(pod("pair", web_server("web", 8080, "from the neighbour"), container("client")))
    assert space.shell("pair", ADDRESSES, "web") == pair.status.pod_ip
    assert space.shell("pair", ADDRESSES, "client") == pair.status.pod_ip
    fetched = space.shell("pair", "wget -q -T 5 -O - http://localhost:8080/", "client")
    assert fetched == "from the neighbour"
    namespaces = {space.shell("pair", "readlink /proc/self/ns/net", name) for name in ("web", "client")}
    assert len(namespaces) == 1


@pytest.mark.requirement("A4")
def test_every_pod_has_an_address_of_its_own_that_pods_of_other_nodes_reach(space: Workspace) -> None:
    nodes = space.cluster.nodes
    pods = space.start(
        *(pod(f"on-{n}-{m}", web_server(answer=f"{n}-{m}"), **on_node(node))
          for n, node in enumerate(nodes) for m in range(2))
    )  # fmt: skip
    addresses = {one.metadata.name: one.status.pod_ip for one in pods}
    assert len(set(addresses.values())) == len(pods)
    for one in pods:
        node = space.api.find(NODE, one.spec.node_name)
        assert node is not None
        assert ipaddress.ip_address(one.status.pod_ip) in ipaddress.ip_network(node.spec.pod_cidr)
        assert (one.status.host_ip, [ip.ip for ip in one.status.pod_ips]) == (
            space.cluster.address(one.spec.node_name),
            [one.status.pod_ip],
        )
    for client in pods:
        for name, address in addresses.items():
            got = space.shell(client.metadata.name, f"wget -q -T 5 -O - http://{address}:8080/")
            assert f"on-{got}" == name, f"{client.metadata.name} asked {name} at {address}"


@pytest.mark.requirement("A4")
def test_container_that_restarts_keeps_the_pods_address(space: Workspace) -> None:
    [before] = space.start(pod("phoenix", container("mortal", "sleep infinity"), container("witness")))
    sandboxes = sandbox_ids(space, before.metadata.uid)
    # Process 1 of the container is `sleep`, which a signal of its own namespace cannot kill: from the node it
    # can.
    ids = [one["Id"] for one in space.node_containers(before.metadata.uid)[before.spec.node_name]
           if one["Config"]["Labels"].get("io.kubernetes.container.name") == "mortal"]  # fmt: skip
    space.cluster.execute(before.spec.node_name, "docker", "kill", "--signal", "KILL", *ids)
    after = space.wait(
        "phoenix",
        lambda p: status_of(p, "mortal").restart_count == 1 and status_of(p, "mortal").ready,
        "is back",
    )
    assert after.status.pod_ip == before.status.pod_ip
    assert space.shell("phoenix", ADDRESSES, "mortal") == before.status.pod_ip
    assert status_of(after, "witness").restart_count == 0
    assert sandbox_ids(space, before.metadata.uid) == sandboxes


def sandbox_ids(space: Workspace, uid: str) -> list[str]:
    """Return the ids of the Pod's pause containers."""
    return [
        one["Id"]
        for containers in space.node_containers(uid).values()
        for one in containers
        if "io.kubernetes.container.name" not in one["Config"]["Labels"]
    ]
