"""Who gets an event: watchers by what they watch, each with a bounded queue.

A watcher stands in one place only, the narrowest that its selection allows: one object, an indexed field's value
(spec.nodeName), a namespace, or everything. So an event costs those whom it concerns, not all who watch: with 5,000
kubelets each a lookup. Owned by one event loop; nothing here waits.
"""

import asyncio
from collections.abc import Iterator

from apiserver.storage.cached import CacheEvent
from apiserver.storage.codec import bookmark, event_frame
from apiserver.storage.interface import EventType, Key, Version
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Selection

#: objects that wait for one watcher together; a queue keeps alive what the ring has dropped already
QUEUE_BYTES = 64 * 1024 * 1024


class Pending:
    """An event on its way, as what it is to the watcher. A bookmark has no event."""

    __slots__ = ("_ends_initial", "event", "type", "version")

    def __init__(
        self, kind: EventType, version: Version, event: CacheEvent | None, *, initial_events_end: bool = False
    ) -> None:
        self.type, self.version, self.event = kind, version, event
        self._ends_initial = initial_events_end

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return 0 if self.event is None else self.event.size

    @property
    def wire(self) -> bytes:
        """The part of a RawWatchResponse."""
        if self.event is None:
            return event_frame(self.type, self.object)
        return self.event.wire_as(self.type)

    @property
    def object(self) -> bytes:
        """The encoded object with its version."""
        if self.event is None:
            return bookmark(self.version, initial_events_end=self._ends_initial)
        return self.event.object_as(self.type)


class Subscription:
    """One watcher's queue. When it is full the watcher is cut: its stream ends, and it resumes after what it got last."""

    __slots__ = (
        "_bytes",
        "_capacity",
        "_changed",
        "_max_bytes",
        "_queue",
        "bookmarks",
        "is_cut",
        "selection",
    )

    def __init__(
        self, selection: Selection, *, capacity: int, bookmarks: bool, max_bytes: int = QUEUE_BYTES
    ) -> None:
        self.selection, self.bookmarks = selection, bookmarks
        self.is_cut = False
        self._capacity, self._max_bytes = capacity, max_bytes
        self._queue: list[Pending] = []
        #: of the objects in the queue
        self._bytes = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, event: CacheEvent) -> bool:
        """Queue an event if it concerns the selection; return whether it does."""
        kind = event.type_for(self.selection)
        if kind is None:
            return False
        self._push(Pending(kind, event.version, event))
        return True

    def mark(self, version: Version) -> None:
        """Queue a bookmark, if the watcher wants them and has nothing else to get."""
        if self.bookmarks and not self._queue:
            self._push(Pending(EventType.BOOKMARK, version, None))

    def cut(self) -> None:
        """End the stream; what waits is dropped, the watcher gets it when it resumes."""
        self.is_cut = True
        self._queue.clear()
        self._bytes = 0
        self._changed.set()

    def take(self, count: int, max_bytes: int) -> list[Pending]:
        """Take from the front of the queue: at most `count`, and no more than fit (one always does)."""
        size = 0
        for index, item in enumerate(self._queue[:count]):
            size += len(item.wire)
            if size > max_bytes and index:
                count = index
                break
        taken = self._queue[:count]
        del self._queue[:count]
        self._bytes -= sum(item.size for item in taken)
        return taken

    async def wait(self) -> None:
        """Return when there is something to take, or the watcher was cut."""
        while not self._queue and not self.is_cut:
            self._changed.clear()
            await self._changed.wait()

    def _push(self, item: Pending) -> None:
        if self.is_cut:
            return
        size = item.size
        if len(self._queue) >= self._capacity or (self._queue and self._bytes + size > self._max_bytes):
            self.cut()
            return
        self._queue.append(item)
        self._bytes += size
        self._changed.set()


class Fanout:
    """The watchers of one kind."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        #: place -> watchers; a place is ("key", key), ("index", field, value), ("namespace", prefix) or ("all",)
        self._places: dict[tuple[str, ...], dict[int, Subscription]] = {}
        #: watchers that see an index
        self._indexed = 0

    def __iter__(self) -> Iterator[Subscription]:
        for place in list(self._places.values()):
            yield from list(place.values())

    def attach(self, selection: Selection, *, capacity: int, bookmarks: bool) -> Subscription:
        """Add a watcher; it gets every event that is published from now on."""
        subscription = Subscription(selection, capacity=capacity, bookmarks=bookmarks)
        place = self._place(selection)
        self._places.setdefault(place, {})[id(subscription)] = subscription
        self._indexed += place[0] == "index"
        return subscription

    def detach(self, subscription: Subscription) -> None:
        """Remove a watcher."""
        place = self._place(subscription.selection)
        watchers = self._places[place]
        del watchers[id(subscription)]
        self._indexed -= place[0] == "index"
        if not watchers:
            del self._places[place]

    def publish(self, event: CacheEvent) -> tuple[int, int]:
        """Hand an event to those whom it concerns; return how many got it, and how many were cut for it."""
        handed = cut = 0
        for place in self._concerned(event):
            for subscription in self._places.get(place, {}).values():
                if subscription.is_cut or not subscription.offer(event):
                    continue
                handed += 1
                cut += subscription.is_cut
        return handed, cut

    def _place(self, selection: Selection) -> tuple[str, ...]:
        if selection.key is not None:
            return ("key", selection.key)
        if selection.index is not None and selection.index[0] in self._resource.index_fields:
            return ("index", *selection.index)
        if selection.prefix != self._resource.prefix:
            return ("namespace", selection.prefix)
        return ("all",)

    def _concerned(self, event: CacheEvent) -> list[tuple[str, ...]]:
        key = event.entry.stored.key
        # The prefix of the key's namespace; for kinds without it is that of the kind, where nobody stands.
        places: list[tuple[str, ...]] = [
            ("all",), ("namespace", Key(key[: key.rindex("/") + 1])), ("key", key)
        ]  # fmt: skip
        if self._indexed:
            pairs = dict.fromkeys(event.entry.index_pairs())
            if event.previous is not None:
                pairs.update(dict.fromkeys(event.previous.index_pairs()))
            places += [("index", *pair) for pair in pairs]
        return places
