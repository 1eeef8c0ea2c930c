"""A detector of writes to shared objects.

It is on in every test, off in production (it keeps a copy of everything).
"""

from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


class CacheMutated(AssertionError):
    """Somebody changed an object that a lister or a handler gave out."""


class MutationDetector:
    """Remembers the bytes of each object that went into a cache."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Message, bytes]] = {}

    def remember(self, obj: Message) -> None:
        """Take note of an object as it is now; it is kept alive, so that its identity stays its own."""
        self._seen[id(obj)] = (obj, obj.SerializeToString(deterministic=True))

    def check(self) -> None:
        """Raise CacheMutated for the first object that is not what it was."""
        for obj, data in self._seen.values():
            if obj.SerializeToString(deterministic=True) != data:
                was = type(obj).FromString(data)
                raise CacheMutated(f"an object of a cache was changed in place\nwas: {was}\nis: {obj}")
