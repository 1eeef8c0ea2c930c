"""PURE: what needed nothing when it was looked at last; for decisions that do not depend on the time.

Caches put a new object in the place of one that changed, so "the same" means "the very same objects": to
compare a thousand Pods takes some 30 µs, to sort and count them milliseconds.
"""

from collections.abc import Sequence
from operator import is_
from typing import Any, Final

#: keys that are remembered; the one noted first is forgotten first
MAX_KEYS: Final = 20_000


class AtRest:
    """By key of a controller. Owned by its workers; no two of them have the same key."""

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
        """Drop a key whose owner is gone, or that needed something."""
        self._seen.pop(key, None)
