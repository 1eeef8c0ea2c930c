"""Which address of the node's Pod CIDR a new sandbox gets. PURE.

What is taken is observed (the addresses of the sandboxes that exist), so a restarted kubelet cannot give an
address twice (I3). Addresses are given in a circle, as the CNI plugin host-local does: an address rests as
long as possible, and a peer with an old connection does not reach the wrong Pod.
"""

from collections.abc import Set
from ipaddress import IPv4Address, IPv4Network


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

    The network, gateway and broadcast addresses are never given.
    """
    first, final = int(gateway_of(cidr)) + 1, int(cidr.broadcast_address) - 1
    count = final - first + 1
    start = int(last) + 1 if last is not None and first <= int(last) <= final else first
    for offset in range(max(count, 0)):
        candidate = IPv4Address(first + (start - first + offset) % count)
        if candidate not in taken:
            return candidate
    raise AddressesExhausted(f"no free address in Pod CIDR {cidr}: {len(taken)} are taken")
