"""What one client may have of a server's calls and connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaina.errors import TooManyRequests
from vaina.serving.clients import Clients


def test_a_client_has_as_many_calls_as_are_left_for_others() -> None:
    clients, room = Clients(), 100
    for calls in range(51):
        clients.enter("ana", f"peer-{calls}", room - calls, is_user=False)
    with pytest.raises(TooManyRequests):
        clients.enter("ana", "peer", room - 51, is_user=False)
    # Others find room.
    clients.enter("ben", "peer", room - 51, is_user=True)


def test_a_user_has_so_many_connections_and_an_address_as_many_as_it_likes() -> None:
    clients = Clients(max_connections=3)
    for number in range(3):
        clients.enter("ana", f"peer-{number}", 100, is_user=True)
    with pytest.raises(TooManyRequests):
        clients.enter("ana", "peer-3", 100, is_user=True)
    # Over those that she has she may go on.
    clients.enter("ana", "peer-2", 100, is_user=True)
    clients.enter("ben", "peer-3", 100, is_user=True)
    for number in range(5):
        clients.enter("ipv4:10.0.0.1", f"peer-{number}", 100, is_user=False)
    clients.leave("ana", "peer-2")
    with pytest.raises(TooManyRequests):
        clients.enter("ana", "peer-3", 100, is_user=True)
    clients.leave("ana", "peer-2")
    clients.enter("ana", "peer-3", 100, is_user=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.integers(0, 5)), max_size=50))
def test_what_has_left_leaves_no_trace(calls: list[tuple[str, str, int]]) -> None:
    clients, entered = Clients(max_connections=2), list[tuple[str, str]]()
    for client, peer, free in calls:
        try:
            clients.enter(client, peer, free, is_user=client != "c")
        except TooManyRequests:
            continue
        entered.append((client, peer))
    for client, peer in entered:
        clients.leave(client, peer)
    assert vars(clients) == vars(Clients(max_connections=2))
