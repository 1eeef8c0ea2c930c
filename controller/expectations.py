"""PURE: what a controller remembers of a key: what its cache must show, and that it needed nothing (I7, I10).

A controller that has written remembers what its cache must show before it decides again: of creations the
newest version, of deletions that the object is gone or ending. Creations whose answer was lost are remembered
by name, and asked for again under the same name until the answer is clear; meanwhile nothing else is created.

Versions are ordered over all objects, so that no events are counted, as upstream's expectations do. Theirs
expire after five minutes too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, Final

#: expectations older than this are given up
TTL_SECONDS = 300.0
#: keys that are remembered; the one noted first is forgotten first
MAX_KEYS: Final = 20_000


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
        expected = self._note(key, now)
        expected.version = max(expected.version, version)
        expected.unknown.pop(name, None)

    def create_unknown(self, key: str, name: str, now: float) -> None:
        self._note(key, now).unknown[name] = None

    def settled(self, key: str, name: str) -> None:
        """Note that the outcome of a creation is known: it was refused, or the cache shows the object."""
        if key in self._by_key:
            self._by_key[key].unknown.pop(name, None)

    def deleted(self, key: str, uid: str, now: float) -> None:
        self._note(key, now).deleting.add(uid)

    def unknown(self, key: str) -> Collection[str]:
        expected = self._by_key.get(key)
        return tuple(expected.unknown) if expected else ()

    def fulfilled(self, key: str, *, version: int, is_ending: Callable[[str], bool], now: float) -> bool:
        """Say whether the cache, of this version, shows everything that was done for a key.

        `is_ending` says whether it shows the object of a uid as gone or ending; `now` is monotonic seconds.
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
        self._by_key.pop(key, None)

    def _note(self, key: str, now: float) -> Expected:
        expected = self._by_key.setdefault(key, Expected())
        expected.since = now
        return expected


class AtRest:
    """By key, what needed nothing when it was looked at last; for decisions that do not depend on the time.

    Caches put a new object in the place of one that changed, so "the same" means "the very same objects": to
    compare a thousand Pods takes some 30 µs, to sort and count them milliseconds.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, Sequence[Any]]] = {}

    def is_same(self, key: str, owner: object, objects: Sequence[object]) -> bool:
        known = self._seen.get(key)
        if known is None or known[0] is not owner or len(known[1]) != len(objects):
            return False
        return all(map(is_, known[1], objects))

    def note(self, key: str, owner: object, objects: Sequence[object]) -> None:
        """Remember that these need nothing. They are kept alive, so that none is taken for another."""
        self._seen.pop(key, None)
        self._seen[key] = owner, objects
        if len(self._seen) > MAX_KEYS:
            del self._seen[next(iter(self._seen))]

    def forget(self, key: str) -> None:
        self._seen.pop(key, None)
