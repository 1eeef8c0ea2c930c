"""Addresses of sandboxes, routes to other nodes, and rules for packets."""

from ipaddress import IPv4Address as A
from ipaddress import IPv4Interface, IPv4Network
from ipaddress import IPv4Interface as I
from ipaddress import IPv4Network as N
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelet.config import KubeletConfig
from kubelet.network.plan import (
    AddressesExhausted,
    HostPort,
    desired_routes,
    link_address,
    next_address,
    plan_routes,
    port_rules,
    ruleset,
)
from kubelet.runtime.records import PortMapping
from kubelet.runtimes import closed_to_pods
from vaina.api.core.v1 import node_pb2

CIDR = IPv4Network("10.244.1.0/24")
SMALL = IPv4Network("10.244.1.0/29")


@pytest.mark.parametrize(
    ("taken", "last", "want"),
    [
        pytest.param(set(), None, "10.244.1.2", id="the first Pod gets the address after the gateway"),
        pytest.param({A("10.244.1.2")}, None, "10.244.1.3", id="a taken address is passed over"),
        pytest.param(
            set(), A("10.244.1.7"), "10.244.1.8", id="a freed address rests until the circle closes"
        ),
        pytest.param(set(), A("10.244.1.254"), "10.244.1.2", id="after the last address comes the first"),
        pytest.param(set(), A("10.9.9.9"), "10.244.1.2", id="a last address of another CIDR means nothing"),
    ],
)
def test_next_address(taken: set[A], last: A | None, want: str) -> None:
    assert next_address(CIDR, taken, last) == A(want)


@given(st.lists(st.booleans(), max_size=40))
def test_no_address_is_given_twice_while_it_is_held(story: list[bool]) -> None:
    """Any story of Pods that come (True) and go (False).

    Every address held is unique and inside the hosts' range.
    """
    held: list[A] = []
    last: A | None = None
    for comes in story:
        if comes:
            try:
                last = next_address(SMALL, set(held), last)
            except AddressesExhausted:
                assert len(held) == 5
                continue
            assert last not in held
            assert A("10.244.1.2") <= last <= A("10.244.1.6")
            held.append(last)
        elif held:
            held.pop(0)


def test_a_link_address_is_made_of_the_address() -> None:
    assert link_address(A("10.244.1.1")) == "0a:58:0a:f4:01:01"


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


ETH0 = IPv4Interface("172.18.0.4/16")


def rules(chain: str, **more: Any) -> list[str]:
    """Return the rules of one chain, without its head."""
    given: dict[str, Any] = {
        "bridge": "cni0", "cidr": IPv4Network("10.244.1.0/24"), "cluster": IPv4Network("10.244.0.0/16"),
        "closed": (10250, 2379), "interfaces": (ETH0,),
    }  # fmt: skip
    text = ruleset(**{**given, **more})
    body = text.split(f"chain {chain} {{\n", 1)[1].split("\n  }", 1)[0]
    return [line.strip() for line in body.splitlines()[1:]]


LOOPBACK = (
    'iifname != "lo" ip daddr 127.0.0.0/8 ct state != { established, related } ct status & dnat == 0 drop'
)
HERE = 'iifname "cni0" tcp dport { 2379, 10250 } drop'
BEYOND = 'iifname "cni0" ip daddr { 172.18.0.0/16 } tcp dport { 2379, 10250 } drop'
SEVERAL = 'iifname "cni0" ip daddr { 172.18.0.0/16, 192.168.7.0/24 } tcp dport { 2379, 10250 } drop'


@pytest.mark.parametrize(
    ("chain", "more", "want"),
    [
        pytest.param("postrouting", {}, ["ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 masquerade"],
                     id="what leaves the cluster gets the node's address"),
        pytest.param("input", {}, [LOOPBACK, HERE], id="ports of the node itself, at any of its addresses"),
        pytest.param("forward", {}, [BEYOND], id="ports of whatever is in the node's networks, and nowhere else"),
        pytest.param("forward", {"interfaces": (ETH0, IPv4Interface("192.168.7.2/24"), ETH0)}, [SEVERAL],
                     id="each network once"),
        pytest.param("forward", {"interfaces": (ETH0, IPv4Interface("172.18.7.2/24"))}, [BEYOND],
                     id="one within another is not told twice, which nft refuses"),
        pytest.param("forward", {"interfaces": ()}, [], id="a node without a network closes itself alone"),
        pytest.param("input", {"closed": ()}, [LOOPBACK], id="an administrator may close nothing"),
        pytest.param("forward", {"closed": ()}, [], id="and then nothing is closed elsewhere either"),
    ],
)  # fmt: skip
def test_rules(chain: str, more: dict[str, Any], want: list[str]) -> None:
    assert rules(chain, **more) == want


def test_ports_of_a_kubelet_are_closed_wherever_it_listens() -> None:
    config = KubeletConfig(listen="0.0.0.0:20250", metrics_listen="0.0.0.0:20255", closed_to_pods=(5000,))

    assert set(closed_to_pods(config)) == {5000, 20250, 20255}


def rules_of_ports(*ports: HostPort) -> list[str]:
    text = port_rules(ports, bridge="cni0", cidr=CIDR)
    return [line.strip() for line in text.splitlines() if " dnat to " in line]


@pytest.mark.requirement("B4")
def test_each_port_leads_to_its_pod_at_its_address() -> None:
    assert rules_of_ports(
        HostPort(PortMapping(80, 8080), "10.244.1.2"),
        HostPort(PortMapping(53, 5353, "UDP", "127.0.0.1"), "10.244.1.3"),
        HostPort(PortMapping(9, 99, "SCTP", "0.0.0.0"), "10.244.1.4"),
    ) == [
        "ip daddr 127.0.0.1 udp dport 5353 dnat to 10.244.1.3:53",
        "sctp dport 99 dnat to 10.244.1.4:9",
        "tcp dport 8080 dnat to 10.244.1.2:80",
    ]


def test_without_ports_there_is_no_table() -> None:
    assert port_rules((), bridge="cni0", cidr=CIDR) == (
        "add table ip vaina-hostports\ndelete table ip vaina-hostports\n"
    )


def test_the_order_of_sandboxes_changes_nothing() -> None:
    one, other = HostPort(PortMapping(80, 8080), "10.244.1.2"), HostPort(PortMapping(81, 8081), "10.244.1.3")

    assert port_rules([one, other, one], bridge="cni0", cidr=CIDR) == port_rules(
        [other, one], bridge="cni0", cidr=CIDR
    )


@pytest.mark.parametrize(
    "port",
    [
        HostPort(PortMapping(80, 8080), ""),
        HostPort(PortMapping(80, 8080), "10.244.1.2; flush ruleset"),
        HostPort(PortMapping(80, 8080, "TCP", "fe80::1"), "10.244.1.2"),
        HostPort(PortMapping(80, 8080, "tcp dport 1 accept"), "10.244.1.2"),
    ],
)
def test_what_is_no_address_or_protocol_never_reaches_the_kernel(port: HostPort) -> None:
    assert rules_of_ports(port) == []
