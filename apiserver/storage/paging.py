"""Pages of an ordered table of objects: by prefix, by count and by bytes. Pure."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from apiserver.storage.interface import Key, Page, Stored, Version
from vaina.errors import VERSION_TOO_LARGE, FieldError, Timeout


def keys_below(table: "SortedDict[Key, object]", prefix: str, after: Key | None) -> Iterator[Key]:
    """Return the keys of a table that start with a prefix, in order, after a key (exclusive)."""
    start = prefix if after is None or after < prefix else after
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    found: Iterator[Key] = table.irange(start, end, inclusive=(start != after, False))
    return found


def page_of(
    table: "SortedDict[Key, Stored]",
    prefix: Key,
    version: Version,
    *,
    limit: int,
    max_bytes: int,
    after: Key | None,
) -> Page:
    """Return the page of a table of what is stored that `Storage.list` promises."""
    keys = list(keys_below(table, prefix, after))
    filler = PageFiller(limit, max_bytes)
    for key in keys:
        if filler.is_full or not filler.add(table[key]):
            break
    left = len(keys) - len(filler.items)
    return Page(filler.items, version, filler.items[-1].key if left else None, left or None)


class PageFiller:
    """Takes objects until a page is full."""

    __slots__ = ("_bytes", "_limit", "_max_bytes", "items")

    def __init__(self, limit: int, max_bytes: int) -> None:
        """Start a page; 0 is no bound."""
        self._limit, self._max_bytes, self._bytes = limit, max_bytes, 0
        self.items: list[Stored] = []

    @property
    def is_full(self) -> bool:
        return bool(self._limit) and len(self.items) >= self._limit

    def add(self, item: Stored) -> bool:
        """Take an object, or say that its bytes do not fit any more (one always fits)."""
        size = self._bytes + len(item.data)
        if self.items and self._max_bytes and size > self._max_bytes:
            return False
        self._bytes = size
        self.items.append(item)
        return True


def too_large(asked: Version, current: Version) -> Timeout:
    """Make the error for a version that does not exist yet (TooLargeResourceVersion of `storage/errors.go`)."""
    cause = FieldError(VERSION_TOO_LARGE, "", "Too large resource version")
    return Timeout(
        f"Too large resource version: {asked}, current: {current}", causes=[cause], retry_seconds=1
    )
