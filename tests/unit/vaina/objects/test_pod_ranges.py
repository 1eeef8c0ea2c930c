"""Which Node has which range of Pod addresses."""

from ipaddress import IPv4Network as N
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaina.api.core.v1 import node_pb2
from vaina.objects.nodes import kept_ranges

CLUSTER = N("10.244.0.0/16")


def node(name: str, cidr: str, created: int = 1, uid: str = "") -> node_pb2.Node:
    made = node_pb2.Node(spec=node_pb2.NodeSpec(pod_cidr=cidr))
    made.metadata.name, made.metadata.uid = name, uid or name
    made.metadata.creation_timestamp.seconds = created
    return made


OLD = node("old", "10.244.1.0/24", 1)


@pytest.mark.parametrize(
    ("nodes", "want"),
    [
        pytest.param([node("a", "10.244.0.0/24"), OLD], {"a": "10.244.0.0/24", "old": "10.244.1.0/24"},
                     id="ranges that have nothing in common are all kept"),
        pytest.param([node("a", "")], {}, id="a node without a range has none"),
        pytest.param([node("a", "10.244.1.1/24"), node("b", "fd00::/64"), node("c", "x")], {},
                     id="what is no IPv4 network is no range"),
        pytest.param([node("a", "172.18.0.4/32"), node("b", "0.0.0.0/0"), node("c", "10.0.0.0/8")], {},
                     id="what lies outside of the cluster's range, or holds it, is not believed"),
        pytest.param([node("new", "10.244.1.0/24", 2), OLD], {"old": "10.244.1.0/24"},
                     id="of two that claim one range the older keeps it"),
        pytest.param([node("new", "10.244.1.7/32", 2), OLD], {"old": "10.244.1.0/24"},
                     id="a younger node has no part of it"),
        pytest.param([node("new", "10.244.0.0/16", 2), OLD], {"old": "10.244.1.0/24"},
                     id="nor all that is around it"),
        pytest.param([node("new", "10.244.0.0/16", 2), OLD, node("newest", "10.244.2.0/24", 3)],
                     {"old": "10.244.1.0/24", "newest": "10.244.2.0/24"},
                     id="who has no range keeps nothing from younger ones"),
        pytest.param([node("a", "10.244.1.0/24", 1, "u2"), node("b", "10.244.1.0/24", 1, "u1")],
                     {"b": "10.244.1.0/24"}, id="of two made in one second the first by uid, which nobody chooses"),
    ],
)  # fmt: skip
def test_kept_ranges(nodes: list[node_pb2.Node], want: dict[str, str]) -> None:
    for order in (nodes, nodes[::-1]):
        assert kept_ranges(order, (CLUSTER,)) == {name: N(cidr) for name, cidr in want.items()}


def test_a_range_may_lie_in_any_of_several() -> None:
    nodes = [node("a", "10.244.1.0/24"), node("h", "10.128.0.0/24"), node("far", "10.9.0.0/24")]

    assert set(kept_ranges(nodes, (CLUSTER, N("10.128.0.0/9")))) == {"a", "h"}


CIDRS = st.builds(
    lambda address, length: str(N((address << (32 - length) & 0xFFFF | 0x0AF40000, length), strict=False)),
    st.integers(0, 255), st.integers(16, 32),
)  # fmt: skip


@given(st.lists(st.tuples(CIDRS, st.integers(1, 4)), max_size=20))
def test_those_that_are_kept_are_the_oldest_that_fit_beside_each_other(claims: list[tuple[str, int]]) -> None:
    nodes = [node(f"n{index:02}", cidr, age) for index, (cidr, age) in enumerate(claims)]
    kept = kept_ranges(nodes, (CLUSTER,))

    assert not any(one.overlaps(other) for one, other in combinations(kept.values(), 2))
    naive: dict[str, N] = {}
    for one in sorted(nodes, key=lambda n: (n.metadata.creation_timestamp.seconds, n.metadata.uid)):
        if not any(N(one.spec.pod_cidr).overlaps(other) for other in naive.values()):
            naive[one.metadata.name] = N(one.spec.pod_cidr)
    assert kept == naive
