"""Thresholds, conditions and what is due."""

import pytest

from kubelet.eviction.signals import (
    DEFAULT_HARD,
    Amount,
    Observation,
    PressureState,
    Signal,
    Threshold,
    ThresholdError,
    judge,
    parse_thresholds,
)

MI = 1024**2
HARD = Threshold(Signal.MEMORY, Amount(100 * MI))
SOFT = Threshold(Signal.MEMORY, Amount(200 * MI), grace_seconds=30.0)
DISK = Threshold(Signal.NODEFS, Amount(share=0.1))
TRANSITION = 300.0


def seen(at: float, memory: int | None = None, disk: int | None = None) -> dict[Signal, Observation]:
    """Observe megabytes of 1000."""
    found = {Signal.MEMORY: memory, Signal.NODEFS: disk}
    return {
        signal: Observation(amount * MI, 1000 * MI, at)
        for signal, amount in found.items()
        if amount is not None
    }


def test_the_defaults_are_upstreams() -> None:
    assert {(item.signal, item.value) for item in parse_thresholds(DEFAULT_HARD)} == {
        (Signal.MEMORY, Amount(100 * MI)),
        (Signal.ALLOCATABLE_MEMORY, Amount(100 * MI)),
        (Signal.NODEFS, Amount(share=0.1)),
        (Signal.NODEFS_INODES, Amount(share=0.05)),
        (Signal.IMAGEFS, Amount(share=0.15)),
        (Signal.IMAGEFS_INODES, Amount(share=0.05)),
    }


def test_soft_thresholds_have_a_grace_period_and_each_may_ask_for_more() -> None:
    [soft] = parse_thresholds(
        "", soft="memory.available<200Mi", grace="memory.available=1m30s", min_reclaim="memory.available=50Mi"
    )
    assert soft == Threshold(Signal.MEMORY, Amount(200 * MI), 90.0, Amount(50 * MI))
    assert not soft.hard


def test_a_threshold_of_nothing_is_none() -> None:
    assert parse_thresholds("memory.available<0,nodefs.available<0%,imagefs.available<100%") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memory.available", "invalid eviction threshold syntax"),
        ("swap.available<1Gi", "unsupported eviction signal swap.available"),
        ("allocatableMemory.available<1Gi", "unsupported eviction signal"),
        ("memory.available<1Gi,memory.available<2Gi", "duplicate eviction threshold"),
        ("memory.available<-1", "must be positive"),
        ("memory.available<110%", ">= 0% and <= 100%"),
        ("memory.available<much", "eviction threshold memory.available"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(ThresholdError, match=words):
        parse_thresholds(text)


def test_a_soft_threshold_without_a_grace_period_is_refused() -> None:
    with pytest.raises(ThresholdError, match="grace period must be specified"):
        parse_thresholds("", soft="memory.available<1Gi")


def test_below_a_hard_threshold_something_is_due_at_once() -> None:
    found = judge(
        (HARD, DISK), seen(1.0, memory=99, disk=500), PressureState(), now=1.0, transition_seconds=TRANSITION
    )

    assert set(found.conditions) == {"MemoryPressure"}
    assert found.due == (HARD,)


def test_memory_comes_before_disk() -> None:
    found = judge(
        (DISK, HARD), seen(1.0, memory=1, disk=1), PressureState(), now=1.0, transition_seconds=TRANSITION
    )

    assert found.due == (HARD, DISK)
    assert found.conditions == {"MemoryPressure", "DiskPressure"}


def test_a_soft_threshold_shows_at_once_and_waits_for_its_grace_period() -> None:
    first = judge((SOFT,), seen(1.0, memory=150), PressureState(), now=1.0, transition_seconds=TRANSITION)
    early = judge((SOFT,), seen(20.0, memory=150), first.state, now=20.0, transition_seconds=TRANSITION)
    later = judge((SOFT,), seen(31.0, memory=150), early.state, now=31.0, transition_seconds=TRANSITION)

    assert set(first.conditions) == {"MemoryPressure"}
    assert (first.due, early.due) == ((), ())
    assert later.due == (SOFT,)


def test_a_soft_threshold_that_recovers_begins_to_wait_anew() -> None:
    first = judge((SOFT,), seen(1.0, memory=150), PressureState(), now=1.0, transition_seconds=TRANSITION)
    well = judge((SOFT,), seen(20.0, memory=250), first.state, now=20.0, transition_seconds=TRANSITION)
    again = judge((SOFT,), seen(31.0, memory=150), well.state, now=31.0, transition_seconds=TRANSITION)

    assert again.due == ()


def test_a_condition_stays_for_the_transition_period() -> None:
    first = judge((HARD,), seen(1.0, memory=50), PressureState(), now=1.0, transition_seconds=TRANSITION)
    well = judge((HARD,), seen(300.0, memory=900), first.state, now=300.0, transition_seconds=TRANSITION)
    over = judge((HARD,), seen(301.0, memory=900), well.state, now=301.0, transition_seconds=TRANSITION)

    assert set(well.conditions) == {"MemoryPressure"}
    assert well.due == ()
    assert over.conditions == frozenset()


def test_a_threshold_is_made_good_only_with_its_least_reclaim() -> None:
    wary = Threshold(Signal.MEMORY, Amount(100 * MI), min_reclaim=Amount(100 * MI))
    first = judge((wary,), seen(1.0, memory=50), PressureState(), now=1.0, transition_seconds=TRANSITION)
    half = judge((wary,), seen(10.0, memory=150), first.state, now=10.0, transition_seconds=TRANSITION)
    over = judge((wary,), seen(20.0, memory=200), half.state, now=20.0, transition_seconds=TRANSITION)

    assert (half.due, over.due) == ((wary,), ())
    # Without having been below it, that much is enough.
    fresh = judge((wary,), seen(1.0, memory=150), PressureState(), now=1.0, transition_seconds=TRANSITION)
    assert fresh.due == ()


def test_an_old_measure_asks_for_nothing_twice() -> None:
    first = judge((HARD,), seen(1.0, memory=50), PressureState(), now=1.0, transition_seconds=TRANSITION)
    again = judge((HARD,), seen(1.0, memory=50), first.state, now=2.0, transition_seconds=TRANSITION)

    assert (first.due, again.due) == ((HARD,), ())
    assert again.conditions == {"MemoryPressure"}


def test_what_could_not_be_measured_says_nothing() -> None:
    first = judge((HARD,), seen(1.0, memory=50), PressureState(), now=1.0, transition_seconds=TRANSITION)
    blind = judge((HARD,), {}, first.state, now=400.0, transition_seconds=TRANSITION)

    assert (blind.due, blind.conditions) == ((), frozenset())
