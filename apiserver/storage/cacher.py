"""The watch cache before a storage: serves reads and watches of all kinds from memory; itself a `Storage`.

For watching and for lists with selectors the registry uses, instead of `Storage.watch` and `Storage.list`:

    cacher.watch_selection(selection, after=..., initial=..., bookmarks=...) -> AsyncIterator[WatchBatch]

    * initial=True: first the current state as ADDED (consistent; or, with `after` given, at least as new as that version),
      then, if bookmarks, a BOOKMARK frame whose object has the annotation k8s.io/initial-events-end, then what happens.
    * initial=False: everything after `after`. Raises vaina.errors.Expired when that is no longer kept.
    * the iterator ends by itself when the watcher was too slow: the client resumes after the last version it got.

    cacher.list_selection(selection, read, limit=, max_bytes=, after=) -> Page, from indexes and cached labels and fields.

    cacher.get(key, Read(at_least=0)) and the rest of `Storage`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from apiserver.storage.interface import CONSISTENT, EventType, Key, Page, Read, Version
from apiserver.storage.selection import Selection


class Frame(NamedTuple):
    """One event as it goes out."""

    type: EventType
    #: the encoded object with its version; of a BOOKMARK: nothing but a version
    object: bytes
    version: Version


class WatchBatch(NamedTuple):
    """Events that go out together."""

    frames: Sequence[Frame]
    #: the encoded RawWatchResponse: events and resource_version, joined from parts encoded once for all watchers
    response: bytes
    #: resume after it
    version: Version


class Cacher:
    """STUB: signatures only; the implementation follows."""

    async def run(self) -> None:
        """Feed the cache until cancelled: list, watch, apply, hand on; again with jittered back-off when etcd was away."""
        raise NotImplementedError

    async def wait_ready(self) -> None:
        """Return when the cache is filled."""
        raise NotImplementedError

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
        raise NotImplementedError

    def watch_selection(
        self,
        selection: Selection,
        *,
        after: Version | None = None,
        initial: bool = False,
        bookmarks: bool = False,
    ) -> AsyncIterator[WatchBatch]:
        """Yield what happens to the selected objects."""
        raise NotImplementedError
