"""The watch cache before a storage: serves reads and watches of all kinds from memory; itself a `Storage`.

The registry lists and watches with `list_selection` and `watch_selection`. A watch begins with the current
state (and, if bookmarks are wanted, a BOOKMARK annotated with k8s.io/initial-events-end), or after a version.
It ends by itself when the watcher was too slow: the client resumes after the last version that it got.

Consistent reads wait until the cache has reached the newest version; `at_least` ones answer as soon as it is
fresh enough; `exact` ones go to the storage, unless it has the version still and nothing has changed since.
Writes pass through.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from random import Random

from apiserver.storage import versions
from apiserver.storage.cached import judge_of
from apiserver.storage.fanout import QUEUE_CAPACITY
from apiserver.storage.feed import CachedKind, Feed, Follower
from apiserver.storage.freshness import Freshness
from apiserver.storage.history import History
from apiserver.storage.interface import (
    CONSISTENT,
    Change,
    Key,
    Page,
    Put,
    PutResult,
    Read,
    Storage,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.paging import PageFiller, too_large
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Outlet, Selection
from apiserver.storage.single_writes import SingleWrites
from apiserver.storage.watch_stream import WatchBatch, WatchStream
from vaina.clock import Clock
from vaina.errors import Expired, Unavailable

#: reads that wait longer for the cache are answered by the storage itself
_READ_SECONDS = 3.0
#: events of each kind that can be resumed from
RING_CAPACITY = 32_768
#: objects looked at before others have their turn: reading labels off an encoded Pod takes 5 µs
_FAIR = 500
#: how often idle watchers with bookmarks get one
_BOOKMARK_SECONDS = 30.0


class Cacher(SingleWrites):
    """A watch cache over one storage. `run` must be running. Owned by one event loop."""

    def __init__(
        self,
        storage: Storage,
        resources: Iterable[Resource],
        *,
        clock: Clock,
        rng: Random,
        metrics: StorageMetrics | None = None,
        ring_capacity: int = RING_CAPACITY,
        queue_capacity: int = QUEUE_CAPACITY,
    ) -> None:
        """Make a cacher of some kinds over a storage; keys of others pass through."""
        self._storage, self._clock = storage, clock
        self._metrics = metrics or StorageMetrics()
        self._kinds = [
            CachedKind(resource, ring_capacity, queue_capacity, self._metrics) for resource in resources
        ]
        self._freshness = Freshness(storage.current_version, storage.request_progress, clock)
        self._feed = Feed(storage, self._kinds, self._freshness, clock=clock, rng=rng, metrics=self._metrics)
        self._history = History(storage, self._feed.kind_of, self._metrics)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed.run())
            tasks.create_task(self._send_bookmarks())

    async def wait_ready(self) -> None:
        await self._feed.filled.wait()

    def follow(self, prefix: Key, follower: Follower) -> None:
        """Tell a part of the apiserver of all changes of a kind; call it before `run`."""
        self._feed.kinds[prefix].followers.append(follower)

    def object_count(self, prefix: Key) -> int:
        kind = self._feed.kind_of(prefix)
        return 0 if kind is None else len(kind.cache)

    @property
    def is_connected(self) -> bool:
        """Whether the cache is filled and follows what happens: what health should say."""
        return self._feed.is_connected

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        return await self._storage.put_all(puts)

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        return await self._storage.delete(key, expected=expected)

    async def delete_unreadable(self, key: Key) -> Version:
        return await self._storage.delete_unreadable(key)

    async def guaranteed_update(
        self, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        if hint is None:
            kind = self._feed.kind_of(key)
            hint = kind.cache.get(key) if kind is not None else None
        return await self._storage.guaranteed_update(key, change, hint=hint)

    def peek(self, key: Key, at_least: Version) -> Stored | None:
        kind = self._feed.kind_of(key)
        if kind is None or not self._feed.filled.is_set() or self._freshness.version < at_least:
            return None
        return kind.cache.get(key)

    def changed(self, prefix: Key) -> Version | None:
        kind = self._feed.kinds.get(prefix)
        return kind.cache.changed if kind is not None and self._feed.filled.is_set() else None

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        kind = self._feed.kind_of(key)
        if kind is None or not await self._can_serve(kind, read) or key in kind.cache.unreadable:
            return await self._storage.get(key, read)
        return kind.cache.get(key)

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        if self._feed.kind_of(prefix) is None:
            return await self._storage.list(prefix, read, limit=limit, max_bytes=max_bytes, after=after)
        return await self.list_selection(
            Selection(prefix), read, limit=limit, max_bytes=max_bytes, after=after
        )

    async def list_selection(
        self,
        selection: Selection,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        """Return the selected objects as `Storage.list` does. Raises Expired."""
        kind = self._kind(selection)
        if not await self._can_serve(kind, read):
            return await self._list_stored(
                kind, selection, read, limit=limit, max_bytes=max_bytes, after=after
            )
        filler = PageFiller(limit, max_bytes)
        version = kind.cache.version
        unreadable = kind.cache.unreadable_below(selection.prefix) if after is None else ()
        if read.exact is not None:
            version = versions.whole(versions.revision_of(read.exact))
        selects = judge_of(kind.cache.resource, selection)
        for number, entry in enumerate(kind.cache.candidates(selection, after)):
            if number % _FAIR == _FAIR - 1:
                await self._clock.sleep(0)
            if not selects(entry):
                continue
            if filler.is_full or not filler.add(entry.stored):
                last = filler.items[-1].key
                plain = selection.key is None and selection.labels is None and selection.fields is None
                left = kind.cache.count(selection.prefix, last) if plain else None
                return Page(filler.items, version, last, left, unreadable)
        return Page(filler.items, version, unreadable=unreadable)

    def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        """Watch the storage itself, as tests and tools do. Clients are served by `watch_selection`."""
        return self._storage.watch(prefix, after=after, previous=previous)

    async def watch_selection(
        self,
        selection: Selection,
        *,
        after: Version | None = None,
        initial: bool = False,
        bookmarks: bool = False,
        mark_end: bool = True,
        outlet: Outlet | None = None,
    ) -> AsyncGenerator[WatchBatch, None]:
        """Yield what happens to the selected objects. Raises Expired, Timeout (`after` does not exist yet),
        Unavailable.

        Args:
            selection: of one kind.
            after: the version to go on from; with `initial`, how fresh the current state must be (None:
                consistent).
            initial: begin with the current state.
            bookmarks: the watcher wants bookmarks.
            mark_end: one of them says where the current state ends.
            outlet: where what happens goes once the watcher has caught up; None: it is yielded.
        """
        kind = self._kind(selection)
        if initial and after is None:
            if not await self._can_serve(kind, CONSISTENT):
                raise Unavailable("the watch cache is behind its storage", retry_seconds=1)
        else:
            await self._wait_at_least(after or Version(0))
        stream = WatchStream(
            self._history,
            kind,
            selection,
            bookmarks=bookmarks,
            mark_end=bookmarks and mark_end,
            clock=self._clock,
            outlet=outlet,
        )
        async with aclosing(stream.batches(None if initial else after)) as batches:
            async for batch in batches:
                yield batch

    async def current_version(self) -> Version:
        return await self._freshness.newest()

    async def request_progress(self) -> None:
        await self._storage.request_progress()

    def _kind(self, selection: Selection) -> CachedKind:
        kind = self._feed.kind_of(selection.prefix)
        assert kind is not None, f"{selection.prefix} is not in the watch cache"
        return kind

    async def _can_serve(self, kind: CachedKind, read: Read) -> bool:
        """Wait until the cache can answer a read; False when the storage must."""
        if read.exact is not None:
            # A list that is continued, and nothing of the kind was written since.
            # Asked again at the end: the cache may have moved on meanwhile.
            version = read.exact
            return (
                self._is_as_of(kind, version)
                and await self._is_kept(kind, read)
                and self._is_as_of(kind, version)
            )
        if read.at_least is not None:
            await self._wait_at_least(read.at_least)
            return True
        if not self._feed.filled.is_set():
            return False
        newest = await self._freshness.newest()
        start = self._clock.monotonic()
        reached = await self._freshness.wait_until(newest, _READ_SECONDS)
        self._metrics.read_wait.observe(self._clock.monotonic() - start)
        self._metrics.consistent_reads.labels(str(reached).lower(), str(not reached).lower()).inc()
        return reached

    def _is_as_of(self, kind: CachedKind, version: Version) -> bool:
        return self._feed.filled.is_set() and kind.cache.changed <= version <= kind.cache.version

    async def _is_kept(self, kind: CachedKind, read: Read) -> bool:
        """Say whether the storage still has a version: tokens end with it, whatever the cache knows.

        Upstream's cache asks likewise what was compacted (apiserver `pkg/storage/cacher/compactor.go`).
        """
        try:
            # No object has this key: etcd looks at the version, and for nothing else.
            await self._storage.get(kind.cache.resource.prefix, read)
        except Expired:
            return False
        return True

    async def _wait_at_least(self, version: Version) -> None:
        """Wait until the cache is filled and not older than a version. Raises Unavailable, Timeout."""
        if not self._feed.filled.is_set():
            raise Unavailable("the watch cache is not filled yet", retry_seconds=1)
        if not await self._freshness.wait_until(version, _READ_SECONDS):
            raise too_large(version, self._freshness.version)

    async def _list_stored(
        self,
        kind: CachedKind,
        selection: Selection,
        read: Read,
        *,
        limit: int,
        max_bytes: int,
        after: Key | None,
    ) -> Page:
        """List from the storage, page by page, and select."""
        filler = PageFiller(limit, max_bytes)
        while True:
            page = await self._storage.list(
                selection.prefix, read, limit=limit, max_bytes=max_bytes, after=after
            )
            for item in page.items:
                if not kind.is_selected(item, selection):
                    continue
                if filler.is_full or not filler.add(item):
                    return Page(filler.items, page.version, filler.items[-1].key)
            if page.next_key is None:
                return Page(filler.items, page.version)
            if filler.is_full:
                plain = selection.key is None and selection.labels is None and selection.fields is None
                return Page(filler.items, page.version, page.next_key, page.remaining if plain else None)
            after, read = page.next_key, Read(exact=page.version)

    async def _send_bookmarks(self) -> None:
        while True:
            await self._clock.sleep(_BOOKMARK_SECONDS)
            for kind in self._kinds:
                for subscription in kind.fanout:
                    subscription.mark(kind.cache.version)
