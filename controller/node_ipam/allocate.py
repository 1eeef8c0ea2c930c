"""PURE: which range of Pod addresses each node gets. No two nodes ever share one.

What is given is recorded as claims, range -> node name, before a node is told: two controllers, or one that
was killed in the middle, meet in that record, which is written by compare-and-swap (I3, I18). A node that
comes back under its name gets its old range, because old sandboxes may hold addresses of it. Claims of nodes
that are gone are given to others only when nothing else is left.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses to give out in blocks."""

    cidr: ipaddress.IPv4Network
    #: length of the prefix of a node's block: 24 gives 254 Pods
    mask: int

    @classmethod
    def parse(cls, cidr: str, mask: int) -> "Range":
        """Make a range. Raises ValueError for a network that is none, or blocks that do not fit in it."""
        network = ipaddress.IPv4Network(cidr)
        if not network.prefixlen <= mask <= 30:
            raise ValueError(f"blocks of /{mask} do not fit in {cidr}")
        return cls(network, mask)

    def blocks(self) -> Iterator[ipaddress.IPv4Network]:
        return self.cidr.subnets(new_prefix=self.mask)


@dataclass(frozen=True, slots=True)
class NodeNeed:
    """A node: what it has, and which range it draws from."""

    name: str
    #: its podCIDR; empty when it has none
    cidr: str = ""
    hollow: bool = False
    #: its podCIDR counts (`vaina.objects.nodes`); one that does not is not recorded
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Allocation:
    """What to write."""

    #: the whole record: range -> node name
    claims: Mapping[str, str]
    #: node name -> range, for nodes that have none yet
    assign: Mapping[str, str]
    #: nodes for which nothing is left
    exhausted: tuple[str, ...]


def allocate(
    nodes: Sequence[NodeNeed], claims: Mapping[str, str], *, cluster: Range, hollow: Range
) -> Allocation:
    """Decide the ranges of nodes; `claims` is the record as it stands."""
    record = dict(claims)
    by_name = {name: cidr for cidr, name in record.items()}
    held = _Taken(node.cidr for node in nodes if node.counts)
    for node in nodes:
        # A range that a node has (by hand, or from before the record) is its own, unless an older node has it.
        if node.counts and _network(node.cidr) is not None:
            record[node.cidr] = node.name
    taken = _Taken(record)
    free = {False: _free_blocks(cluster, taken), True: _free_blocks(hollow, taken)}
    names = {node.name for node in nodes}
    assign: dict[str, str] = {}
    exhausted: list[str] = []
    for node in sorted((node for node in nodes if not node.cidr), key=lambda node: node.name):
        of_range = hollow if node.hollow else cluster
        cidr = by_name.get(node.name)
        if cidr is None or not _is_usable(cidr, of_range, held):
            cidr = next(free[node.hollow], None) or _reclaimed(record, names, of_range, held)
        if cidr is None:
            exhausted.append(node.name)
            continue
        record[cidr] = node.name
        assign[node.name] = cidr
    return Allocation(claims=record, assign=assign, exhausted=tuple(exhausted))


class _Taken:
    """The blocks that are given; asking about one costs a few look-ups, whatever sizes were given before.

    What is no IPv4 network (a node's IPv6 range, a claim written by hand) takes nothing.
    """

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._networks = {network for cidr in cidrs if (network := _network(cidr)) is not None}
        self._lengths = sorted({network.prefixlen for network in self._networks})

    def overlaps(self, block: ipaddress.IPv4Network) -> bool:
        for length in self._lengths:
            if length <= block.prefixlen:
                if block.supernet(new_prefix=length) in self._networks:
                    return True
            elif any(network.subnet_of(block) for network in self._networks if network.prefixlen == length):
                return True
        return False


def _free_blocks(of_range: Range, taken: _Taken) -> Iterator[str]:
    return (str(block) for block in of_range.blocks() if not taken.overlaps(block))


def _network(cidr: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(cidr, strict=False)
    except ValueError:
        return None


def _is_usable(cidr: str, of_range: Range, held: _Taken) -> bool:
    """Say whether a claimed range is a block of a range, and no node has any of it."""
    network = _network(cidr)
    return (
        network is not None
        and network.prefixlen == of_range.mask
        and network.subnet_of(of_range.cidr)
        and not held.overlaps(network)
    )


def _reclaimed(record: Mapping[str, str], names: set[str], of_range: Range, held: _Taken) -> str | None:
    left = [cidr for cidr, name in record.items() if name not in names and _is_usable(cidr, of_range, held)]
    return min(left, key=lambda cidr: ipaddress.IPv4Network(cidr, strict=False), default=None)
