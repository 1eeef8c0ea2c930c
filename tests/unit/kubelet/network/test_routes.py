from ipaddress import IPv4Address as A
from ipaddress import IPv4Network as N

from kubelet.network.routes import RoutePlan, desired_routes, plan_routes
from vaina.api.core.v1 import node_pb2


def node(name: str, cidr: str, address: str) -> node_pb2.Node:
    return node_pb2.Node(
        metadata={"name": name},
        spec=node_pb2.NodeSpec(pod_cidr=cidr),
        status=node_pb2.NodeStatus(addresses=[node_pb2.NodeAddress(type="InternalIP", address=address)]),
    )


def test_every_other_node_with_cidr_and_address_gets_a_route() -> None:
    nodes = [
        node("me", "10.244.0.0/24", "172.20.0.2"),
        node("peer", "10.244.1.0/24", "172.20.0.3"),
        node("without-cidr", "", "172.20.0.4"),
        node("without-address", "10.244.3.0/24", ""),
        node("hollow", "10.244.4.0/24", "127.0.0.1"),
    ]
    assert desired_routes(nodes, "me") == {N("10.244.1.0/24"): A("172.20.0.3")}


def test_a_node_that_came_back_with_another_address_moves_its_route_and_a_gone_node_loses_it() -> None:
    present = {N("10.244.1.0/24"): A("172.20.0.3"), N("10.244.2.0/24"): A("172.20.0.4")}
    desired = {N("10.244.1.0/24"): A("172.20.0.9")}
    assert plan_routes(desired, present) == RoutePlan(
        replace=((N("10.244.1.0/24"), A("172.20.0.9")),), remove=(N("10.244.2.0/24"),)
    )


def test_nothing_is_done_when_all_is_as_it_should_be() -> None:
    routes = {N("10.244.1.0/24"): A("172.20.0.3")}
    assert plan_routes(routes, routes) == RoutePlan((), ())
