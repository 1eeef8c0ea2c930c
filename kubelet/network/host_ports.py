"""The node's ports that lead to Pods (hostPort), as a ruleset of nft. PURE.

The whole table is written at once, from the sandboxes that there are: a restarted kubelet writes the same,
and what belongs to a sandbox that is gone goes with the next writing. It does what the CNI plugin portmap
does (https://www.cni.dev/plugins/current/meta/portmap/), on whose runtimes this is not used.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from kubelet.runtime.records import PortMapping

TABLE = "vaina-hostports"
_ANY = frozenset({"", "0.0.0.0"})
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})


@dataclass(frozen=True, slots=True)
class HostPort:
    """One port of the node and where it leads."""

    mapping: PortMapping
    address: str


def ruleset(ports: Iterable[HostPort], *, bridge: str, cidr: IPv4Network) -> str:
    """Return the file that makes the ports lead to the Pods of `cidr` over the bridge, and no others."""
    # `add` and `delete` before the rules make the file say the same however often it is applied.
    head = f"add table ip {TABLE}\ndelete table ip {TABLE}\n"
    rules = sorted({_rule(port) for port in ports if _is_known(port)})
    if not rules:
        return head
    lines = "\n".join(f"    {rule}" for rule in rules)
    return (
        f"{head}table ip {TABLE} {{\n"
        f"  chain ports {{\n{lines}\n  }}\n"
        "  chain prerouting {\n    type nat hook prerouting priority -100; policy accept;\n"
        "    fib daddr type local jump ports\n  }\n"
        "  chain output {\n    type nat hook output priority -100; policy accept;\n"
        "    fib daddr type local jump ports\n  }\n"
        "  chain postrouting {\n    type nat hook postrouting priority 99; policy accept;\n"
        # Answers to the node's loopback, or to a Pod on the bridge, would bypass the translation.
        f'    oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade\n'
        f'    oifname "{bridge}" ip saddr {cidr} ct status dnat masquerade\n  }}\n}}\n'
    )


def _is_known(port: HostPort) -> bool:
    try:
        IPv4Address(port.address)
        if port.mapping.host_ip not in _ANY:
            IPv4Address(port.mapping.host_ip)
    except ValueError:
        return False
    return port.mapping.protocol.lower() in _PROTOCOLS


def _rule(port: HostPort) -> str:
    mapping = port.mapping
    to = "" if mapping.host_ip in _ANY else f"ip daddr {mapping.host_ip} "
    protocol = mapping.protocol.lower()
    return f"{to}{protocol} dport {mapping.host_port} dnat to {port.address}:{mapping.container_port}"
