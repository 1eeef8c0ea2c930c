"""Pages of an ordered table of objects: by prefix, by count and by bytes. Pure."""

from collections.abc import Iterable, Iterator

from sortedcontainers import SortedDict

from apiserver.storage.interface import Key, Page, Stored, Version


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
    items, more = take((table[key] for key in keys), limit, max_bytes)
    return Page(items, version, items[-1].key if more else None, len(keys) - len(items) if more else None)


def take(items: Iterable[Stored], limit: int, max_bytes: int) -> tuple[list[Stored], bool]:
    """Return as many items as fit (0: no bound; one always fits), and whether some were left."""
    taken: list[Stored] = []
    size = 0
    for item in items:
        size += len(item.data)
        if taken and ((limit and len(taken) >= limit) or (max_bytes and size > max_bytes)):
            return taken, True
        taken.append(item)
    return taken, False
