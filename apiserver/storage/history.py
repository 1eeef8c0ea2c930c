"""What the rings no longer have, read from the storage for those who resume: one at a time reads for all.

After a restart, or after the caches were filled anew, every ring is empty and all clients resume at once,
each a little before the ring's beginning. The first of them lengthens the rings of all kinds backwards, with
one watch of the storage; the others find what they want there. A client that is too far behind for the ring
gets what the storage has in portions, a few such clients at once; the others are told Expired, and list from
the cache. Owned by one event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from copy import copy
from typing import NamedTuple

from apiserver.storage import versions
from apiserver.storage.cached import CacheEvent, Entry
from apiserver.storage.feed import CachedKind
from apiserver.storage.interface import EventType, Key, Storage, StorageEvent, Version
from apiserver.storage.keys import REGISTRY
from apiserver.storage.metrics import StorageMetrics
from vaina.errors import ApiError, Expired, Timeout

#: events, and bytes of their objects, of all kinds that one reading keeps: what a ring holds
MAX_EVENTS, MAX_BYTES = 32_768, 96 * 1024 * 1024
#: streams that are served with portions of what the storage has; each holds one portion at most
MAX_PORTIONS = 4
#: of one reading
_SECONDS = 10.0
_TOO_OLD = "The resourceVersion for the provided watch is too old."


class Portion(NamedTuple):
    """What happened after a version."""

    events: Sequence[CacheEvent]
    #: up to here; go on after it
    reached: Version


class History:
    """Reads backwards for the watch streams of all kinds."""

    def __init__(
        self, storage: Storage, kind_of: Callable[[Key], CachedKind | None], metrics: StorageMetrics
    ) -> None:
        self._storage, self._kind_of = storage, kind_of
        self._reads = metrics.history_reads
        self._reading = asyncio.Lock()
        self._portions = 0
        #: the storage no longer has what comes after this version, nor after earlier ones
        self._floor = Version(-1)
        #: how often the storage failed, and how it did last: those who waited meanwhile do not try again one
        #: after the other
        self._failures, self._failure = 0, ApiError("")

    @asynccontextmanager
    async def after(self, kind: CachedKind, version: Version) -> AsyncIterator[Portion]:
        """Find what happened after a version that the ring of a kind no longer has.

        Either the ring has it now, and the portion is empty and ends at `version`; or the portion is what
        comes next. Raises Expired when storage no longer has it, several events share the version, or too
        many others are as far behind; Unavailable, Timeout when the storage is away.
        """
        failures = self._failures
        async with self._reading:
            portion = Portion((), version)
            if kind.cache.events_since(version) is None:
                if self._failures > failures:
                    raise copy(self._failure)
                portion = await self._read(kind, version)
        if not portion.events:
            yield portion
            return
        if self._portions >= MAX_PORTIONS:
            self._reads.labels("refused").inc()
            raise Expired(_TOO_OLD)
        self._portions += 1
        try:
            yield portion
        finally:
            self._portions -= 1

    async def _read(self, kind: CachedKind, version: Version) -> Portion:
        if version <= self._floor:
            raise Expired(_TOO_OLD)
        try:
            async with asyncio.timeout(_SECONDS):
                found, reached = await self._collect(kind, version)
        except Expired:
            self._floor = max(self._floor, version)
            self._reads.labels("expired").inc()
            raise
        except (ApiError, TimeoutError) as error:
            self._failure = error if isinstance(error, ApiError) else Timeout("etcd did not answer in time")
            self._failures += 1
            self._reads.labels("failed").inc()
            raise copy(self._failure) from error
        for other, events in found.items():
            if other.cache.oldest <= reached:
                other.cache.lengthen(events, version)
        is_served = kind.cache.events_since(version) is not None
        self._reads.labels("ring" if is_served else "portion").inc()
        if is_served:
            return Portion((), version)
        # What the cache has not applied yet it will tell everybody itself. It stands at whole revisions.
        known = kind.cache.version
        return Portion([event for event in found[kind] if event.version <= known], min(reached, known))

    async def _collect(
        self, kind: CachedKind, version: Version
    ) -> tuple[dict[CachedKind, list[CacheEvent]], Version]:
        """Read until the ring of a kind can go on, or as much as may be kept."""
        found: dict[CachedKind, list[CacheEvent]] = {kind: []}
        count = size = 0
        async with aclosing(self._storage.watch(REGISTRY, after=version)) as batches:
            async for batch in batches:
                for event in batch:
                    other = self._kind_of(event.key) if event.type is not EventType.BOOKMARK else None
                    if other is None:
                        continue
                    events = found.setdefault(other, [])
                    cached = _cached(event, other, events[-1].version if events else version)
                    if cached is None:
                        continue
                    events.append(cached)
                    count, size = count + 1, size + cached.size
                # A batch holds whole revisions.
                reached = versions.whole(versions.revision_of(batch[-1].version))
                if reached >= kind.cache.oldest or count >= MAX_EVENTS or size >= MAX_BYTES:
                    return found, reached
        raise Timeout("etcd ended the watch")


def _cached(event: StorageEvent, kind: CachedKind, last: Version) -> CacheEvent | None:
    """Return an event as the ring has it (`WatchCache.apply_all`); None when the ring has none."""
    resource = kind.cache.resource
    version = max(event.version, last)
    previous = None if event.previous is None else Entry(event.previous, resource)
    if event.type is EventType.ADDED:
        return (
            None
            if event.object is None
            else CacheEvent(event.type, version, Entry(event.object, resource), None)
        )
    if previous is None:
        # Compacted meanwhile, or unreadable: nobody can say whether the object leaves the selection.
        raise Expired(_TOO_OLD)
    if event.object is None or event.type is EventType.DELETED:
        return CacheEvent(EventType.DELETED, version, previous, previous)
    return CacheEvent(event.type, version, Entry(event.object, resource), previous)
