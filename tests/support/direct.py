"""Selections straight over a `Storage`, without a watch cache: every object is decoded to see whether it is
selected. And the apiserver's handlers over that.

It says in few lines what `Cacher` must do. Slow where many watch.
"""

import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from apiserver.build import build
from apiserver.storage import codec
from apiserver.storage.interface import (
    CONSISTENT,
    Change,
    EventType,
    Key,
    Page,
    Read,
    Storage,
    StorageEvent,
    Stored,
    Version,
)
from apiserver.storage.paging import PageFiller
from apiserver.storage.resources import resource_of
from apiserver.storage.selection import Outlet, Selection
from apiserver.storage.watch_stream import WatchBatch
from tests.support.frames import Frame
from vaina.clock import Clock
from vaina.errors import Expired
from vaina.kinds import KINDS_BY_GVK
from vaina.serving.handlers import Handlers


class Direct:
    """A storage that also answers selections."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.create = storage.create
        self.put_all = storage.put_all
        self.get = storage.get
        self.list = storage.list
        self.update = storage.update
        self.delete = storage.delete
        self.delete_unreadable = storage.delete_unreadable
        self.watch = storage.watch
        self.current_version = storage.current_version
        self.request_progress = storage.request_progress

    async def guaranteed_update(
        self, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        """Pass it on."""
        return await self._storage.guaranteed_update(key, change, hint=hint)

    def peek(self, key: Key, at_least: Version) -> Stored | None:
        """Know nothing: there is no cache."""

    def changed(self, prefix: Key) -> Version | None:
        """Know nothing: there is no cache."""

    async def list_selection(
        self,
        selection: Selection,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        """Return the selected objects, in the order of keys."""
        if selection.labels is None and selection.fields is None:
            return await self._storage.list(
                selection.prefix, read, limit=limit, max_bytes=max_bytes, after=after
            )
        page = await self._storage.list(selection.prefix, read, after=after)
        filler = PageFiller(limit, max_bytes)
        for item in page.items:
            if _selected(selection, item) and (filler.is_full or not filler.add(item)):
                return Page(filler.items, page.version, filler.items[-1].key)
        return Page(filler.items, page.version)

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
        """Yield what happens to the selected objects; nothing goes to an outlet."""
        if initial:
            page = await self.list_selection(selection, Read(at_least=after))
            frames = [_frame(EventType.ADDED, item, item.version) for item in page.items]
            if bookmarks and mark_end:
                mark = codec.bookmark(page.version, initial_events_end=True)
                frames.append(Frame(EventType.BOOKMARK, mark, page.version))
            yield _batch(frames, page.version)
            after = page.version
        assert after is not None
        async for events in self._storage.watch(selection.prefix, after=after):
            # Storage tells at once where a watch begins, which the client has said itself or has just been
            # told.
            is_news = events[-1].version > after
            frames = list(_frames(selection, events, bookmarks and is_news))
            if frames:
                yield _batch(frames, events[-1].version)


def build_handlers(storage: Storage, clock: Clock, *, rng: random.Random | None = None) -> Handlers:
    """Make the handlers of an apiserver straight over a storage, without a watch cache."""
    return build(Direct(storage), clock, rng=rng).handlers


def _frames(selection: Selection, events: Sequence[StorageEvent], bookmarks: bool) -> Iterable[Frame]:
    for event in events:
        if event.type is EventType.BOOKMARK:
            if bookmarks:
                yield Frame(EventType.BOOKMARK, codec.bookmark(event.version), event.version)
            continue
        if event.object is None and event.type is not EventType.DELETED:
            # What is there now cannot be read.
            if event.previous is not None and _selected(selection, event.previous):
                yield _frame(EventType.DELETED, event.previous, event.version)
            continue
        if event.object is None or (event.type is not EventType.ADDED and event.previous is None):
            # Compacted meanwhile: nobody can say whether the object leaves the selection.
            raise Expired("The resourceVersion for the provided watch is too old.")
        before = event.previous is not None and _selected(selection, event.previous)
        now = event.type is not EventType.DELETED and _selected(selection, event.object)
        if now:
            yield _frame(EventType.MODIFIED if before else EventType.ADDED, event.object, event.version)
        elif before:
            last = event.object if event.type is EventType.DELETED else event.previous
            assert last is not None
            yield _frame(EventType.DELETED, last, event.version)


def _selected(selection: Selection, stored: Stored) -> bool:
    if selection.key is not None and stored.key != selection.key:
        return False
    if selection.labels is None and selection.fields is None:
        return True
    resource = resource_of(KINDS_BY_GVK[stored.type_meta])
    if selection.labels is not None and not selection.labels.matches(resource.labels(stored.data)):
        return False
    return selection.fields is None or selection.fields.matches(resource.fields(stored.data))


def _frame(kind: EventType, stored: Stored, version: Version) -> Frame:
    return Frame(kind, codec.stamp(stored.data, version), version)


def _batch(frames: Sequence[Frame], version: Version) -> WatchBatch:
    parts = [codec.event_frame(frame.type, frame.object) for frame in frames]
    return WatchBatch(len(frames), b"".join((*parts, codec.version_frame(version))), version)
