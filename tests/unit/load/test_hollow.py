"""Processes of hollow nodes share no addresses, and what has none is told before anything starts."""

from ipaddress import IPv4Network, collapse_addresses
from itertools import combinations

import pytest

from bench.load.hollow import NODES_A_PROCESS, Addresses, HollowError


def test_no_two_processes_of_a_run_have_the_same_addresses() -> None:
    addresses = Addresses()
    # Steps of few nodes, of many, on many machines, and of none.
    asked = [(1, 5), (9, NODES_A_PROCESS), (64, 79), (0, 1), (1, 1), (2, 900)]
    found = [
        (nodes, IPv4Network(one)) for processes, nodes in asked for one in addresses.take(processes, nodes)
    ]
    assert len(found) == sum(processes for processes, _ in asked)
    assert not any(one.overlaps(other) for (_, one), (_, other) in combinations(found, 2))
    assert all(nodes <= one.num_addresses // 256 for nodes, one in found)
    assert all(one.subnet_of(IPv4Network("10.128.0.0/9")) for _, one in found)


def test_all_addresses_are_given_away_and_then_none() -> None:
    addresses = Addresses()
    found = [IPv4Network(one) for _ in range(4) for one in addresses.take(8, NODES_A_PROCESS)]
    assert list(collapse_addresses(found)) == [IPv4Network("10.128.0.0/9")]
    with pytest.raises(HollowError, match="--nodes hollow: 1 further processes"):
        addresses.take(1, 1)
