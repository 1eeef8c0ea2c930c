"""The Pod network of a node, decided: addresses of sandboxes, routes to other nodes, rules for packets. PURE."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, collapse_addresses

from kubelet.runtime.records import PortMapping
from vaina.api.core.v1 import node_pb2
from vaina.objects import nodes as of_nodes


class AddressesExhausted(Exception):
    """Every address of the Pod CIDR is taken."""


def gateway_of(cidr: IPv4Network) -> IPv4Address:
    """Return the bridge's own address: the first of the network."""
    return cidr.network_address + 1


def link_address(address: IPv4Address) -> str:
    """Return the link-layer address of a Pod network's address: 0a:58 (locally administered) and its bytes."""
    return "0a:58:" + address.packed.hex(":")


def next_address(cidr: IPv4Network, taken: Set[IPv4Address], last: IPv4Address | None) -> IPv4Address:
    """Return the first free address after `last`, in a circle. Raises AddressesExhausted.

    In a circle, as the CNI plugin host-local does, an address rests as long as possible, and a peer with an old
    connection does not reach the wrong Pod. The network, gateway and broadcast addresses are never given.
    """
    first, final = int(gateway_of(cidr)) + 1, int(cidr.broadcast_address) - 1
    count = final - first + 1
    start = int(last) + 1 if last is not None and first <= int(last) <= final else first
    for offset in range(max(count, 0)):
        candidate = IPv4Address(first + (start - first + offset) % count)
        if candidate not in taken:
            return candidate
    raise AddressesExhausted(f"no free address in Pod CIDR {cidr}: {len(taken)} are taken")


def desired_routes(
    nodes: Iterable[node_pb2.Node],
    own_name: str,
    *,
    ranges: Mapping[str, IPv4Network],
    interfaces: Sequence[IPv4Interface],
) -> dict[IPv4Network, IPv4Address]:
    """Return range -> node address for every other node that has both: all share one network (host-gw).

    An address in none of this node's networks (`interfaces`) leads nowhere.
    """
    routes: dict[IPv4Network, IPv4Address] = {}
    for node in nodes:
        network = ranges.get(node.metadata.name)
        if network is None or node.metadata.name == own_name:
            continue
        try:
            via = IPv4Address(of_nodes.address(node))
        except ValueError:
            continue
        if any(_is_neighbour(via, interface) for interface in interfaces):
            routes[network] = via
    return routes


def _is_neighbour(address: IPv4Address, interface: IPv4Interface) -> bool:
    network = interface.network
    own = (interface.ip, network.network_address, network.broadcast_address)
    return address in network and address not in own


def plan_routes(
    desired: Mapping[IPv4Network, IPv4Address], present: Mapping[IPv4Network, IPv4Address]
) -> tuple[list[tuple[IPv4Network, IPv4Address]], list[IPv4Network]]:
    """Return the routes to set, those that are there with another gateway too, and the networks to remove."""
    replace = [(net, via) for net, via in sorted(desired.items()) if present.get(net) != via]
    return replace, sorted(set(present) - set(desired))


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
    """Return nft's file for what Pods send: what leaves the cluster is translated, ports are `closed` to Pods.

    `closed` are TCP ports of what authenticates nobody, on this node and in its networks. The bridge over which
    a packet comes decides, not its sender's address, which a Pod may choose. An `inet` table, because Pods
    reach the node over IPv6 addresses of the link too.

    The rule for the loopback is that of `pkg/kubelet/kubelet_network_linux.go` ("block incoming localnet
    connections"): with hostPorts the bridge lets packets to it in (`route_localnet`). Upstream lets senders in
    127.0.0.0/8 pass, which a privileged Pod can write; so ours goes by where the packet comes in.
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

    It is written whole, from the sandboxes that there are; the rules are those of the CNI plugin portmap.
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


SERVICE_TABLE = "vaina-service"


def service_rules(address: IPv4Address, port: int, targets: Sequence[tuple[IPv4Address, int]]) -> str:
    """Return the file that makes a Service's TCP port lead to its endpoints, for Pods and for the node itself.

    With several, each connection takes one by chance, as kube-proxy does.
    """
    # `add` and `delete` before the rules make the file say the same however often it is applied.
    head = f"add table ip {SERVICE_TABLE}\ndelete table ip {SERVICE_TABLE}\n"
    if not targets:
        return head
    [(first, to), *others] = targets
    leads = f"dnat to {first}:{to}"
    if others:
        ends = ", ".join(f"{number} : {one} . {to}" for number, (one, to) in enumerate(targets))
        leads = f"dnat ip addr . port to numgen random mod {len(targets)} map {{ {ends} }}"
    rule = f"    ip daddr {address} tcp dport {port} {leads}\n"
    return (
        f"{head}table ip {SERVICE_TABLE} {{\n"
        f"  chain prerouting {{\n    type nat hook prerouting priority -101; policy accept;\n{rule}  }}\n"
        f"  chain output {{\n    type nat hook output priority -101; policy accept;\n{rule}  }}\n}}\n"
    )
