"""Storage in a dict with its whole history, for tests and `--storage=memory`; the place to read what storage
is.

Each write is a revision of its own (position 0). Nothing awaits between reading and writing, so that every
operation is atomic on the event loop. Owned by one event loop.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from msgspec import structs
from sortedcontainers import SortedDict

from apiserver.storage import versions
from apiserver.storage.codec import decode_value
from apiserver.storage.interface import (
    CONSISTENT,
    EventType,
    Key,
    KeyConflict,
    KeyExists,
    KeyMissing,
    Page,
    Put,
    PutResult,
    Read,
    StorageError,
    StorageEvent,
    Stored,
    Unreadable,
    Version,
    oversize,
)
from apiserver.storage.paging import page_of, too_large
from apiserver.storage.single_writes import SingleWrites
from vaina.clock import Clock, SystemClock
from vaina.errors import Expired, TooLarge

#: of what `put_bytes` was given, and is no object
_UNREADABLE = ("", "unreadable")
#: events kept before the oldest half is compacted by itself
_HISTORY_LIMIT = 200_000


class MemoryStorage(SingleWrites):
    """A dict of what is stored now and a list of everything that happened since the last compaction."""

    def __init__(self, clock: Clock | None = None, *, history_limit: int = _HISTORY_LIMIT) -> None:
        """Make an empty storage; of more than `history_limit` events the older half is compacted."""
        self._clock = clock or SystemClock()
        self._history_limit = history_limit
        self._now: SortedDict[Key, Stored] = SortedDict()
        #: what was stored at the compacted revision: the base that history builds on
        self._base: dict[Key, Stored] = {}
        #: events after the compacted revision, by version
        self._history: list[StorageEvent] = []
        #: as etcd: an empty store is at revision 1
        self._revision = 1
        #: as etcd's: nothing is compacted
        self._compacted = -1
        #: key -> monotonic second of its end
        self._expiries: dict[Key, float] = {}
        #: in the order of their coming: who is woken first must not hang on where objects lie in memory
        self._watchers: dict[_Watcher, None] = {}

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        self.expire()
        self._check(read, "get")
        table = self._now if read.exact is None else self._as_of(read.exact)
        current: Stored | None = table.get(key)
        if current is not None and current.type_meta is _UNREADABLE:
            # It says itself why it cannot be read.
            decode_value(key, current.data, versions.revision_of(current.version))
        return current

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        self.expire()
        self._check(read, "list")
        version = versions.whole(self._revision)
        table = self._now
        if read.exact is not None:
            version, table = (
                versions.whole(versions.revision_of(read.exact)),
                SortedDict(self._as_of(read.exact)),
            )
        unreadable = [key for key, stored in table.items() if stored.type_meta is _UNREADABLE]
        if unreadable:
            table = SortedDict({key: table[key] for key in table.keys() - set(unreadable)})
            unreadable = [key for key in unreadable if key.startswith(prefix)]
        page = page_of(table, prefix, version, limit=limit, max_bytes=max_bytes, after=after)
        return replace(page, unreadable=unreadable)

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        results: list[PutResult] = []
        for put in puts:
            try:
                results.append(self._write(put))
            except (StorageError, TooLarge) as error:
                results.append(error)
        return results

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        if expected is None:
            await self.get(key)
        self._expect(key, expected)
        return self._remove(key)

    async def delete_unreadable(self, key: Key) -> Version:
        self._expect(key, None)
        current: Stored = self._now[key]
        if current.type_meta is not _UNREADABLE:
            raise KeyConflict(current)
        return self._remove(key).version

    def put_bytes(self, key: Key, value: bytes) -> None:
        """Store bytes as they are, as another program may: they need not be an object."""
        try:
            stored = decode_value(key, value, 0)
        except Unreadable:
            stored = Stored(key, value, Version(0), _UNREADABLE)
        before = self._now.get(key)
        self._expiries.pop(key, None)
        stored = self._now[key] = structs.replace(stored, version=self._next())
        kind = EventType.ADDED if before is None else EventType.MODIFIED
        self._record(StorageEvent(kind, key, stored.version, _readable(stored), _readable(before)))

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        del previous  # it costs nothing here
        if versions.revision_of(after) > self._revision:
            raise too_large(after, versions.whole(self._revision))
        watcher = _Watcher(after)
        # As etcd does, when it is asked: a watch that has nothing to catch up on says at once where it is.
        watcher.wants_progress = versions.start_revision(after) > self._revision
        self._watchers[watcher] = None
        try:
            while True:
                self.expire()
                if versions.is_expired(watcher.after, self._compacted):
                    raise Expired("The resourceVersion for the provided watch is too old.")
                events = [e for e in self._since(watcher.after) if e.key.startswith(prefix)]
                if self._revision >= versions.start_revision(watcher.after):
                    watcher.after = versions.whole(self._revision)
                if watcher.wants_progress:
                    watcher.wants_progress = False
                    events.append(StorageEvent(EventType.BOOKMARK, prefix, watcher.after, None))
                if events:
                    yield events
                else:
                    watcher.changed.clear()
                    await watcher.changed.wait()
        finally:
            self._watchers.pop(watcher, None)

    async def current_version(self) -> Version:
        self.expire()
        return versions.whole(self._revision)

    async def request_progress(self) -> None:
        for watcher in self._watchers:
            watcher.wants_progress = True
            watcher.changed.set()

    def compact(self, version: Version) -> None:
        """Forget the history up to and with a version's revision; watchers that still need it get Expired."""
        revision = min(versions.revision_of(version), self._revision)
        if revision <= self._compacted:
            return
        self._base = self._as_of(versions.whole(revision))
        self._compacted = revision
        del self._history[: self._index_after(versions.whole(revision))]
        self._wake()

    def expire(self) -> None:
        """Delete what has outlived its time to live, at the beginning of every operation."""
        if not self._expiries:
            return
        now = self._clock.monotonic()
        for key in [key for key, end in self._expiries.items() if end <= now]:
            self._remove(key)

    async def run(self) -> None:
        """Expire keys until cancelled, so that watchers hear of it without another operation."""
        while True:
            await self._clock.sleep(1.0)
            self.expire()

    def _next(self) -> Version:
        self._revision += 1
        return versions.version_of(self._revision, 0)

    def _expect(self, key: Key, expected: Version | None) -> None:
        self.expire()
        current = self._now.get(key)
        if current is None:
            raise KeyMissing(key)
        if expected is not None and current.version != expected:
            raise KeyConflict(current)

    def _write(self, put: Put) -> Stored:
        """Do a create, or an update. Raises KeyExists, KeyMissing, KeyConflict, TooLarge."""
        key = put.key
        self._check_size(key, put.data)
        if put.expected is not None:
            self._expect(key, put.expected)
        self.expire()
        before = self._now.get(key)
        if put.expected is None and before is not None:
            raise KeyExists(key)
        stored = self._now[key] = Stored(key, put.data, self._next(), put.type_meta, put.ttl_seconds)
        self._expiries.pop(key, None)
        if stored.ttl_seconds:
            self._expiries[key] = self._clock.monotonic() + stored.ttl_seconds
        kind = EventType.ADDED if before is None else EventType.MODIFIED
        self._record(StorageEvent(kind, key, stored.version, stored, _readable(before)))
        return stored

    def _remove(self, key: Key) -> Stored:
        before: Stored = self._now.pop(key)
        self._expiries.pop(key, None)
        last = structs.replace(before, version=self._next())
        self._record(StorageEvent(EventType.DELETED, key, last.version, _readable(last), _readable(before)))
        return last

    def _record(self, event: StorageEvent) -> None:
        self._history.append(event)
        if len(self._history) > self._history_limit:
            self.compact(self._history[self._history_limit // 2].version)
        self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.changed.set()

    def _index_after(self, version: Version) -> int:
        return bisect_right(self._history, version, key=lambda event: event.version)

    def _since(self, version: Version) -> Sequence[StorageEvent]:
        return self._history[self._index_after(version) :]

    def _check_size(self, key: Key, data: bytes) -> None:
        refused = oversize(key, data)
        if refused is not None:
            raise refused

    def _check(self, read: Read, what: str) -> None:
        asked = read.exact if read.exact is not None else read.at_least
        if asked is not None and versions.revision_of(asked) > self._revision:
            raise too_large(asked, versions.whole(self._revision))
        if read.exact is not None and versions.revision_of(read.exact) < max(self._compacted, 1):
            raise Expired(f"The resourceVersion for the provided {what} is too old.")

    def _as_of(self, version: Version) -> dict[Key, Stored]:
        """Return everything as it was after the whole revision of a version."""
        table = dict(self._base)
        for event in self._history[: self._index_after(versions.whole(versions.revision_of(version)))]:
            if event.type is EventType.DELETED:
                del table[event.key]
            elif event.object is not None:
                table[event.key] = event.object
            else:
                table[event.key] = Stored(event.key, b"", event.version, _UNREADABLE)
        return table


def _readable(stored: Stored | None) -> Stored | None:
    return None if stored is None or stored.type_meta is _UNREADABLE else stored


class _Watcher:
    """Where a watch has got to. It is woken when there may be more."""

    __slots__ = ("after", "changed", "wants_progress")

    def __init__(self, after: Version) -> None:
        self.after = after
        self.changed = asyncio.Event()
        self.wants_progress = False
