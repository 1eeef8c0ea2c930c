"""Reads events that the rings no longer have from the storage, for watches that resume: one reading for all.

After a restart, or after the caches were filled again, every ring is empty and all clients resume at once,
each a little before the ring's beginning. The first of them extends the rings of all kinds backwards, by one
watch of the storage; the others then find their events in the rings. A client that is too far behind for the
ring gets the storage's events in portions. A few clients may do so at once; the others get Expired, and list
from the cache. Owned by one event loop.
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

#: events of all kinds, and bytes of their objects, that one reading keeps: as many as a ring holds
MAX_EVENTS, MAX_BYTES = 32_768, 96 * 1024 * 1024
#: streams that get portions from the storage at the same time; each holds one portion at most
MAX_PORTIONS = 4
#: the timeout of one reading
_SECONDS = 10.0
_TOO_OLD = "The resourceVersion for the provided watch is too old."


class Portion(NamedTuple):
    """The events after a version."""

    events: Sequence[CacheEvent]
    #: the version that the events reach; the stream continues after it
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
        #: the storage has no longer the events after this version, nor after earlier ones
        self._floor = Version(-1)
        #: how often the storage failed, and its last error: streams that waited meanwhile raise it too, and
        #: do not all try again one after the other
        self._failures, self._failure = 0, ApiError("")

    @asynccontextmanager
    async def after(self, kind: CachedKind, version: Version) -> AsyncIterator[Portion]:
        """Find the events after a version that the ring of a kind no longer has.

        When the ring has them now, the portion is empty and ends at `version`; otherwise the portion has the
        next events. Raises Expired when the storage no longer has them, several events share the version, or
        too many other streams are as far behind; Unavailable, Timeout when the storage is away.
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
        # The cache itself publishes what it has not applied yet. Its version is always a whole revision.
        known = kind.cache.version
        return Portion([event for event in found[kind] if event.version <= known], min(reached, known))

    async def _collect(
        self, kind: CachedKind, version: Version
    ) -> tuple[dict[CachedKind, list[CacheEvent]], Version]:
        """Read until the beginning of a kind's ring, or as much as one reading keeps."""
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
        # Compacted meanwhile, or unreadable: it is unknown whether the object leaves the selection.
        raise Expired(_TOO_OLD)
    if event.object is None or event.type is EventType.DELETED:
        return CacheEvent(EventType.DELETED, version, previous, previous)
    return CacheEvent(event.type, version, Entry(event.object, resource), previous)
