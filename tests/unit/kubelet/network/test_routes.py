from ipaddress import IPv4Address as A
from ipaddress import IPv4Interface as I
from ipaddress import IPv4Network as N

import pytest

from kubelet.network.plan import desired_routes, plan_routes
from vaina.api.core.v1 import node_pb2


def node(name: str, cidr: str, address: str) -> node_pb2.Node:
    return node_pb2.Node(
        metadata={"name": name},
        spec=node_pb2.NodeSpec(pod_cidr=cidr),
        status=node_pb2.NodeStatus(addresses=[node_pb2.NodeAddress(type="InternalIP", address=address)]),
    )


RANGES = {"me": N("10.244.0.0/24"), "peer": N("10.244.1.0/24")}
INTERFACES = (I("172.20.0.2/16"), I("192.168.7.2/24"))


@pytest.mark.parametrize(
    ("address", "ranges", "want"),
    [
        pytest.param("172.20.0.3", RANGES, {N("10.244.1.0/24"): A("172.20.0.3")},
                     id="every other node with a range and an address gets a route"),
        pytest.param("192.168.7.3", RANGES, {N("10.244.1.0/24"): A("192.168.7.3")},
                     id="over any of the networks that this node is in"),
        pytest.param("172.20.0.3", {}, {}, id="a node without a range that counts gets none"),
        pytest.param("", RANGES, {}, id="nor one without an address"),
        pytest.param("fd00::3", RANGES, {}, id="or with one of IPv6"),
        pytest.param("127.0.0.1", RANGES, {}, id="or with that of a hollow node"),
        pytest.param("203.0.113.7", RANGES, {}, id="what is in none of this node's networks is not routed to"),
        pytest.param("172.20.0.2", RANGES, {}, id="this node's own address is nobody else's"),
        pytest.param("172.20.255.255", RANGES, {}, id="nor is that of everybody"),
    ],
)  # fmt: skip
def test_desired_routes(address: str, ranges: dict[str, N], want: dict[N, A]) -> None:
    nodes = [node("me", "10.244.0.0/24", "172.20.0.9"), node("peer", "10.244.1.0/24", address)]

    assert desired_routes(nodes, "me", ranges=ranges, interfaces=INTERFACES) == want


def test_a_node_that_came_back_with_another_address_moves_its_route_and_a_gone_node_loses_it() -> None:
    present = {N("10.244.1.0/24"): A("172.20.0.3"), N("10.244.2.0/24"): A("172.20.0.4")}
    desired = {N("10.244.1.0/24"): A("172.20.0.9")}
    assert plan_routes(desired, present) == (
        [(N("10.244.1.0/24"), A("172.20.0.9"))], [N("10.244.2.0/24")],
    )  # fmt: skip


def test_nothing_is_done_when_all_is_as_it_should_be() -> None:
    routes = {N("10.244.1.0/24"): A("172.20.0.3")}
    assert plan_routes(routes, routes) == ([], [])
