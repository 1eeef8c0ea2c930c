"""Which routes to the Pods of other nodes must be made or removed. PURE.

Host-gateway routing: all nodes share one network, so the way to another node's Pods is that node's own
address, without tunnels. (Flannel calls this backend host-gw.)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from vaina.api.core.v1 import node_pb2
from vaina.objects import nodes as of_nodes


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Routes to set (`replace` also moves one whose gateway has changed) and networks whose route has to go."""

    replace: tuple[tuple[IPv4Network, IPv4Address], ...]
    remove: tuple[IPv4Network, ...]


def desired_routes(
    nodes: Iterable[node_pb2.Node],
    own_name: str,
    *,
    ranges: Mapping[str, IPv4Network],
    interfaces: Sequence[IPv4Interface],
) -> dict[IPv4Network, IPv4Address]:
    """Return range -> node address for every other node that has both.

    An address in none of this node's networks (`interfaces`) leads nowhere: that of a hollow node, or a
    made-up one.
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
) -> RoutePlan:
    """Compare what should be with our routes in the kernel."""
    replace = tuple((net, via) for net, via in sorted(desired.items()) if present.get(net) != via)
    return RoutePlan(replace, tuple(sorted(set(present) - set(desired))))
