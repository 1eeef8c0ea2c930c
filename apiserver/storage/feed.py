"""Fills the caches of all kinds: lists everything below /registry/, watches it, and resumes when that breaks.

Every apiserver gets all events of a revision together, so all derive the same versions, and the version of a
cache is always a whole revision. Owned by the task that runs `run`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from random import Random
from typing import Protocol

import structlog

from apiserver.storage import versions
from apiserver.storage.cached import CacheEvent, Entry, judge_of
from apiserver.storage.fanout import Fanout
from apiserver.storage.freshness import Freshness
from apiserver.storage.interface import EventType, Key, Storage, StorageEvent, Stored, Version
from apiserver.storage.keys import REGISTRY
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.paging import too_large
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Selection
from apiserver.storage.watch_cache import WatchCache
from vaina.backoff import Backoff
from vaina.clock import Clock
from vaina.errors import ApiError, Expired, Unavailable, is_version_too_large

_LOG = structlog.get_logger()
_BACKOFF = Backoff(0.05, 2.0, jitter=0.5)
#: how often it requests progress, which keeps an idle cache's version (and so bookmarks) fresh
_PROGRESS_SECONDS = 10.0
#: a watch that was silent for so long, although progress was requested, is dead
_SILENCE_SECONDS = 35.0
_WENT_BACK = (
    "storage is older than what was served: it was restored from an older copy, or lost data; "
    "restart the apiservers and then every component"
)
#: how often it is logged
_REMIND_SECONDS = 60.0


class Follower(Protocol):
    """A part of the apiserver that follows a kind. Called before any watcher, it must return at once."""

    def replaced(self, items: Sequence[Stored]) -> None:
        """The cache was filled: these are all objects."""
        ...

    def changed(self, events: Sequence[CacheEvent]) -> None:
        """Objects have changed."""
        ...


class CachedKind:
    """The cache of one kind, and its watchers."""

    __slots__ = ("_dispatched", "_received", "_terminated", "cache", "fanout", "followers", "objects")

    def __init__(
        self, resource: Resource, ring_capacity: int, queue_capacity: int, metrics: StorageMetrics
    ) -> None:
        self.cache = WatchCache(resource, capacity=ring_capacity)
        self.fanout = Fanout(resource, capacity=queue_capacity)
        self.followers: list[Follower] = []
        self._received = metrics.events_received.labels(resource.name)
        self._dispatched = metrics.events_dispatched.labels(resource.name)
        self._terminated = metrics.terminated_watchers.labels(resource.name)
        self.objects = metrics.resource_objects.labels(resource.name)

    def is_selected(self, item: Stored, selection: Selection) -> bool:
        """Tell whether a selection has an object that may not be in the cache."""
        resource = self.cache.resource
        return judge_of(resource, selection)(Entry(item, resource))

    def apply(self, events: Sequence[StorageEvent]) -> None:
        """Apply the events of whole revisions, and hand them to followers and watchers."""
        applied = self.cache.apply_all(events)
        for follower in self.followers:
            follower.changed(applied)
        dispatched, cut = self.fanout.publish(applied)
        self._received.inc(len(events))
        self._dispatched.inc(dispatched)
        self._terminated.inc(cut)


class Feed:
    """Fills the caches of a table of kinds from one storage."""

    def __init__(
        self,
        storage: Storage,
        kinds: Sequence[CachedKind],
        freshness: Freshness,
        *,
        clock: Clock,
        rng: Random,
        metrics: StorageMetrics,
    ) -> None:
        self._storage, self._freshness = storage, freshness
        self._clock, self._rng, self._metrics = clock, rng, metrics
        self.kinds = {kind.cache.resource.prefix: kind for kind in kinds}
        #: set once the caches have been filled
        self.filled = asyncio.Event()
        #: whether the caches follow the storage: they were just filled, or the open watch has sent something
        self.is_connected = False
        self._attempt = 0

    def kind_of(self, key: Key) -> CachedKind | None:
        """Return the kind that a key or prefix belongs to; None when it is not cached."""
        # /registry/pods/default/a, but /registry/vaina.dev/podtraces/default/a: prefixes have one part or
        # two.
        end = key.find("/", len(REGISTRY)) + 1
        found = self.kinds.get(Key(key[:end]))
        if found is None and end:
            found = self.kinds.get(Key(key[: key.find("/", end) + 1]))
        return found

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_for_ever())
            tasks.create_task(self._ask_for_progress())

    async def _follow_for_ever(self) -> None:
        wants_list = True
        while True:
            try:
                if wants_list:
                    await self._fill()
                    wants_list = False
                await self._follow()
            except Expired:
                wants_list = True
            except ApiError as error:
                if is_version_too_large(error):
                    await self._refuse(error)
                _LOG.warning("watch of storage broke", error=error.message, attempt=self._attempt)
            except TimeoutError:
                _LOG.warning("watch of storage is silent", seconds=_SILENCE_SECONDS)
            finally:
                self.is_connected = False
            await self._clock.sleep(_BACKOFF.delay(self._attempt, self._rng))
            self._attempt += 1

    async def _fill(self) -> None:
        """Fill all caches from one list, and cut all watchers: they resume from the storage's events."""
        page = await self._storage.list(REGISTRY)
        if page.version < self._freshness.version:
            raise too_large(self._freshness.version, page.version)
        by_kind: dict[Key, list[Stored]] = {prefix: [] for prefix in self.kinds}
        for item in page.items:
            kind = self.kind_of(item.key)
            if kind is not None:
                by_kind[kind.cache.resource.prefix].append(item)
        for prefix, kind in self.kinds.items():
            unreadable = [key for key in page.unreadable if key.startswith(prefix)]
            kind.cache.replace(by_kind[prefix], page.version, unreadable)
            kind.objects.set(len(kind.cache))
            for follower in kind.followers:
                follower.replaced(by_kind[prefix])
            for subscription in kind.fanout:
                subscription.cut()
        self._metrics.cache_initializations.inc()
        self._reach(page.version)
        self.filled.set()
        self.is_connected = True
        _LOG.info("watch cache filled", objects=len(page.items), version=page.version)

    async def _refuse(self, error: ApiError) -> None:
        """Refuse all reads until the process ends, and log why: a cache must not go back in time (I7)."""
        self.is_connected = False
        self._metrics.went_back.inc()
        self._freshness.refuse(Unavailable(_WENT_BACK))
        for kind in self.kinds.values():
            for subscription in kind.fanout:
                subscription.cut()
        while True:
            _LOG.error(_WENT_BACK, seen=self._freshness.version, error=error.message)
            await self._clock.sleep(_REMIND_SECONDS)

    async def _follow(self) -> None:
        watch = self._storage.watch(REGISTRY, after=self._freshness.version, previous=False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_SILENCE_SECONDS) as silence, aclosing(watch) as batches:
            async for batch in batches:
                silence.reschedule(loop.time() + _SILENCE_SECONDS)
                self.is_connected, self._attempt = True, 0
                self._apply(batch)

    def _apply(self, batch: Sequence[StorageEvent]) -> None:
        """Apply whole revisions. Synchronous: no reader sees a part of a batch."""
        by_kind: dict[Key, list[StorageEvent]] = {}
        # Most events have the kind of the event before.
        prefix, events = "\0", list[StorageEvent]()
        for event in batch:
            if event.key.startswith(prefix):
                events.append(event)
            elif event.type is not EventType.BOOKMARK:
                kind = self.kind_of(event.key)
                if kind is not None:
                    prefix = kind.cache.resource.prefix
                    events = by_kind.setdefault(kind.cache.resource.prefix, [])
                    events.append(event)
        for prefix, events in by_kind.items():
            kind = self.kinds[prefix]
            kind.apply(events)
            kind.objects.set(len(kind.cache))
        self._reach(versions.whole(versions.revision_of(batch[-1].version)))

    def _reach(self, version: Version) -> None:
        for kind in self.kinds.values():
            kind.cache.advance(version)
        self._metrics.cache_version.set(version)
        self._freshness.reach(version)

    async def _ask_for_progress(self) -> None:
        while True:
            await self._clock.sleep(_PROGRESS_SECONDS)
            try:
                await self._storage.request_progress()
            except ApiError as error:
                _LOG.debug("no progress of the watch of storage", error=error.message)
