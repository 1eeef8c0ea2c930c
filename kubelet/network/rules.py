"""What the node does with its Pods' packets, and which of its ports lead to Pods: two files of nft. PURE.

What leaves the cluster is translated (masquerade). Ports of kubelets, etcd and the registry are closed to
Pods, because these authenticate nobody. The bridge over which a packet comes decides, not its sender's
address, which a Pod may choose; and on the node where it begins, because other nodes see the node's own
address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, collapse_addresses

from kubelet.runtime.records import PortMapping

#: etcd (clients, peers, metrics), the registry, kubelets, scheduler and controllers (gRPC, metrics)
CLOSED_TO_PODS = (2379, 2380, 2381, 5000, 10250, 10251, 10252, 10255, 10257, 10259)


def ruleset(
    *,
    bridge: str,
    cidr: IPv4Network,
    cluster: IPv4Network,
    closed: Iterable[int],
    interfaces: Sequence[IPv4Interface],
) -> str:
    """Return the file; applied again it changes nothing.

    The last rule of the table's head is that of upstream's kubelet (`pkg/kubelet/kubelet_network_linux.go`,
    "block incoming localnet connections"): with hostPorts the bridge lets packets to the node's loopback in
    (`route_localnet`), and a Pod could send some itself. Upstream lets senders in 127.0.0.0/8 pass, which a
    privileged Pod can write; so ours goes by where the packet comes in. An `inet` table, because Pods reach
    the node over IPv6 addresses of the link too. `closed` are TCP ports that Pods do not reach, on this node
    and in its networks.
    """
    ports = ", ".join(str(port) for port in sorted(set(closed)))
    networks = ", ".join(str(one) for one in collapse_addresses(item.network for item in interfaces))
    refuse = f"tcp dport {{ {ports} }} drop"
    here = f'    iifname "{bridge}" {refuse}\n' if ports else ""
    beyond = f'    iifname "{bridge}" ip daddr {{ {networks} }} {refuse}\n' if ports and networks else ""
    # `add` and `flush` or `delete` before the rules make the file say the same however often it is applied.
    return (
        f"add table ip vaina\nflush table ip vaina\ntable ip vaina {{\n  chain postrouting {{\n"
        f"    type nat hook postrouting priority 100; policy accept;\n"
        f"    ip saddr {cidr} ip daddr != {cluster} masquerade\n  }}\n}}\n"
        "add table inet vaina\ndelete table inet vaina\ntable inet vaina {\n"
        "  chain input {\n    type filter hook input priority 0; policy accept;\n"
        '    iifname != "lo" ip daddr 127.0.0.0/8 ct state != { established, related } '
        f"ct status & dnat == 0 drop\n{here}  }}\n"
        f"  chain forward {{\n    type filter hook forward priority 0; policy accept;\n{beyond}  }}\n}}\n"
    )


TABLE = "vaina-hostports"
_ANY = frozenset({"", "0.0.0.0"})
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})


@dataclass(frozen=True, slots=True)
class HostPort:
    """One port of the node and where it leads."""

    mapping: PortMapping
    address: str


def port_rules(ports: Iterable[HostPort], *, bridge: str, cidr: IPv4Network) -> str:
    """Return the file that makes the node's ports (hostPort) lead to the Pods of `cidr`, and no others.

    The whole table is written at once, from the sandboxes that there are, so a restarted kubelet writes the
    same. It does what the CNI plugin portmap does (https://www.cni.dev/plugins/current/meta/portmap/).
    """
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
