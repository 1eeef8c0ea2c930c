"""What is shown while a run goes on."""

import pytest

from bench.load.podset import PodSet
from bench.load.progress import Progress, bar_of, seconds


class Hand:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def pods(count: int, *, wants_running: bool = False) -> PodSet:
    return PodSet(
        "createPods [2]", "load-1", [f"p{number}" for number in range(count)], wants_running=wants_running
    )


def bind(given: PodSet, upto: int) -> None:
    for index in range(given.bound_count, upto):
        given.see_bound(index, "n", 1.0)


def test_a_rate_is_of_the_pods_of_one_run() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    before, after = pods(2), pods(2)
    before.see_bound(0, "n", 1.0)
    progress.show(before)
    # The next run has as many Pods under the same names, and begins with none.
    progress.show(after)
    assert said[1].endswith("createPods [2]: 0 of 2 bound, 0/s\n")


def test_a_terminal_has_one_line_with_a_bar_the_rate_and_the_time_that_is_left() -> None:
    said: list[str] = []
    clock, given = Hand(), pods(1000)
    progress = Progress(said.append, over="<", now=clock)
    progress.show(given)
    clock.at += 2
    bind(given, 250)
    progress.show(given)
    assert (
        said[-1]
        == f"<[    2.0 s] {'#' * 6}{'-' * 18}  25 % 250 of 1,000 bound, 125/s, 6 s left; createPods [2]"
    )
    assert not any("\n" in each for each in said)
    progress.say("done")
    assert said[-1] == "\n[    2.0 s] done\n"


def test_a_rate_is_of_the_last_looks_alone() -> None:
    said: list[str] = []
    clock, given = Hand(), pods(100_000)
    progress = Progress(said.append, over="<", now=clock)
    for look in range(20):
        bind(given, look * 10 if look < 10 else 10_000 + look * 1000)
        progress.show(given)
        clock.at += 1
    # Ten looks are nine seconds: what was slow before them is gone.
    assert "1,000/s" in said[-1]


def test_without_a_terminal_there_is_a_plain_line_now_and_then() -> None:
    said: list[str] = []
    clock, given = Hand(), pods(100)
    progress = Progress(said.append, now=clock)
    for _ in range(21):
        progress.show(given)
        clock.at += 1
    assert len(said) == 5
    assert all(each.endswith("\n") and "#" not in each for each in said)


def test_pods_that_should_run_are_done_when_they_do() -> None:
    said: list[str] = []
    clock, given = Hand(), pods(4, wants_running=True)
    progress = Progress(said.append, over="<", now=clock)
    bind(given, 4)
    progress.show(given)
    assert "   0 % 4 of 4 bound" in said[-1].replace("-", "")
    given.see_running(0, 1.0)
    clock.at += 1
    progress.show(given)
    assert said[-1].endswith("4 of 4 bound, 1 running, 1/s, 3 s left; createPods [2]")


def test_a_line_fits_a_terminal() -> None:
    said: list[str] = []
    Progress(said.append, over="<", now=Hand()).show(PodSet("x" * 300, "load-1", ["a"]))
    assert len(said[-1]) == 101


@pytest.mark.parametrize(
    ("done", "count", "want"),
    [
        (0, 10, f"{'-' * 24}   0 %"),
        (999, 1000, f"{'#' * 23}-  99 %"),
        (10, 10, f"{'#' * 24} 100 %"),
        (0, 0, f"{'#' * 24} 100 %"),
    ],
)
def test_a_bar_is_full_only_when_all_is_done(done: int, count: int, want: str) -> None:
    assert bar_of(done, count) == want


@pytest.mark.parametrize(
    ("value", "want"),
    [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 5 s"), (4200, "1 h 10 min"), (1e9, "more than a day")],
)
def test_the_time_that_is_left_is_written_as_people_do(value: float, want: str) -> None:
    assert seconds(value) == want
