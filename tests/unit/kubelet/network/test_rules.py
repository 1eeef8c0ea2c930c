"""What the node does with the packets of its Pods."""

from ipaddress import IPv4Interface, IPv4Network
from typing import Any

import pytest

from kubelet.config import KubeletConfig
from kubelet.network.plan import ruleset
from kubelet.runtimes import closed_to_pods

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
