"""What the terminal shows while a run goes on.

One line with a bar, or plain lines where there is no terminal. Owned by its user.

Our own and not a library's: a bar, a rate and the time left are some twenty lines, and what would draw them
(rich brings three packages with it) writes to the terminal by itself, past the one place where escapes
are made harmless (decision 200).
"""

import time
from collections import deque
from collections.abc import Callable

from bench.load.podset import PodSet

#: between two looks of who waits for Pods
SHOW_SECONDS = 1.0
#: plain lines are not for looking at: one in so many seconds
_PLAIN_SECONDS = 5.0
#: the rate is of so many looks, so that a pause or a burst of the watch does not make the time left jump
_LOOKS = 10
_WIDTH = 24
#: a terminal of usual width: what is longer would be broken, and not written over
_LINE = 100


class Progress:
    """Owned by the task that makes the runs."""

    def __init__(
        self, write: Callable[[str], None], *, over: str = "", now: Callable[[], float] = time.monotonic
    ) -> None:
        """Make it.

        Args:
            write: takes text as it is.
            over: begins a line that is written over the one before; empty where that cannot be.
            now: the time in seconds.
        """
        self._write, self._over, self._now = write, over, now
        self._begun = now()
        self._open = False
        #: whose these are, and (time, Pods that are done) of the last looks
        self._shown: PodSet | None = None
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)
        self._said = -_PLAIN_SECONDS

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._write(f"{self._end_line()}[{self._now() - self._begun:7.1f} s] {text}\n")

    def show(self, pods: PodSet) -> None:
        """Show how far the Pods of a step are.

        Call it as often as you like: plain lines are written now and then.
        """
        now = self._now()
        if self._shown is not pods:
            self._shown, self._said = pods, -_PLAIN_SECONDS
            self._looks.clear()
        done = reached(pods)
        self._looks.append((now, done))
        text = figures_of(pods, rate_of(self._looks))
        if self._over:
            bar = bar_of(done, len(pods))
            # The name is last: it is what may be cut off.
            self._write(f"{self._over}{f'[{now - self._begun:7.1f} s] {bar} {text}; {pods.name}'[:_LINE]}")
            self._open = True
        elif now - self._said >= _PLAIN_SECONDS:
            self._said = now
            self.say(f"{pods.name}: {text}")

    def close(self) -> None:
        """End the line that changes."""
        self._write(self._end_line())

    def _end_line(self) -> str:
        ended, self._open = ("\n" if self._open else ""), False
        return ended


def reached(pods: PodSet) -> int:
    """Return how many Pods are where they are waited for: bound, or running."""
    return min(pods.bound_count, pods.running_count) if pods.wants_running else pods.bound_count


def rate_of(looks: "deque[tuple[float, int]]") -> float:
    """Return how many come a second over some looks; of a single one nothing is known, and it is 0."""
    (first, before), (last, after) = looks[0], looks[-1]
    return (after - before) / (last - first) if last > first else 0.0


def figures_of(pods: PodSet, rate: float) -> str:
    """Say how far Pods are, how fast they come, and how long that will take at this rate."""
    text = f"{pods.bound_count:,} of {len(pods):,} bound"
    if pods.running_count:
        text += f", {pods.running_count:,} running"
    text += f", {rate:,.0f}/s"
    left = len(pods) - reached(pods)
    return f"{text}, {seconds(left / rate)} left" if left and rate else text


def seconds(value: float) -> str:
    """Write how long something takes: 8 s, 2 min 5 s, 1 h 10 min; by more than a day nobody waits for it."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole < 86_400 else "more than a day"


def bar_of(done: int, count: int) -> str:
    """Return a bar and per cent; full only when all is done."""
    share = done / count if count else 1.0
    return f"{'#' * int(share * _WIDTH):-<{_WIDTH}} {int(share * 100):3} %"
