"""PURE: a guard against acting on a stale cache (I7, I10).

A controller that has written remembers what its cache must show before it decides again:

    creations   the cache has reached the version that the newest of them got
    deletions   the object is gone from the cache, or is marked as ending
    unknown     creations whose answer was lost, by name: they may have happened. They are asked for again
                under the same name,
                until the answer is clear; meanwhile nothing else is created

Versions are ordered over all objects, so no counting of events is needed (upstream's expectations count, and
expire after five minutes; here the same time is the last resort).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

#: expectations older than this are given up
TTL_SECONDS = 300.0


@dataclass(slots=True)
class Expected:
    """What is expected for one key."""

    version: int = 0
    deleting: set[str] = field(default_factory=set)
    unknown: dict[str, None] = field(default_factory=dict)
    #: when the newest was noted
    since: float = 0.0


class Expectations:
    """By key of the controller. Owned by its workers; no two of them have the same key."""

    def __init__(self) -> None:
        self._by_key: dict[str, Expected] = {}

    def created(self, key: str, name: str, version: int, now: float) -> None:
        """Note a creation that was acknowledged."""
        expected = self._note(key, now)
        expected.version = max(expected.version, version)
        expected.unknown.pop(name, None)

    def create_unknown(self, key: str, name: str, now: float) -> None:
        """Note a creation whose outcome is not known."""
        self._note(key, now).unknown[name] = None

    def settled(self, key: str, name: str) -> None:
        """Note that the outcome of a creation is known: it was refused, or the cache shows the object."""
        if key in self._by_key:
            self._by_key[key].unknown.pop(name, None)

    def deleted(self, key: str, uid: str, now: float) -> None:
        """Note a deletion that was acknowledged."""
        self._note(key, now).deleting.add(uid)

    def unknown(self, key: str) -> Collection[str]:
        """Return the names whose creation must be settled first."""
        expected = self._by_key.get(key)
        return tuple(expected.unknown) if expected else ()

    def fulfilled(self, key: str, *, version: int, is_ending: Callable[[str], bool], now: float) -> bool:
        """Say whether the cache shows everything that was done for a key.

        Args:
            key: of the controller.
            version: of the cache of what is created and deleted.
            is_ending: whether the cache shows the object of a uid as gone or ending.
            now: seconds, of the clock that the notes were made with.
        """
        expected = self._by_key.get(key)
        if expected is None:
            return True
        if now - expected.since > TTL_SECONDS:
            del self._by_key[key]
            return True
        expected.deleting = {uid for uid in expected.deleting if not is_ending(uid)}
        if expected.version > version or expected.deleting or expected.unknown:
            return False
        del self._by_key[key]
        return True

    def forget(self, key: str) -> None:
        """Drop everything about a key whose object is gone."""
        self._by_key.pop(key, None)

    def _note(self, key: str, now: float) -> Expected:
        expected = self._by_key.setdefault(key, Expected())
        expected.since = now
        return expected
