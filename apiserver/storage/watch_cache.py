"""The watch cache of one kind: what is stored now, by key and by index, and a ring of what happened lately.

Pure. Fed by `cacher`, which applies whole revisions at once; read by `cacher` and `fanout`. Model test: "watch cache == replay of
all events".
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from sortedcontainers import SortedDict

from apiserver.storage import versions
from apiserver.storage.cached import CacheEvent, Entry
from apiserver.storage.interface import EventType, Key, StorageEvent, Stored, Version
from apiserver.storage.paging import keys_below
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Selection

#: objects in the ring together: 32,768 events of Pods stay below it, a few hundred of the largest ConfigMaps do not
RING_BYTES = 96 * 1024 * 1024


class WatchCache:
    """Current objects and a ring of events. Objects and events in it are never changed."""

    def __init__(self, resource: Resource, *, capacity: int, max_bytes: int = RING_BYTES) -> None:
        """Make an empty cache.

        Args:
            resource: the kind.
            capacity: the ring holds at least so many of the last events (and at most a quarter more: it is trimmed in one go),
                as long as they are not too large.
            max_bytes: of the objects of all events in the ring, and at most a quarter more.
        """
        self.resource = resource
        self._capacity, self._max_bytes = capacity, max_bytes
        self._entries: SortedDict[Key, Entry] = SortedDict()
        #: (field, value) -> keys
        self._index: dict[tuple[str, str], set[Key]] = {}
        self._ring: list[CacheEvent] = []
        #: of the objects in the ring
        self._ring_bytes = 0
        #: everything up to it has been applied
        self.version = Version(0)
        #: a watch can be resumed from the ring after this version and later ones
        self.oldest = Version(0)
        #: of the last event; what was stored then is stored still
        self.changed = Version(0)

    def __len__(self) -> int:
        return len(self._entries)

    def replace(self, items: Sequence[Stored], version: Version) -> None:
        """Take a list as of a version; the ring starts anew."""
        self._entries = SortedDict()
        self._index.clear()
        self._ring.clear()
        self._ring_bytes = 0
        for item in items:
            self._add(Entry(item, self.resource))
        self.version = self.oldest = self.changed = version

    def apply_all(self, events: Iterable[StorageEvent]) -> list[CacheEvent]:
        """Take events; return those that change something, as watchers get them."""
        applied = map(self.apply, events)
        return [event for event in applied if event is not None]

    def apply(self, event: StorageEvent) -> CacheEvent | None:
        """Take an event; return it as watchers get it. None when it changes nothing here: a deletion of what was not there.

        Revisions never go back. Within one, a foreign transaction may put after it deleted, at a lower position: as an event that comes
        at the version reached, so that the ring stays in order.
        """
        version = event.version
        if version < self.changed:
            assert versions.revision_of(version) >= versions.revision_of(self.changed), version
            version = self.changed
        previous: Entry | None = self._entries.get(event.key)
        if event.type is EventType.DELETED or event.object is None:
            if previous is None:
                return None
            self._remove(previous)
            cached = CacheEvent(EventType.DELETED, version, previous, previous)
        else:
            entry = Entry(event.object, self.resource)
            if previous is None:
                self._add(entry)
            else:
                self._replace(entry, previous)
            kind = EventType.ADDED if previous is None else EventType.MODIFIED
            cached = CacheEvent(kind, version, entry, previous)
        self._ring.append(cached)
        self._ring_bytes += cached.size
        self.changed = self.version = version
        if (
            len(self._ring) > self._capacity + self._capacity // 4
            or self._ring_bytes > self._max_bytes + self._max_bytes // 4
        ):
            self._trim()
        return cached

    def advance(self, version: Version) -> None:
        """Know that nothing else happened up to a version."""
        self.version = max(self.version, version)

    def get(self, key: Key) -> Stored | None:
        """Return an object."""
        entry: Entry | None = self._entries.get(key)
        return None if entry is None else entry.stored

    def candidates(self, selection: Selection, after: Key | None = None) -> list[Entry]:
        """Return the objects that may be selected, in the order of keys, after a key: by index where there is one.

        As of now; whoever takes time to look at each (`judging`) still sees one version.
        """
        entries = self._entries
        if selection.key is not None:
            known = selection.key in entries and (after is None or selection.key > after)
            return [entries[selection.key]] if known else []
        if selection.index is not None and selection.index[0] in self.resource.index_fields:
            keys = self._index.get(selection.index, ())
            return [entries[key] for key in sorted(keys) if after is None or key > after]
        if after is None and selection.prefix == self.resource.prefix:
            return list(entries.values())
        return [entries[key] for key in keys_below(entries, selection.prefix, after)]

    def count(self, prefix: Key, after: Key) -> int:
        """Return how many objects there are below a prefix after a key."""
        return sum(1 for _ in keys_below(self._entries, prefix, after))

    def events_since(self, version: Version) -> Sequence[CacheEvent] | None:
        """Return the events after a version; None when the ring no longer has all of them."""
        if version < self.oldest:
            return None
        return self._ring[bisect_right(self._ring, version, key=lambda event: event.version) :]

    def lengthen(self, events: Sequence[CacheEvent], after: Version) -> bool:
        """Put what happened before the ring begins in front of it, unless it becomes too long.

        Args:
            events: all of this kind after `after`, at least up to `oldest`.
            after: the ring can be resumed from after it.
        """
        missing = [event for event in events if event.version <= self.oldest]
        size = sum(event.size for event in missing)
        if len(self._ring) + len(missing) > self._capacity or self._ring_bytes + size > self._max_bytes:
            return False
        self._ring[:0] = missing
        self._ring_bytes += size
        self.oldest = min(self.oldest, after)
        return True

    def _add(self, entry: Entry) -> None:
        self._entries[entry.stored.key] = entry
        self._index_all(entry)

    def _index_all(self, entry: Entry) -> None:
        for pair in entry.index_pairs():
            keys = self._index.get(pair)
            if keys is None:
                keys = self._index[pair] = set()
            keys.add(entry.stored.key)

    def _replace(self, entry: Entry, previous: Entry) -> None:
        """Change an object; its place among the keys stays, and mostly its places in the indexes do."""
        # The dictionary alone: the sorted list of the keys is as it was.
        dict.__setitem__(self._entries, entry.stored.key, entry)
        if entry.index_values() != previous.index_values():
            self._forget(previous)
            self._index_all(entry)

    def _remove(self, entry: Entry) -> None:
        del self._entries[entry.stored.key]
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        for pair in entry.index_pairs():
            keys = self._index[pair]
            keys.discard(entry.stored.key)
            if not keys:
                del self._index[pair]

    def _trim(self) -> None:
        ring, cut, size = self._ring, 0, self._ring_bytes
        while cut < len(ring) and (len(ring) - cut > self._capacity or size > self._max_bytes):
            size -= ring[cut].size
            cut += 1
        # Events of one version stay together: a resumption cannot name a point between them.
        end = bisect_right(ring, ring[cut - 1].version, key=lambda event: event.version)
        self._ring_bytes = size - sum(event.size for event in ring[cut:end])
        self.oldest = ring[end - 1].version
        del ring[:end]
