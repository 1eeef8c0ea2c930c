"""The checker accepts what a register can answer and finds each way in which it cannot."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import linearizability
from tests.support.linearizability import Operation, TooManyStates, by_key, check


def register(state: int, request: object, answer: object) -> Iterator[int]:
    """A number: ("write", n), ("read",), ("cas", old, new) -> bool."""
    match request:
        case ("write", int(n)):
            yield n
        case ("read",):
            if answer is None or answer == state:
                yield state
        case ("cas", int(old), int(new)):
            if answer is not False and state == old:
                yield new
            if answer is not True and state != old:
                yield state


def write(called: float, returned: float, n: int) -> Operation:
    return Operation(called, ("write", n), "ok", returned)


def read(called: float, returned: float, n: int) -> Operation:
    return Operation(called, ("read",), n, returned)


def cas(called: float, returned: float, old: int, new: int, answer: bool) -> Operation:
    return Operation(called, ("cas", old, new), answer, returned)


GOOD = {
    "nothing": [],
    "one after the other": [write(0, 1, 5), read(2, 3, 5), write(4, 5, 6), read(6, 7, 6)],
    "a read during a write sees the old": [write(0, 9, 5), read(1, 2, 0)],
    "a read during a write sees the new": [write(0, 9, 5), read(1, 2, 5)],
    "first the old, then the new": [write(0, 9, 5), read(1, 2, 0), read(3, 4, 5)],
    "writes at once, in either order": [write(0, 9, 1), write(0, 9, 2), read(10, 11, 1), read(12, 13, 1)],
    "one of two compares wins": [cas(0, 5, 0, 1, True), cas(0, 5, 0, 2, False), read(6, 7, 1)],
    "an unknown write happened": [Operation(0, ("write", 5)), read(1, 2, 5)],
    "an unknown write did not happen": [Operation(0, ("write", 5)), read(1, 2, 0), read(8, 9, 0)],
    "an unknown write happened late": [Operation(0, ("write", 5)), read(1, 2, 0), write(3, 4, 7), read(5, 6, 5)],
    "an unknown compare happened": [Operation(0, ("cas", 0, 1)), cas(2, 3, 1, 2, True)],
    "the end of one is the beginning of the next": [write(0, 1, 5), read(1, 2, 0)],
}  # fmt: skip
BAD = {
    "a stale read": [write(0, 1, 5), read(2, 3, 0)],
    "a read of what was never written": [write(0, 1, 5), read(2, 3, 6)],
    "a read of what is written later": [read(0, 1, 5), write(2, 3, 5)],
    "the new, then the old": [write(0, 9, 5), read(1, 2, 5), read(3, 4, 0)],
    "a lost update": [cas(0, 5, 0, 1, True), cas(0, 5, 0, 2, True)],
    "a refusal without a reason": [cas(0, 1, 0, 1, False)],
    "both orders at once": [write(0, 9, 1), write(0, 9, 2), read(10, 11, 1), read(12, 13, 2)],
    "an unknown write happened twice": [Operation(0, ("write", 5)), read(1, 2, 5), write(3, 4, 7), read(5, 6, 5)],
    "an unknown write happened before it began": [read(0, 1, 5), Operation(2, ("write", 5))],
    "an acknowledged write was undone": [write(0, 1, 5), read(2, 3, 5), read(4, 5, 0)],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_a_register_can_answer_is_accepted(name: str) -> None:
    verdict = check(GOOD[name], 0, register)
    assert str(verdict) == "linearizable"
    assert set(verdict.order) <= set(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_what_no_register_can_answer_is_found(name: str) -> None:
    verdict = check(BAD[name], 0, register)
    assert not verdict.ok
    assert verdict.stuck
    assert "none of these can be next" in str(verdict)


def test_keys_are_checked_each_for_itself() -> None:
    found = by_key({"a": GOOD["one after the other"], "b": BAD["a stale read"]}, 0, register)
    assert list(found) == ["b"]


def test_an_order_keeps_to_real_time() -> None:
    verdict = check(GOOD["first the old, then the new"], 0, register)
    assert [operation.answer for operation in verdict.order] == [0, "ok", 5]


def test_what_is_too_entangled_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizability, "MAX_LOOKED_AT", 100)
    entangled = [*(Operation(0, ("write", n)) for n in range(20)), read(50, 51, 99)]
    with pytest.raises(TooManyStates):
        check(entangled, 0, register)


def simulate(seed: int, clients: int, calls: int, *, lie: bool) -> list[Operation]:
    """Run clients against a register, each call taking effect somewhere between its beginning and end.

    Or tell a lie once.
    """
    rng, state, made = Random(seed), 0, []
    moments = sorted(
        (rng.uniform(0, calls), client) for client in range(clients) for _ in range(calls)
    )  # the moments of effect
    free = [0.0] * clients
    for effect, client in moments:
        called = rng.uniform(free[client], effect)
        later = [at for at, other in moments if other == client and at > effect]
        returned = rng.uniform(effect, min(later, default=effect + 1))
        free[client] = returned
        kind = rng.randrange(3)
        if kind == 0:
            state = rng.randrange(1000)
            made.append(write(called, returned, state))
        elif kind == 1:
            made.append(read(called, returned, state))
        else:
            old, new = (state if rng.random() < 0.6 else rng.randrange(1000)), rng.randrange(1000)
            made.append(cas(called, returned, old, new, old == state))
            state = new if old == state else state
    end = max(operation.returned for operation in made) + 1
    return [*made, read(end, end + 1, state + 1 if lie else state)]


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 12))
def test_what_a_register_did_answer_is_accepted(seed: int, clients: int, calls: int) -> None:
    assert check(simulate(seed, clients, calls, lie=False), 0, register).ok


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 8))
def test_a_lie_at_the_end_is_found(seed: int, clients: int, calls: int) -> None:
    history = simulate(seed, clients, calls, lie=True)
    told = history[-1].answer
    # Unless another order of the last calls would make it true: no write of that number.
    written = {
        request[-1]
        for operation in history
        if isinstance(request := operation.request, tuple) and len(request) > 1
    }
    assert check(history, 0, register).ok <= (told in written)
