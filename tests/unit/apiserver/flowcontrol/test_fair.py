"""Whose turn it is, and who finds room."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.flowcontrol.fair import Client, FairQueue, Ticket

NOISY, QUIET = Client("10.0.0.1", "1"), Client("10.0.0.2", "1")


def queue(*, seats: int = 1, room: int = 5000, full: bool = True) -> FairQueue[str]:
    made: FairQueue[str] = FairQueue(seats, room)
    if full:
        assert made.take(seats)
    return made


def push(
    made: FairQueue[str], client: Client, count: int, seats: int = 1, name: str = ""
) -> list[Ticket[str]]:
    tickets = [made.push(client, seats, name or client.address) for _ in range(count)]
    assert None not in tickets
    return [ticket for ticket in tickets if ticket is not None]


def served(made: FairQueue[str], seats: int = 1) -> list[str]:
    """Let one request end after the other; return in which order the others had their turn."""
    order: list[str] = []
    made.finish(made.in_use)
    while made.waiting or made.in_use:
        order += made.turns()
        made.finish(min(seats, made.in_use))
    return order


def test_free_seats_are_taken_at_once_until_there_are_none() -> None:
    made = queue(seats=3, full=False)
    assert [made.take(2), made.take(2), made.take(1), made.take(1)] == [True, False, True, False]
    made.finish(2)
    assert made.take(2)


def test_nobody_overtakes_those_who_wait() -> None:
    made = queue(seats=2)
    push(made, NOISY, 1, seats=2)
    made.finish(1)
    assert made.turns() == []
    assert not made.take(1)


def test_one_call_of_another_client_waits_for_one_call_of_the_noisy_one_at_most() -> None:
    made = queue()
    push(made, NOISY, 400)
    push(made, QUIET, 1)
    assert served(made).index(QUIET.address) <= 1


def test_who_keeps_coming_gets_every_second_turn_beside_a_thousand_calls() -> None:
    """The quiet client sends its next call when the one before was answered."""
    made = queue()
    push(made, NOISY, 1000)
    push(made, QUIET, 1)
    turns: list[str] = []
    made.finish(1)
    for _ in range(200):
        (turn,) = made.turns()
        turns.append(turn)
        if turn == QUIET.address:
            push(made, QUIET, 1)
        made.finish(1)
    assert turns.count(QUIET.address) >= 99
    # ... and those who come only once do not keep the noisy one from its own.
    assert turns.count(NOISY.address) >= 99


def test_many_connections_of_one_address_have_the_turns_of_one() -> None:
    made = queue()
    for number in range(300):
        push(made, Client("10.0.0.1", str(number)), 1)
    push(made, QUIET, 10)
    order = served(made)
    assert order[:20].count(QUIET.address) >= 9


def test_connections_of_one_address_share_its_turns() -> None:
    made = queue()
    push(made, Client("::1", "1"), 100, name="noisy")
    push(made, Client("::1", "2"), 5, name="quiet")
    assert served(made)[:10].count("quiet") >= 4


def test_newcomers_without_end_do_not_starve_who_waits() -> None:
    made = queue()
    push(made, NOISY, 1)
    made.finish(1)
    for number in range(100):
        push(made, Client(f"new-{number}"), 1)
        (turn,) = made.turns()
        if turn == NOISY.address:
            return
        made.finish(1)
    pytest.fail("never had its turn")


def test_wide_requests_cost_their_client_turns() -> None:
    made = queue(seats=10)
    push(made, NOISY, 50, seats=10)
    push(made, QUIET, 200, seats=1)
    made.finish(10)
    seats: Counter[str] = Counter()
    for _ in range(110):
        for turn in made.turns():
            seats[turn] += 10 if turn == NOISY.address else 1
        made.finish(made.in_use)
        if sum(seats.values()) >= 200:
            break
    assert 0.8 <= seats[NOISY.address] / seats[QUIET.address] <= 1.25


def test_what_is_wider_than_all_seats_takes_all_of_them() -> None:
    made = queue(seats=4, full=False)
    push(made, NOISY, 2, seats=10)
    assert made.turns() == [NOISY.address]
    assert made.in_use == 4
    made.finish(10)
    assert made.turns() == [NOISY.address]


def test_one_client_leaves_half_of_the_room_and_others_find_some() -> None:
    made = queue(room=100)
    accepted = 0
    while made.push(NOISY, 1, "noisy") is not None:
        accepted += 1
    assert 30 <= accepted <= 50
    assert all(made.push(Client("10.0.0.2", str(number)), 1, "other") for number in range(10))
    assert made.push(QUIET, 1, "quiet") is not None


def test_there_is_an_end_to_the_room() -> None:
    made = queue(room=50)
    assert sum(made.push(Client(f"a-{n}"), 1, "x") is not None for n in range(200)) == 50
    assert made.waiting == 50


def test_who_gives_up_leaves_no_trace() -> None:
    made = queue()
    first, second = push(made, NOISY, 2)
    (other,) = push(made, QUIET, 1)
    assert made.remove(first)
    assert not made.remove(first)
    assert made.remove(other)
    assert served(made) == [NOISY.address]
    assert not made.remove(second)
    assert made.waiting == made.in_use == 0


CLIENTS = st.builds(Client, st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), CLIENTS, st.integers(1, 12)),
        st.tuples(st.just("remove"), st.integers(0, 30)),
        st.tuples(st.just("turns")),
        st.tuples(st.just("finish")),
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, seats=st.integers(1, 10), room=st.integers(0, 20))
def test_seats_and_room_are_kept_and_nothing_is_lost(steps, seats: int, room: int) -> None:
    made: FairQueue[int] = FairQueue(seats, room)
    tickets: list[Ticket[int]] = []
    waiting: set[int] = set()
    running: list[int] = []

    def run() -> None:
        for number in made.turns():
            waiting.remove(number)
            running.append(number)

    for step in steps:
        if step[0] == "push":
            ticket = made.push(step[1], step[2], len(tickets))
            if ticket is not None:
                tickets.append(ticket)
                waiting.add(ticket.item)
        elif step[0] == "remove" and step[1] < len(tickets):
            assert made.remove(tickets[step[1]]) == (step[1] in waiting)
            waiting.discard(step[1])
        elif step[0] == "turns":
            run()
        elif running:
            made.finish(tickets[running.pop()].seats)
        assert made.waiting == len(waiting) <= room
        assert made.in_use == sum(min(tickets[number].seats, seats) for number in running) <= seats
    while running or waiting:
        run()
        assert running, "somebody waits, all seats are free, and nobody has a turn"
        made.finish(tickets[running.pop()].seats)
