"""One client's watch: the current state in chunks, then the ring's events, then live ones (or to an outlet).

A watcher is attached to the fan-out only when it has caught up, in the same step as the last read of the
ring. So no event is lost between the two, and a client that is slow to take the current state fills no queue.
The storage gives events that the ring no longer has (`history`).
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from apiserver.storage.cached import Entry, judge_of
from apiserver.storage.codec import stamped_event_frame, version_frame
from apiserver.storage.feed import CachedKind
from apiserver.storage.groups import Item, Pending, Slice, Subscription, items_for
from apiserver.storage.history import History
from apiserver.storage.interface import EventType, Version
from apiserver.storage.pushing import BATCH_BYTES, BATCH_EVENTS, Pace, Pusher
from apiserver.storage.selection import Outlet, Selection
from vaina.clock import Clock


class WatchBatch(NamedTuple):
    """Events that are sent together."""

    #: the number of events
    events: int
    #: the encoded RawWatchResponse: events and version, joined from parts encoded once for all watchers
    response: bytes
    #: the version to resume after; 0: a part of the current state, after which a watch cannot resume
    version: Version


class WatchStream:
    """Serves one watch of one kind."""

    def __init__(
        self,
        history: History,
        kind: CachedKind,
        selection: Selection,
        *,
        bookmarks: bool,
        mark_end: bool,
        clock: Clock,
        outlet: Outlet | None = None,
    ) -> None:
        self._outlet = outlet
        self._history, self._kind, self._selection = history, kind, selection
        self._selects = judge_of(kind.cache.resource, selection)
        self._bookmarks, self._mark_end, self._clock = bookmarks, mark_end, clock

    async def batches(self, after: Version | None) -> AsyncGenerator[WatchBatch, None]:
        """Yield batches after a version (None: the current state first), until the watcher was too slow.

        With an outlet only those are yielded until the watcher has caught up, and the outlet gets the others.
        Raises Expired when neither ring nor storage has the next events; Unavailable, Timeout when a read of
        storage failed.
        """
        cache = self._kind.cache
        if after is None:
            after = cache.version
            async with aclosing(self._initial(cache.candidates(self._selection), after)) as initial:
                async for batch in initial:
                    yield batch
        while True:
            events = cache.events_since(after)
            if events is None:
                async with self._history.after(self._kind, after) as portion:
                    for batch in self._chunks(items_for(portion.events, self._selects), portion.reached):
                        yield batch
                    after = portion.reached
                continue
            if not events:
                break
            # The cache has whole revisions, so also all events of the last one that share a version.
            after = cache.version
            for batch in self._chunks(items_for(events, self._selects), after):
                yield batch
        # There is no await between the last read of the ring and this, so no event is lost between them.
        subscription = self._kind.fanout.attach(self._selection, bookmarks=self._bookmarks)
        try:
            if self._outlet is not None:
                group = subscription.group
                sender = group.sender or Pusher(group, cache, self._clock)
                await sender.serve(subscription, self._outlet)
                return
            async with aclosing(self._live(subscription)) as live:
                async for batch in live:
                    yield batch
        finally:
            self._kind.fanout.detach(subscription)

    async def _initial(self, entries: Sequence[Entry], version: Version) -> AsyncGenerator[WatchBatch, None]:
        """Yield the current state. Only the last batch has a version: after a part of it none may resume."""
        # It keeps no events, which would hold their encoded bytes while the watcher does not read.
        parts: list[bytes] = []
        size = 0
        for number, entry in enumerate(entries):
            if number % BATCH_EVENTS == BATCH_EVENTS - 1:
                await self._clock.sleep(0)
            if not self._selects(entry):
                continue
            wire = stamped_event_frame(EventType.ADDED, entry.stored.data, entry.stored.version)
            size += len(wire)
            if parts and (len(parts) >= BATCH_EVENTS or size > BATCH_BYTES):
                batch = WatchBatch(len(parts), b"".join(parts), Version(0))
                parts.clear()
                size = len(wire)
                yield batch
            parts.append(wire)
        if self._mark_end:
            parts.append(Pending(EventType.BOOKMARK, version, None, initial_events_end=True).wire)
        if parts:
            batch = WatchBatch(len(parts), b"".join((*parts, version_frame(version))), version)
            parts.clear()
            yield batch

    def _chunks(self, items: Sequence[Item], end: Version) -> Iterator[WatchBatch]:
        for chunk, is_last in _split(items):
            yield _batch(chunk, end if is_last else chunk[-1].version)

    async def _live(self, subscription: Subscription) -> AsyncGenerator[WatchBatch, None]:
        """Yield the group's events. Under load it gathers them, the longer the more watchers the group has."""
        pace = Pace(self._clock)
        while True:
            await subscription.wait()
            seconds = pace.wait_seconds(len(subscription.group))
            if seconds and len(subscription) < BATCH_EVENTS:
                await self._clock.sleep(seconds)
            pace.sent()
            if subscription.is_cut:
                return
            taken = subscription.take(BATCH_EVENTS, BATCH_BYTES)
            # The log has every applied event: a watcher that has taken all of them has the cache's version.
            version = taken.items[-1].version if len(subscription) else self._kind.cache.version
            yield WatchBatch(len(taken), taken.response(version), version)


def _split(items: Sequence[Item]) -> Iterator[tuple[Sequence[Item], bool]]:
    """Yield runs of events that fit into one message each, and whether the run is the last."""
    start = size = 0
    for index, item in enumerate(items):
        size += len(item.wire)
        if index > start and (size > BATCH_BYTES or index - start >= BATCH_EVENTS):
            yield items[start:index], False
            start, size = index, len(item.wire)
    if start < len(items):
        yield items[start:], True


def _batch(items: Sequence[Item], version: Version) -> WatchBatch:
    return WatchBatch(len(items), Slice(items).response(version), version)
