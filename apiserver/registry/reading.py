"""Get, list and watch: the half of the store that changes nothing. Stored bytes pass through without being
parsed.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Generic

from apiserver import refusals
from apiserver.registry import options as reads
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import ListOptions, ListResult, WatchOptions, make_selection
from apiserver.registry.strategy import M
from apiserver.registry.world import World
from apiserver.storage import keys
from apiserver.storage.interface import Key, Page, Read, Stored, Version
from apiserver.storage.selection import Outlet, Selection
from apiserver.storage.watch_stream import WatchBatch
from vaina.errors import Expired, InternalError
from vaina.kinds import Kind

#: A page of a list ends before its objects have more bytes than this: some 4,500 Pods. An answer exists twice
#: until it is sent, so sixteen long lists at once cost that much less memory than with pages of 8 MiB
#: (docs/performance-notes.md).
PAGE_BYTES = 4 * 1024 * 1024
#: a watch without a time of its own ends after half an hour to an hour, so that load spreads over replicas
#: again
MIN_WATCH_SECONDS = 1800

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class Reader(Generic[M]):
    """Reads of one kind."""

    def __init__(self, kind: Kind[M], world: World) -> None:
        self.kind: Kind[Any] = kind
        self._world = world
        self.storage = world.storage
        self._prefix = keys.kind_prefix(kind)  # type: ignore[arg-type]  # a Kind[M] is a Kind

    def key(self, namespace: str, name: str) -> Key:
        """Return where an object is stored; an empty namespace is `default`. Raises BadRequest."""
        if not name or "/" in name or "%" in name or name in (".", ".."):
            raise refusals.no_name(name)
        if not self.kind.namespaced:
            return Key(self._prefix + name)
        return Key(f"{self._prefix}{namespace or DEFAULT_NAMESPACE}/{name}")

    def peek(self, namespace: str, name: str) -> Stored | None:
        """Return what the cache has of an object; None: it may be stored all the same. Raises BadRequest."""
        return self.storage.peek(self.key(namespace, name), Version(0))

    async def give_way(self) -> None:
        await self._world.clock.sleep(0)

    def now(self) -> float:
        return self._world.clock.now()

    def decode(self, stored: Stored) -> M:
        """Parse an object, and set its resourceVersion. Raises InternalError, which names the key."""
        try:
            obj: Any = self.kind.message.FromString(stored.data)
        except Exception as error:  # upb raises DecodeError, or ValueError on bad UTF-8
            raise InternalError(f"the object at {stored.key} cannot be read") from error
        obj.metadata.resource_version = str(stored.version)
        return obj  # type: ignore[no-any-return]  # an object of the kind of this store

    async def get(self, namespace: str, name: str, resource_version: str = "") -> Stored:
        """Return an object as it is stored. Raises NotFound."""
        stored = await self.storage.get(self.key(namespace, name), reads.read_of(resource_version))
        if stored is None:
            raise refusals.not_found(self.kind, name)
        return stored

    async def find(self, namespace: str, name: str) -> M | None:
        """Return an object from the cache, or else from storage; None when there is none."""
        key = self.key(namespace, name)
        stored = await self.storage.get(key, Read(at_least=Version(0))) or await self.storage.get(key)
        return None if stored is None else self.decode(stored)

    async def list(self, options: ListOptions) -> ListResult:
        """Return the selected objects, or a page of them. Raises Expired: token or exact version are too old."""
        read = reads.read_of_list(options)
        selection = make_selection(
            self.kind, options.namespace, options.label_selector, options.field_selector
        )
        after: Key | None = None
        if options.continue_token:
            after, version = reads.decode_token(selection.prefix, options.continue_token)
            read = Read(exact=version) if version is not None else Read()
        page = await self._page(selection, read, options, after)
        if page.next_key is None:
            return ListResult(page.items, page.version, unreadable=page.unreadable)
        token = reads.encode_token(selection.prefix, page.next_key, page.version)
        everything = selection.labels is None and selection.fields is None
        remaining = page.remaining if everything else None
        return ListResult(page.items, page.version, token, remaining, page.unreadable)

    async def list_all(self, options: ListOptions) -> Sequence[M]:
        found = []
        while True:
            page = await self.list(options)
            found += [self.decode(item) for item in page.items]
            if not page.continue_token:
                return found
            options = replace(options, continue_token=page.continue_token, resource_version="")

    async def _page(self, selection: Selection, read: Read, options: ListOptions, after: Key | None) -> Page:
        try:
            return await self.storage.list_selection(
                selection, read, limit=options.limit, max_bytes=PAGE_BYTES, after=after
            )
        except Expired as error:
            if after is None:
                raise
            raise Expired(_TOO_OLD, continue_token=reads.encode_token(selection.prefix, after, -1)) from error

    async def watch(
        self, options: WatchOptions, outlet: Outlet | None = None
    ) -> AsyncGenerator[WatchBatch, None]:
        """Yield what happens, in batches, until the time is over or the storage ends the stream.

        With an outlet what happens goes there once the watch has caught up, and is not yielded. Raises Invalid,
        BadRequest; Expired when what lies after the given version is no longer kept.
        """
        reads.check_watch(options)
        selection = make_selection(
            self.kind, options.namespace, options.label_selector, options.field_selector
        )
        version = reads.parse_version(options.resource_version)
        initial = options.send_initial_events
        if initial is None:
            initial = not version
        if not initial and not version:
            version = await self.storage.current_version()
        deadline = asyncio.get_running_loop().time() + self._watch_seconds(options.timeout_seconds)
        batches = self.storage.watch_selection(
            selection,
            after=version,
            initial=initial,
            bookmarks=options.allow_bookmarks or bool(options.send_initial_events),
            # Who did not ask for the initial events does not look for their end.
            mark_end=bool(options.send_initial_events),
            outlet=outlet,
        )
        async with aclosing(batches) as source:
            while True:
                try:
                    # Around the wait alone: a timeout that is open across a yield would cancel the consumer.
                    async with asyncio.timeout_at(deadline):
                        batch = await anext(source)
                except (StopAsyncIteration, TimeoutError):
                    return
                yield batch

    def _watch_seconds(self, wished: int | None) -> float:
        if wished is not None and wished > 0:
            return wished
        return MIN_WATCH_SECONDS * (1.0 + self._world.rng.random())
