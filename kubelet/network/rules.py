"""What the node does with the packets of its Pods, as a file of nft. PURE.

What leaves the cluster is translated (masquerade). Ports of kubelets, etcd and the registry are closed to
Pods, because these authenticate nobody. The bridge over which a packet comes decides, not its sender's
address, which a Pod may choose; and on the node where it begins, because other nodes see the node's own
address.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Interface, IPv4Network, collapse_addresses

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
