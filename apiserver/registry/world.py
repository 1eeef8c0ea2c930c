"""What the registry stands on: storage that answers selections, time, randomness, ids, admission."""

import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiserver.admission.chain import Chain
from apiserver.large import LargeWork
from apiserver.storage.interface import CONSISTENT, CachedStorage, Key, Page, Read, Version
from apiserver.storage.selection import Outlet, Selection
from apiserver.storage.watch_stream import WatchBatch
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import Clock


class SelectingStorage(CachedStorage, Protocol):
    """A storage that also answers selections: `Cacher`, or `Direct` in tests."""

    async def list_selection(
        self,
        selection: Selection,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        """Return the selected objects, in the order of keys. Raises Expired."""
        ...

    def watch_selection(
        self,
        selection: Selection,
        *,
        after: Version | None = None,
        initial: bool = False,
        bookmarks: bool = False,
        mark_end: bool = True,
        outlet: Outlet | None = None,
    ) -> AsyncGenerator[WatchBatch, None]:
        """Yield what happens to the selected objects. Raises Expired; ends when the watcher is too slow."""
        ...


class Observer(Protocol):
    """Is told of what was done; must return at once."""

    def uids(self, uids: Sequence[str], meta: meta_pb2.ObjectMeta, warn: Callable[[str], None]) -> list[str]:
        """Return the uids of new objects with this metadata, from those that were made for them."""
        ...

    def wants(self, uid: str) -> bool:
        """Say whether to be told of the creation of an object with this uid."""
        ...

    def created(self, obj: Any, *, started: float) -> None:
        """An object was stored; `started` is when its request came (seconds since the epoch)."""
        ...

    def removed(self, obj: Any) -> None:
        """An object is gone; `obj` is its last state."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Handed to every store."""

    storage: SelectingStorage
    clock: Clock
    rng: random.Random
    new_uid: Callable[[], str]
    admission: Chain
    large: LargeWork = field(default_factory=LargeWork)
