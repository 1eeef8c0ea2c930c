"""PURE: what needed nothing when it was looked at last. The same objects again need nothing again.

Caches put a new object in the place of one that changed, so "the same" is "the very same objects": to compare
a thousand Pods takes some 30 µs, to sort and count them milliseconds. Only for decisions that do not depend
on the time.
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
        """Say whether an owner and its objects are those that needed nothing."""
        known = self._seen.get(key)
        if known is None or known[0] is not owner or len(known[1]) != len(objects):
            return False
        return all(map(is_, known[1], objects))

    def note(self, key: str, owner: object, objects: Sequence[object]) -> None:
        """Remember that these need nothing, now and later.

        They are kept alive, so that no other object is taken for one of them.
        """
        self._seen.pop(key, None)
        self._seen[key] = owner, objects
        if len(self._seen) > MAX_KEYS:
            del self._seen[next(iter(self._seen))]

    def forget(self, key: str) -> None:
        """Drop a key whose owner is gone, or that needed something."""
        self._seen.pop(key, None)
