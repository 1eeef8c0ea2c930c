"""How often watchers get a message: at once, unless they get many, or are many.

Pure but for the clock that is handed in.

A message costs the server 50 µs and more, whatever is in it, and its reader as much. So the watchers of one
selection get no more than `_CROWD_PER_SECOND` together in a second, and each of them no fewer than
`_MIN_PER_SECOND`: a thousand who watch everything leave half a core for those who write.
"""

from vaina.clock import Clock

#: The first batches go out at once; who gets many more gets one every 20 ms, with all that happened meanwhile
#: (40 -> 19 µs of a scheduler's CPU a Pod).
_BURST, _PER_SECOND = 20.0, 50.0
_CROWD_PER_SECOND, _MIN_PER_SECOND = 2500.0, 4.0


def per_second(crowd: int) -> float:
    """Return how many messages each watcher of a crowd gets in a second."""
    return min(_PER_SECOND, max(_MIN_PER_SECOND, _CROWD_PER_SECOND / max(crowd, 1)))


class Pace:
    """What is left of the messages that may go out at once."""

    __slots__ = ("_allowance", "_clock", "_last")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._allowance, self._last = _BURST, clock.monotonic()

    def wait_seconds(self, crowd: int) -> float:
        """Return how long the next message waits; 0 when it need not."""
        now, rate = self._clock.monotonic(), per_second(crowd)
        burst = _BURST * rate / _PER_SECOND
        self._allowance, self._last = min(burst, self._allowance + (now - self._last) * rate), now
        return max(0.0, (1 - self._allowance) / rate)

    def sent(self) -> None:
        """A message went out."""
        self._allowance -= 1
