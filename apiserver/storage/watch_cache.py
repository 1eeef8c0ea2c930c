"""The watch cache of one kind: the stored objects, by key and by index, and a ring of the latest events.

Pure. Fed by `cacher`, which applies whole revisions at once; read by `cacher` and `fanout`. Model test:
"watch cache == replay of all events".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from sortedcontainers import SortedDict

from apiserver.storage import versions
from apiserver.storage.cached import CacheEvent, Entry
from apiserver.storage.interface import EventType, Key, StorageEvent, Stored, Version
from apiserver.storage.paging import keys_below
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Selection
from vaina.errors import Expired

#: value -> keys
_Index: TypeAlias = dict[str, set[Key]]
_ADDED, _MODIFIED, _DELETED = EventType.ADDED, EventType.MODIFIED, EventType.DELETED
#: objects in the ring together: 32,768 events of Pods stay below it, a few hundred of the largest ConfigMaps
#: do not
RING_BYTES = 96 * 1024 * 1024
#: the ring is cut when it is longer by one part in so many: with a quarter 8,000 events of Pods went at once,
#: and everybody waited 3 to 15 ms
_SLACK: Final = 32


class WatchCache:
    """Current objects and a ring of events. Objects and events in it are never changed."""

    def __init__(self, resource: Resource, *, capacity: int, max_bytes: int = RING_BYTES) -> None:
        """Make an empty cache.

        Args:
            resource: the kind.
            capacity: of the ring, in events; it may have a little more (`_SLACK`), and fewer when they are
                large.
            max_bytes: of the objects of all events in the ring, and at most a little more.
        """
        self.resource = resource
        self._capacity, self._max_bytes = capacity, max_bytes
        self._entries: SortedDict[Key, Entry] = SortedDict()
        #: by indexed field
        self._indexes: list[_Index] = [{} for _ in resource.index_fields]
        self._ring: list[CacheEvent] = []
        #: of the objects in the ring
        self._ring_bytes = 0
        #: everything up to it has been applied
        self.version = Version(0)
        #: a watch can be resumed from the ring after this version and later ones
        self.oldest = Version(0)
        #: of the last event; what was stored then is stored still
        self.changed = Version(0)
        #: keys that hold what cannot be read
        self.unreadable: set[Key] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def replace(self, items: Sequence[Stored], version: Version, unreadable: Iterable[Key] = ()) -> None:
        """Take a list as of a version, and the keys that could not be read; the ring starts anew."""
        self.unreadable = set(unreadable)
        self._entries = SortedDict()
        self._indexes = [{} for _ in self.resource.index_fields]
        self._ring.clear()
        self._ring_bytes = 0
        for item in items:
            self._add(Entry(item, self.resource))
        self.version = self.oldest = self.changed = version

    def apply_all(self, events: Iterable[StorageEvent]) -> list[CacheEvent]:
        """Take events; return those that change something, as watchers get them.

        An object that becomes unreadable is gone: lists leave it out as well. Revisions never go back. Within
        one, a foreign transaction may put after it deleted, at a lower position: that event gets the version
        reached, so that the ring stays in order.
        """
        applied: list[CacheEvent] = []
        resource, changed, size = self.resource, self.changed, 0
        entry_of, keep, unreadable = self._entries.get, applied.append, self.unreadable
        for kind, key, version, stored, _ in events:
            if version < changed:
                assert versions.revision_of(version) >= versions.revision_of(changed), version
                version = changed  # noqa: PLW2901 - as said above
            if unreadable:
                unreadable.discard(key)
            previous: Entry | None = entry_of(key)
            if stored is None and kind is not _DELETED:
                unreadable.add(key)
            if kind is _DELETED or stored is None:
                if previous is None:
                    continue
                self._remove(previous)
                cached = CacheEvent(_DELETED, version, previous, previous)
            else:
                entry = Entry(stored, resource)
                if previous is None:
                    self._add(entry)
                    cached = CacheEvent(_ADDED, version, entry, None)
                else:
                    self._replace(entry, previous)
                    cached = CacheEvent(_MODIFIED, version, entry, previous)
            keep(cached)
            changed, size = version, size + cached.size
        if applied:
            self._ring += applied
            self._ring_bytes += size
            self.changed = self.version = changed
            if (
                len(self._ring) > self._capacity + self._capacity // _SLACK
                or self._ring_bytes > self._max_bytes + self._max_bytes // _SLACK
            ):
                self._trim()
        return applied

    def advance(self, version: Version) -> None:
        self.version = max(self.version, version)

    def unreadable_below(self, prefix: Key) -> list[Key]:
        """Return the keys below a prefix that hold what cannot be read, in order."""
        return sorted(key for key in self.unreadable if key.startswith(prefix))

    def get(self, key: Key) -> Stored | None:
        entry: Entry | None = self._entries.get(key)
        return None if entry is None else entry.stored

    def candidates(self, selection: Selection, after: Key | None = None) -> list[Entry]:
        """Return the objects that may be selected as of now, in the order of keys, after a key."""
        entries = self._entries
        if selection.key is not None:
            known = selection.key in entries and (after is None or selection.key > after)
            return [entries[selection.key]] if known else []
        if selection.index is not None and selection.index[0] in self.resource.index_fields:
            field, value = selection.index
            keys = self._indexes[self.resource.index_fields.index(field)].get(value, ())
            return [entries[key] for key in sorted(keys) if after is None or key > after]
        if after is None and selection.prefix == self.resource.prefix:
            return list(entries.values())
        return [entries[key] for key in keys_below(entries, selection.prefix, after)]

    def count(self, prefix: Key, after: Key) -> int:
        return sum(1 for _ in keys_below(self._entries, prefix, after))

    def events_since(self, version: Version) -> Sequence[CacheEvent] | None:
        """Return the events after a version; None when the ring no longer has all of them.

        Raises Expired when several events share the version: it does not say which were seen (decision 196).
        """
        if version < self.oldest:
            return None
        if _is_shared(self._ring, version):
            raise Expired("The resourceVersion for the provided watch is too old.")
        return self._ring[bisect_right(self._ring, version, key=_version_of) :]

    def lengthen(self, events: Sequence[CacheEvent], after: Version) -> bool:
        """Put all events of this kind since `after` in front of the ring, unless it becomes too long."""
        missing = [event for event in events if event.version <= self.oldest]
        size = sum(event.size for event in missing)
        if len(self._ring) + len(missing) > self._capacity or self._ring_bytes + size > self._max_bytes:
            return False
        self._ring[:0] = missing
        self._ring_bytes += size
        self.oldest = min(self.oldest, after)
        return True

    def _add(self, entry: Entry) -> None:
        key = entry.stored.key
        self._entries[key] = entry
        for index, value in zip(self._indexes, entry.values, strict=True):
            _note(index, value, key)

    def _replace(self, entry: Entry, previous: Entry) -> None:
        """Change an object; its place among the keys stays, and mostly its places in the indexes do."""
        key = entry.stored.key
        # The dictionary alone: the sorted list of the keys is as it was.
        dict.__setitem__(self._entries, key, entry)
        if entry.values != previous.values:
            for index, value, before in zip(self._indexes, entry.values, previous.values, strict=True):
                if value != before:
                    _forget(index, before, key)
                    _note(index, value, key)

    def _remove(self, entry: Entry) -> None:
        key = entry.stored.key
        del self._entries[key]
        for index, value in zip(self._indexes, entry.values, strict=True):
            _forget(index, value, key)

    def _trim(self) -> None:
        ring, cut, size = self._ring, 0, self._ring_bytes
        while cut < len(ring) and (len(ring) - cut > self._capacity or size > self._max_bytes):
            size -= ring[cut].size
            cut += 1
        # Events of one revision stay together: whether they share a version is seen by all of them.
        last = versions.whole(versions.revision_of(ring[cut - 1].version))
        end = bisect_right(ring, last, key=_version_of)
        self._ring_bytes = size - sum(event.size for event in ring[cut:end])
        self.oldest = last
        del ring[:end]


def _version_of(event: CacheEvent) -> Version:
    return event.version


def _is_shared(ring: Sequence[CacheEvent], version: Version) -> bool:
    """Say whether several events have a version: as events, or in the objects that they carry."""
    if versions.position_of(version) == versions.WHOLE:
        return False
    revision = versions.revision_of(version)
    start = bisect_left(ring, versions.version_of(revision, 0), key=_version_of)
    end = bisect_right(ring, versions.whole(revision), key=_version_of)
    having = (version in (event.version, event.entry.stored.version) for event in ring[start:end])
    return sum(having) > 1


def _note(index: _Index, value: str, key: Key) -> None:
    keys = index.get(value)
    if keys is None:
        index[value] = {key}
    else:
        keys.add(key)


def _forget(index: _Index, value: str, key: Key) -> None:
    keys = index[value]
    keys.discard(key)
    if not keys:
        del index[value]
