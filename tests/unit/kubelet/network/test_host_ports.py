"""The ruleset of host ports."""

from ipaddress import IPv4Network

import pytest

from kubelet.network.plan import HostPort, port_rules
from kubelet.runtime.records import PortMapping

CIDR = IPv4Network("10.244.1.0/24")


def rules(*ports: HostPort) -> list[str]:
    text = port_rules(ports, bridge="cni0", cidr=CIDR)
    return [line.strip() for line in text.splitlines() if " dnat to " in line]


@pytest.mark.requirement("B4")
def test_each_port_leads_to_its_pod_at_its_address() -> None:
    assert rules(
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
    assert rules(port) == []
