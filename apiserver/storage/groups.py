"""The watchers of one selection: a group with one bounded log, in which each watcher has a place.

The group decides once which events concern the selection. It encodes and joins events once for all watchers
that take the same slice of the log. Owned by one event loop. Made by `fanout`.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from apiserver.storage.cached import CacheEvent, Judge, judge_of
from apiserver.storage.codec import bookmark, event_frame, version_frame
from apiserver.storage.interface import EventType, Version
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Outlet, Selection

#: A log of this many events drops those that all its watchers have taken.
_TIDY = 64
_NOTHING = (-1, -1, -1)


class Pending:
    """An event that has another type for a watcher with a selector; or a bookmark, which has no event."""

    __slots__ = ("_ends_initial", "event", "type", "version")

    def __init__(
        self, kind: EventType, version: Version, event: CacheEvent | None, *, initial_events_end: bool = False
    ) -> None:
        self.type, self.version, self.event = kind, version, event
        self._ends_initial = initial_events_end

    @property
    def size(self) -> int:
        return 0 if self.event is None else self.event.size

    @property
    def wire(self) -> bytes:
        """The part of a RawWatchResponse."""
        if self.event is None:
            return event_frame(self.type, bookmark(self.version, initial_events_end=self._ends_initial))
        return self.event.wire_as(self.type)


#: an event as the watcher gets it
Item: TypeAlias = CacheEvent | Pending


def items_for(events: Iterable[CacheEvent], selects: Judge) -> list[Item]:
    """Return the events that concern a selection, as its watchers get them."""
    found: list[Item] = []
    for event in events:
        kind = event.type_for(selects)
        if kind is not None:
            found.append(event if kind is event.type else Pending(kind, event.version, event))
    return found


class Slice:
    """A part of a log: events that are sent together."""

    __slots__ = ("_response", "_version", "_wires", "items")

    def __init__(self, items: Sequence[Item], wires: Sequence[bytes] | None = None) -> None:
        """Make a slice; `wires` are the items' encoded forms, where they are known."""
        self.items = items
        self._wires = [item.wire for item in items] if wires is None else wires
        self._version: Version | None = None
        self._response = b""

    def __len__(self) -> int:
        return len(self.items)

    def response(self, version: Version) -> bytes:
        """Return the encoded RawWatchResponse with the version to resume after, made once for all watchers."""
        if version != self._version:
            self._response = b"".join((*self._wires, version_frame(version)))
            self._version = version
        return self._response


class Sender(Protocol):
    """Sends the events of a group to its watchers (`apiserver.storage.pushing`)."""

    def wake(self) -> None:
        """Begin to send, because there are events."""
        ...

    async def serve(self, subscription: "Subscription", outlet: Outlet) -> None:
        """Send a watcher its events until it is cut. Raises what its outlet raises."""
        ...


