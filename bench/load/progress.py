"""What the terminal shows while a run goes on: one line that changes, or plain lines where there is no terminal."""

import time
from collections.abc import Callable

from bench.load.podset import PodSet

SHOW_SECONDS = 1.0


class Progress:
    """Owned by the task that makes the runs."""

    def __init__(self, write: Callable[[str], None], *, over: str = "") -> None:
        """Make it.

        Args:
            write: takes text as it is.
            over: begins a line that is written over the one before; empty where that cannot be.
        """
        self._write, self._over = write, over
        self._begun = time.monotonic()
        self._open = False
        self._last: tuple[PodSet | None, float, int] = (None, 0.0, 0)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._write(f"{self._end_line()}[{time.monotonic() - self._begun:7.1f} s] {text}\n")

    def show(self, pods: PodSet) -> None:
        """Show how far the Pods of a step are."""
        now = time.monotonic()
        shown, at, count = self._last
        rate = (pods.bound_count - count) / (now - at) if shown is pods and now > at else 0.0
        self._last = (pods, now, pods.bound_count)
        text = f"{pods.name}: {pods.bound_count:,} of {len(pods):,} bound, {rate:,.0f}/s"
        if pods.running_count:
            text += f", {pods.running_count:,} running"
        if not self._over:
            self.say(text)
            return
        self._write(f"{self._over}[{now - self._begun:7.1f} s] {text}")
        self._open = True

    def close(self) -> None:
        """End the line that changes."""
        self._write(self._end_line())

    def _end_line(self) -> str:
        ended, self._open = ("\n" if self._open else ""), False
        return ended
