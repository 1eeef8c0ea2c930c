"""PURE: which routes to the Pods of other nodes must be made or removed. Called by `kubelet.network.pod_network`.

Host-gateway routing: all nodes share one network, so the way to another node's Pod CIDR is that node's own address, without
tunnels. (Flannel calls this backend host-gw.)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from vaina.api.core.v1 import node_pb2


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Routes to set (`replace` also moves one whose gateway has changed) and networks whose route has to go."""

    replace: tuple[tuple[IPv4Network, IPv4Address], ...]
    remove: tuple[IPv4Network, ...]


def desired_routes(nodes: Iterable[node_pb2.Node], own_name: str) -> dict[IPv4Network, IPv4Address]:
    """Return Pod CIDR -> node address for every other node that has both.

    Unreadable values are left out, and loopback addresses: those of hollow nodes, which no other machine reaches.
    """
    routes: dict[IPv4Network, IPv4Address] = {}
    for node in nodes:
        if node.metadata.name == own_name:
            continue
        address = next((a.address for a in node.status.addresses if a.type == "InternalIP"), "")
        try:
            network, via = IPv4Network(node.spec.pod_cidr), IPv4Address(address)
        except ValueError:
            continue
        if not via.is_loopback:
            routes[network] = via
    return routes


def plan_routes(
    desired: Mapping[IPv4Network, IPv4Address], present: Mapping[IPv4Network, IPv4Address]
) -> RoutePlan:
    """Compare what should be with our routes in the kernel."""
    replace = tuple((net, via) for net, via in sorted(desired.items()) if present.get(net) != via)
    return RoutePlan(replace, tuple(sorted(set(present) - set(desired))))