class Group:
    """The watchers of one selection, and the log of events that some of them have not taken yet."""

    __slots__ = (
        "_bytes",
        "_capacity",
        "_first",
        "_last",
        "_left",
        "_log",
        "_max_bytes",
        "_selects",
        "_tidy_at",
        "_waiting",
        "_watchers",
        "selection",
        "sender",
    )

    def __init__(self, resource: Resource, selection: Selection, *, capacity: int, max_bytes: int) -> None:
        """Make an empty group. A watcher behind by more events or bytes is cut (one event always fits)."""
        self.selection = selection
        has_selectors = selection.labels is not None or selection.fields is not None
        self._selects = judge_of(resource, selection) if has_selectors else None
        self._capacity, self._max_bytes = capacity, max_bytes
        self._log: list[Item] = []
        #: the number of the log's first event; the numbers never start again
        self._first = 0
        #: bytes of the objects in the log
        self._bytes = 0
        self._tidy_at = min(_TIDY, capacity + 1)
        self._watchers: dict[int, Subscription] = {}
        self._waiting: dict[int, Subscription] = {}
        #: sends to the watchers that have an outlet; None while there are none
        self.sender: Sender | None = None
        #: the last request (start, end, bytes) and its slice: the next watchers mostly take the same
        self._last: tuple[tuple[int, int, int], Slice] = (_NOTHING, Slice(()))
        #: the number of watchers that have not taken it
        self._left = 0

    def __len__(self) -> int:
        return len(self._watchers)

    def __iter__(self) -> Iterator["Subscription"]:
        return iter(list(self._watchers.values()))

    @property
    def end(self) -> int:
        """The number that the next event gets."""
        return self._first + len(self._log)

    @property
    def kept(self) -> int:
        return len(self._log)

    def join(self, *, bookmarks: bool) -> "Subscription":
        subscription = Subscription(self, bookmarks=bookmarks)
        self._watchers[id(subscription)] = subscription
        return subscription

    def leave(self, subscription: "Subscription") -> None:
        self._watchers.pop(id(subscription), None)
        self._waiting.pop(id(subscription), None)

    def extend(self, events: Sequence[CacheEvent]) -> tuple[int, int]:
        """Log the events that concern the selection. Return how many were handed on, and the watchers cut.

        Watchers are cut after the last event. No task runs meanwhile, so this is the same as to cut them at
        the first event too many.
        """
        # Without selectors all events of the group's place concern it.
        items: Sequence[Item] = events if self._selects is None else items_for(events, self._selects)
        if not items:
            return 0, 0
        log, cut = self._log, 0
        log.extend(items)
        handed = len(items) * len(self._watchers)
        self._bytes += sum([item.size for item in items])
        if len(log) >= self._tidy_at or self._bytes > self._max_bytes:
            cut = self._tidy()
        if self._waiting:
            waiting = list(self._waiting.values())
            self._waiting.clear()
            for subscription in waiting:
                subscription.wake()
        if self.sender is not None:
            self.sender.wake()
        return handed, cut

    def take(self, start: int, count: int, max_bytes: int) -> Slice:
        """Return the events from a place on: at most `count`, and no more than fit (one always does)."""
        end, size = min(self.end, start + count), 0
        wanted = (start, end, max_bytes)
        asked, last = self._last
        if asked == wanted:
            self._left -= 1
            return last
        items, wires = self._log[start - self._first : end - self._first], list[bytes]()
        for index, item in enumerate(items):
            wire = item.wire
            size += len(wire)
            if size > max_bytes and index:
                del items[index:]
                break
            wires.append(wire)
        found = Slice(items, wires)
        self._last, self._left = (wanted, found), len(self._watchers) - 1
        return found

    def taken(self) -> None:
        """Drop events that all watchers have, once all have taken the last slice."""
        if self._left <= 0:
            self._drop()
            self._last = (_NOTHING, Slice(()))

    def wait(self, subscription: "Subscription") -> None:
        """Wake the watcher at the next event."""
        self._waiting[id(subscription)] = subscription

    def _tidy(self) -> int:
        """Drop events that all watchers have, and cut the slowest until the log fits; return how many."""
        cut = 0
        self._drop()
        while len(self._log) > self._capacity or (len(self._log) > 1 and self._bytes > self._max_bytes):
            for subscription in self:
                if subscription.place == self._first:
                    subscription.cut()
                    cut += 1
            self._drop()
        self._tidy_at = min(max(_TIDY, 2 * len(self._log)), self._capacity + 1)
        return cut

    def _drop(self) -> None:
        needed = min((subscription.place for subscription in self._watchers.values()), default=self.end)
        gone = needed - self._first
        if gone:
            self._bytes -= sum(item.size for item in self._log[:gone])
            del self._log[:gone]
            self._first = needed


class Subscription:
    """One watcher's place in the log of its group. A watcher too far behind is cut, and may resume."""

    __slots__ = ("_changed", "_group", "_mark", "bookmarks", "is_cut", "on_change", "place")

    def __init__(self, group: Group, *, bookmarks: bool) -> None:
        self._group, self.bookmarks = group, bookmarks
        #: the number of the event to take next
        self.place = group.end
        self.is_cut = False
        self._mark: Version | None = None
        self._changed = asyncio.Event()
        #: called when the watcher is cut or gets a bookmark; for a sender, which does not `wait`
        self.on_change: Callable[[], None] | None = None

    def __len__(self) -> int:
        return 0 if self.is_cut else self._group.end - self.place

    @property
    def group(self) -> Group:
        return self._group

    @property
    def has_more(self) -> bool:
        return not self.is_cut and (self._mark is not None or self._group.end > self.place)

    def mark(self, version: Version) -> None:
        """Give the watcher a bookmark, if it wants bookmarks and no events wait for it."""
        if self.bookmarks and not len(self) and not self.is_cut:
            self._mark = version
            self.wake()

    def cut(self) -> None:
        """End the stream; the watcher gets the waiting events when it resumes."""
        self.is_cut = True
        self._group.leave(self)
        self.wake()

    def wake(self) -> None:
        """Have `wait` check again."""
        self._changed.set()
        if self.on_change is not None:
            self.on_change()

    def take(self, count: int, max_bytes: int) -> Slice:
        """Take the next events: at most `count`, and no more than fit (one always does)."""
        mark, self._mark = self._mark, None
        if mark is not None and not len(self):
            return Slice([Pending(EventType.BOOKMARK, mark, None)])
        found = self._group.take(self.place, count, max_bytes)
        self.place += len(found)
        self._group.taken()
        return found

    async def wait(self) -> None:
        """Wait until there is something to take, or the watcher was cut."""
        while not self.has_more and not self.is_cut:
            self._changed.clear()
            self._group.wait(self)
            await self._changed.wait()
