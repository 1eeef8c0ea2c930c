from ipaddress import IPv4Address as A
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelet.network.plan import AddressesExhausted, link_address, next_address

CIDR = IPv4Network("10.244.1.0/24")
SMALL = IPv4Network("10.244.1.0/29")


@pytest.mark.parametrize(
    ("taken", "last", "want"),
    [
        pytest.param(set(), None, "10.244.1.2", id="the first Pod gets the address after the gateway"),
        pytest.param({A("10.244.1.2")}, None, "10.244.1.3", id="a taken address is passed over"),
        pytest.param(
            set(), A("10.244.1.7"), "10.244.1.8", id="a freed address rests until the circle closes"
        ),
        pytest.param(set(), A("10.244.1.254"), "10.244.1.2", id="after the last address comes the first"),
        pytest.param(set(), A("10.9.9.9"), "10.244.1.2", id="a last address of another CIDR means nothing"),
    ],
)
def test_next_address(taken: set[A], last: A | None, want: str) -> None:
    assert next_address(CIDR, taken, last) == A(want)


@given(st.lists(st.booleans(), max_size=40))
def test_no_address_is_given_twice_while_it_is_held(story: list[bool]) -> None:
    """Any story of Pods that come (True) and go (False).

    Every address held is unique and inside the hosts' range.
    """
    held: list[A] = []
    last: A | None = None
    for comes in story:
        if comes:
            try:
                last = next_address(SMALL, set(held), last)
            except AddressesExhausted:
                assert len(held) == 5
                continue
            assert last not in held
            assert A("10.244.1.2") <= last <= A("10.244.1.6")
            held.append(last)
        elif held:
            held.pop(0)


def test_a_link_address_is_made_of_the_address() -> None:
    assert link_address(A("10.244.1.1")) == "0a:58:0a:f4:01:01"
