"""PURE: which key is next. Follows client-go's workqueue.

A key that waits is there once, however often it is added. A key that is being worked on and is added again
waits until its worker is done, then comes once more: nothing is lost, and no two workers have the same key.
"""

from collections import deque


class WorkQueue:
    """The keys that wait and those that are being worked on. Owned by one RateLimitingQueue."""

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        #: waits, or must come again once its worker is done
        self._dirty: set[str] = set()
        self._processing: set[str] = set()

    def add(self, key: str) -> bool:
        """Add a key; returns whether that is news."""
        if key in self._dirty:
            return False
        self._dirty.add(key)
        if key not in self._processing:
            self._order.append(key)
        return True

    def pop(self) -> str | None:
        """Take the next key to work on, or None."""
        if not self._order:
            return None
        key = self._order.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: str) -> bool:
        """Say that a key's work has ended; returns whether it waits again, having been added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty:
            self._order.append(key)
            return True
        return False

    def __len__(self) -> int:
        return len(self._order)

    @property
    def in_flight(self) -> int:
        """How many keys are being worked on."""
        return len(self._processing)
