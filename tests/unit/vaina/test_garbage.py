"""The garbage collector, with what stays left out: nothing that is in a circle stays for ever."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vaina.serving.main import FULL_SECONDS, GROWTH_BYTES, Freezer, is_full_due, resident_bytes

_MB = 1024 * 1024


class Ring:
    """Holds itself: only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


class Process:
    """What a freezer asks of its process."""

    def __init__(self) -> None:
        self.now, self.bytes = 0.0, 100 * _MB


@contextmanager
def _installed(process: Process) -> Iterator[None]:
    thresholds = gc.get_threshold()
    freezer = Freezer(lambda: process.now, lambda: process.bytes)
    freezer.install()
    try:
        yield
    finally:
        freezer.remove()
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize(
    ("passed", "before", "now", "due"),
    [
        (0.0, 100 * _MB, 100 * _MB, False),
        (0.0, 100 * _MB, 50 * _MB, False),
        (0.0, 100 * _MB, 100 * _MB + GROWTH_BYTES - 1, False),
        (0.0, 100 * _MB, 100 * _MB + GROWTH_BYTES, True),
        (0.0, 1000 * _MB, 1499 * _MB, False),
        (0.0, 1000 * _MB, 1500 * _MB, True),
        (FULL_SECONDS - 1, 100 * _MB, 100 * _MB, False),
        (FULL_SECONDS, 100 * _MB, 100 * _MB, True),
    ],
)
def test_everything_is_looked_at_when_memory_has_grown_or_time_has_passed(
    passed: float, before: int, now: int, due: bool
) -> None:
    assert is_full_due(passed, before, now) is due


def test_the_resident_memory_of_this_process_is_known() -> None:
    assert 5 * _MB < resident_bytes() < 100 * 1024 * _MB


def test_what_survives_is_not_looked_at_again() -> None:
    with _installed(Process()):
        kept = [Ring() for _ in range(1000)]
        gc.collect()
        frozen = gc.get_freeze_count()
        assert not any(one is kept[0] for one in gc.get_objects())
        del kept[1:]
        gc.collect()
        assert gc.get_freeze_count() >= frozen - 100  # the rings that nobody holds are among them still


def test_new_circles_are_freed_as_ever() -> None:
    with _installed(Process()):
        gone = weakref.ref(Ring())
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("what", ["grown", "later"])
def test_a_frozen_circle_that_nobody_holds_is_freed_in_time(what: str) -> None:
    process = Process()
    with _installed(process):
        ring = Ring()
        gone = weakref.ref(ring)
        gc.collect()
        del ring
        gc.collect()
        assert gone() is not None
        if what == "grown":
            process.bytes += GROWTH_BYTES
        else:
            process.now += FULL_SECONDS
        gc.collect()
        assert gone() is None
        # And from then on it is counted anew.
        ring = Ring()
        gone = weakref.ref(ring)
        gc.collect()
        del ring
        gc.collect()
        assert gone() is not None


def test_a_process_that_ends_it_has_nothing_frozen() -> None:
    with _installed(Process()):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
