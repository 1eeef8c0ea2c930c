import ipaddress
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.node_ipam.allocate import NodeNeed, Range, allocate

CLUSTER, HOLLOW = Range.parse("10.244.0.0/16", 24), Range.parse("10.128.0.0/9", 24)


def run(nodes, claims=None, cluster=CLUSTER):
    return allocate(nodes, claims or {}, cluster=cluster, hollow=HOLLOW)


def test_nodes_get_ranges_in_order_each_kind_from_its_own():
    got = run([NodeNeed("b"), NodeNeed("a"), NodeNeed("h", hollow=True)])
    assert got.assign == {"a": "10.244.0.0/24", "b": "10.244.1.0/24", "h": "10.128.0.0/24"}
    assert got.claims == {cidr: name for name, cidr in got.assign.items()}
    assert got.exhausted == ()


def test_what_a_node_has_is_written_down_and_not_given_again():
    got = run([NodeNeed("a", cidr="10.244.0.0/24"), NodeNeed("b")])
    assert got.assign == {"b": "10.244.1.0/24"}
    assert got.claims == {"10.244.0.0/24": "a", "10.244.1.0/24": "b"}


def test_a_range_of_another_size_is_not_overlapped():
    got = run([NodeNeed("a", cidr="10.244.0.0/22"), NodeNeed("c", cidr="10.244.4.128/25"), NodeNeed("b")])
    assert got.assign == {"b": "10.244.5.0/24"}


def test_a_claim_that_was_written_before_its_node_was_told_is_kept():
    got = run([NodeNeed("a"), NodeNeed("b")], {"10.244.7.0/24": "b"})
    assert got.assign == {"a": "10.244.0.0/24", "b": "10.244.7.0/24"}


@pytest.mark.parametrize("theirs", ["10.244.7.0/24", "10.244.6.0/23", "10.244.7.128/25"])
def test_a_claim_is_not_kept_when_another_node_has_the_addresses_by_hand(theirs):
    got = run([NodeNeed("a"), NodeNeed("b", cidr=theirs)], {"10.244.7.0/24": "a"})
    assert got.assign == {"a": "10.244.0.0/24"}
    assert got.claims[theirs] == "b"


@pytest.mark.parametrize("theirs", ["10.244.1.0/24", "10.244.0.0/16", "0.0.0.0/0"])
def test_a_range_that_does_not_count_takes_nothing_from_anybody(theirs):
    claims = {"10.244.1.0/24": "old"}
    nodes = [
        NodeNeed("old", "10.244.1.0/24"),
        NodeNeed("greedy", theirs, counts=False),
        NodeNeed("new"),
    ]
    got = run(nodes, claims)
    assert got.assign == {"new": "10.244.0.0/24"}
    assert got.claims == {"10.244.0.0/24": "new", "10.244.1.0/24": "old"}


def test_ranges_and_claims_that_are_no_ipv4_networks_take_nothing_from_anybody():
    got = run([NodeNeed("a", cidr="fd00::/64"), NodeNeed("b")], {"nonsense": "c"})
    assert (got.assign, got.claims) == ({"b": "10.244.0.0/24"}, {"10.244.0.0/24": "b", "nonsense": "c"})


def test_a_node_that_comes_back_gets_its_range_and_until_then_nobody_does():
    claims = {"10.244.0.0/24": "gone"}
    assert run([NodeNeed("new")], claims).assign == {"new": "10.244.1.0/24"}
    assert run([NodeNeed("gone")], claims).assign == {"gone": "10.244.0.0/24"}


def test_ranges_of_nodes_that_are_no_more_are_given_when_nothing_else_is_left():
    small = Range.parse("10.244.0.0/23", 24)
    claims = {"10.244.0.0/24": "gone", "10.244.1.0/24": "here"}
    got = run([NodeNeed("here", cidr="10.244.1.0/24"), NodeNeed("a"), NodeNeed("b")], claims, small)
    assert (got.assign, got.exhausted) == ({"a": "10.244.0.0/24"}, ("b",))


def test_carried_out_there_is_nothing_left_to_do():
    first = run([NodeNeed("a"), NodeNeed("b")])
    again = run([NodeNeed(name, cidr) for name, cidr in first.assign.items()], first.claims)
    assert (again.assign, again.claims) == ({}, first.claims)


@pytest.mark.parametrize(
    ("cidr", "mask"), [("10.244.0.0/16", 8), ("10.244.0.0/16", 31), ("10.244.0.1/16", 24), ("x", 24)]
)
def test_ranges_that_cannot_be(cidr, mask):
    with pytest.raises(ValueError):  # noqa: PT011 - ipaddress has its own words
        Range.parse(cidr, mask)


NAMES = st.sampled_from([f"n{i}" for i in range(9)])
STEP = st.tuples(NAMES, st.sampled_from(["join", "leave", "lose-write"]))


@given(st.lists(STEP, max_size=40), st.integers(20, 24))
def test_no_two_nodes_ever_overlap_whatever_comes_and_goes(steps, prefix):
    """The record is always written; telling the node may fail, or the controller die before it does."""
    cluster = Range.parse(f"10.244.0.0/{prefix}", 25)
    nodes: dict[str, str] = {}
    claims: dict[str, str] = {}
    for name, what in steps:
        if what == "leave":
            nodes.pop(name, None)
        else:
            nodes.setdefault(name, "")
        got = allocate([NodeNeed(n, c) for n, c in nodes.items()], claims, cluster=cluster, hollow=HOLLOW)
        claims = dict(got.claims)
        if what != "lose-write":
            nodes.update(got.assign)
        held = [ipaddress.IPv4Network(cidr) for cidr in nodes.values() if cidr]
        assert not any(one.overlaps(other) for one, other in combinations(held, 2))
        assert set(got.exhausted).isdisjoint(got.assign)
