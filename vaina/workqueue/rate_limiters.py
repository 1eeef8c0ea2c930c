"""PURE: how long a key that failed must wait. Follows client-go's exponential failure limiter."""

from vaina.backoff import Backoff


class ItemBackoff:
    """Failures by key since the last success. Bounded by the keys that fail."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures: dict[str, int] = {}

    def when(self, key: str) -> float:
        """Count a failure and return the seconds until the next try."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return self._backoff.delay(failures)

    def forget(self, key: str) -> None:
        """Say that a key has succeeded, or is gone."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """Return how often a key has failed since its last success."""
        return self._failures.get(key, 0)
