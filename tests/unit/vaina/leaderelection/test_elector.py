"""Every decision about the lock, as tables."""

from dataclasses import dataclass, replace

import pytest

from vaina.leaderelection.elector import (
    Action,
    Follow,
    Observation,
    Record,
    Renew,
    Take,
    Times,
    decide,
    observe,
    released,
    retry_seconds,
)

TIMES = Times()
WALL = 5000.0


def record(
    holder: str, *, duration: int = 15, acquired: float = 1.0, renewed: float = 2.0, transitions: int = 3
) -> Record:
    return Record(holder, duration, acquired, renewed, transitions)


@dataclass(frozen=True)
class Case:
    name: str
    observed: Observation
    now: float
    want: Action


CASES = [
    Case("no lock there has ever been is taken", Observation(None, 0.0), 0.0,
         Take(record("me", acquired=WALL, renewed=WALL, transitions=0))),
    Case("a lock that was given back is taken at once", Observation(record(""), 100.0), 100.0,
         Take(record("me", acquired=WALL, renewed=WALL, transitions=4))),
    Case("ours is renewed, and keeps when it was acquired", Observation(record("me"), 0.0), 90.0,
         Renew(record("me", renewed=WALL))),
    Case("another's counts from when we saw it", Observation(record("other"), 100.0), 100.0, Follow(15.0)),
    Case("another's counts to the last moment", Observation(record("other"), 100.0), 114.5, Follow(0.5)),
    Case("another's that did not change for its duration is taken", Observation(record("other"), 100.0), 115.0,
         Take(record("me", acquired=WALL, renewed=WALL, transitions=4))),
    Case("the times in a record decide nothing: long past", Observation(record("other", renewed=-1e9), 100.0), 101.0,
         Follow(14.0)),
    Case("the times in a record decide nothing: in the future", Observation(record("other", renewed=1e12), 100.0), 115.0,
         Take(record("me", acquired=WALL, renewed=WALL, transitions=4))),
    Case("another's own duration counts, not ours", Observation(record("other", duration=60), 100.0), 120.0, Follow(40.0)),
    Case("a record without a duration counts for ours", Observation(record("other", duration=0), 100.0), 110.0, Follow(5.0)),
    Case("a deleted lock is still its holder's", Observation(record("other"), 100.0, deleted=True), 110.0, Follow(5.0)),
    Case("a deleted lock is taken after its time", Observation(record("other"), 100.0, deleted=True), 115.0,
         Take(record("me", acquired=WALL, renewed=WALL, transitions=4))),
    Case("ours that somebody deleted is made again", Observation(record("me"), 100.0, deleted=True), 101.0,
         Renew(record("me", renewed=WALL))),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decision(case: Case) -> None:
    assert decide(case.observed, "me", TIMES, now=case.now, wall=WALL) == case.want


def test_a_record_that_is_read_again_unchanged_keeps_its_age() -> None:
    first = observe(None, record("other"), now=10.0)
    assert first == Observation(record("other"), 10.0)
    assert observe(first, record("other"), now=20.0) == first


@pytest.mark.parametrize(
    "changed",
    [
        record("third"),
        record("other", renewed=9.0),
        record("other", transitions=4),
        record("other", duration=16),
    ],
)
def test_any_change_makes_a_record_young_again(changed: Record) -> None:
    assert observe(Observation(record("other"), 10.0), changed, now=20.0) == Observation(changed, 20.0)


def test_a_lock_that_is_gone_keeps_its_age_and_one_that_is_back_is_new() -> None:
    held = Observation(record("other"), 10.0)
    gone = observe(held, None, now=20.0)
    assert gone == replace(held, deleted=True)
    assert observe(gone, None, now=21.0) == gone
    assert observe(gone, record("other"), now=22.0) == Observation(record("other"), 22.0)


def test_nothing_seen_at_first_is_no_record() -> None:
    nothing = observe(None, None, now=3.0)
    assert nothing == Observation(None, 3.0)
    assert observe(nothing, None, now=9.0) == nothing


def test_a_released_lock_is_nobodys_and_counts_no_transition_yet() -> None:
    assert released(record("me"), wall=WALL) == Record("", 1, WALL, WALL, 3)


@pytest.mark.parametrize(
    ("action", "dice", "want"),
    [
        (Follow(15.0), 0.0, 2.0),
        (Follow(15.0), 1.0, pytest.approx(4.4)),
        (Follow(0.5), 1.0, 0.5),
        (None, 0.5, pytest.approx(3.2)),
    ],
)
def test_a_follower_comes_back_jittered_and_no_later_than_the_lock_is_free(
    action: Follow | None, dice: float, want: float
) -> None:
    assert retry_seconds(TIMES, action, dice) == want


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((10.0, 10.0, 2.0), "leaseDuration must be greater than renewDeadline"),
        ((15.0, 2.4, 2.0), r"renewDeadline must be greater than retryPeriod\*JitterFactor"),
        ((15.0, 10.0, 0.0), "retryPeriod must be greater than zero"),
    ],
)
def test_times_with_which_two_could_lead_are_refused(times: tuple[float, float, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Times(*times)


def test_a_lease_says_whole_seconds_never_fewer_than_meant() -> None:
    assert Times(2.5, 1.5, 0.5).duration_seconds == 3
