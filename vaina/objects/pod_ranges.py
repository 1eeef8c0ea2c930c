"""Which Node has which range of Pod addresses.

Called by the kubelets, for their routes, and by the controller that gives ranges out.

A client that may write a Node could draw another Node's traffic by its podCIDR. So a podCIDR counts within the
cluster's ranges only, and of two that overlap the older Node's counts.
"""

from bisect import bisect, insort
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network

from vaina.api.core.v1 import node_pb2


def kept_ranges(nodes: Iterable[node_pb2.Node], within: Sequence[IPv4Network]) -> dict[str, IPv4Network]:
    """Return the ranges that count, by the names of their Nodes: no two of them overlap.

    Nodes are taken in the order of their age, those of one second by uid, which no client chooses. A Node whose
    range overlaps an older one's has none, and keeps nothing from younger ones.

    Args:
        nodes: all there are.
        within: where a range has to lie, in any of them.
    """
    kept: dict[str, IPv4Network] = {}
    #: first and last addresses of the kept ranges, in their order
    taken: list[tuple[int, int]] = []
    for node in sorted(nodes, key=_age):
        network = _network(node.spec.pod_cidr)
        if network is None or not any(network.subnet_of(allowed) for allowed in within):
            continue
        span = (int(network.network_address), int(network.broadcast_address))
        place = bisect(taken, span)
        if place and taken[place - 1][1] >= span[0]:
            continue
        if place < len(taken) and taken[place][0] <= span[1]:
            continue
        insort(taken, span)
        kept[node.metadata.name] = network
    return kept


def _age(node: node_pb2.Node) -> tuple[int, int, str, str]:
    created = node.metadata.creation_timestamp
    return created.seconds, created.nanos, node.metadata.uid, node.metadata.name


# Asked again for all nodes whenever one has changed.
@lru_cache(maxsize=8192)
def _network(cidr: str) -> IPv4Network | None:
    try:
        return IPv4Network(cidr)
    except ValueError:
        return None
