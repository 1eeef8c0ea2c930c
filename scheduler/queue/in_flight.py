"""Pods that were popped for an attempt, and what has happened since.

Events that come while a Pod is in flight are kept and looked at when it fails: otherwise it would sleep through
the one that mattered. Upstream's `inFlightEvents` of `backend/queue/active_queue.go`.
"""

from collections.abc import Sequence
from typing import Final

from scheduler.queue.refusals import Happened

#: events kept for Pods in flight; a Pod that has been in flight for longer than these go back is tried again
#: in any case
MAX_EVENTS: Final = 10_000
#: events of which nobody looks whether they are still needed
_SLACK: Final = 256


class InFlight:
    """Pods in flight. Owned by the scheduling queue."""

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._max_events = max_events
        #: uid -> how many events there had been when it was popped; in the order of popping
        self.began: dict[str, int] = {}
        self._events: list[Happened] = []
        #: number of the first event kept
        self._first = 0
        #: so many events, and it is looked which are still needed
        self._look_at = min(_SLACK, max_events) + 1

    def __len__(self) -> int:
        return len(self.began)

    @property
    def position(self) -> int:
        """How many events there have been."""
        return self._first + len(self._events)

    def note(self, happened: Sequence[Happened]) -> None:
        if self.began:
            self._events += happened
            if len(self._events) >= self._look_at:
                self.forget()

    def since(self, uid: str) -> Sequence[Happened] | None:
        """Return what happened since a Pod was popped; None: more than is kept."""
        start = self.began[uid] - self._first
        return None if start < 0 else self._events[start:]

    def forget(self) -> None:
        """Drop events that happened before the first Pod in flight was popped, and the older half of too many.

        Not for each Pod that gets its node: to find the first of those in flight, and to move what stays,
        takes time.
        """
        events = self._events
        dropped = max(next(iter(self.began.values()), self.position) - self._first, 0)
        if len(events) - dropped > self._max_events:
            dropped += (len(events) - dropped) // 2
        if dropped:
            del events[:dropped]
            self._first += dropped
        self._look_at = min(2 * len(events) + _SLACK, self._max_events) + 1
