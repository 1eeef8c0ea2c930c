"""Objects of a kind as the watch cache has them, parsed once: what admission looks at for every create.

Level-triggered: each look compares with the cache, so there is no event that could be missed.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from apiserver.storage import keys
from apiserver.storage.interface import CachedStorage, Key, Read, Stored, Version
from vaina.errors import InternalError
from vaina.kinds import Kind

M = TypeVar("M", bound=Message)

#: whatever the cache has
CACHED = Read(at_least=Version(0))
#: parsed objects that are remembered; when there are more, all are forgotten and parsed again
_MAX_PARSED = 4096


class Followed(Generic[M]):
    """The objects of one kind. Owned by one event loop; the objects are read-only."""

    def __init__(self, kind: Kind[M], storage: CachedStorage) -> None:
        self._kind: Kind[Any] = kind
        self._storage = storage
        self._prefix = keys.kind_prefix(kind)  # type: ignore[arg-type]  # a Kind[M] is a Kind
        #: by namespace, as of the version at which the kind changed last
        self._lists: dict[str, Sequence[M]] = {}
        self._as_of: Version | None = None
        self._parsed: dict[Key, tuple[Version, M]] = {}

    async def list(self, namespace: str = "") -> Sequence[M]:
        """Return the objects of a namespace, or all, by name. Raises Unavailable before the cache is filled."""
        changed = self._storage.changed(self._prefix)
        if changed is not None and changed == self._as_of:
            known = self._lists.get(namespace)
            if known is not None:
                return known
        page = await self._storage.list(keys.namespace_prefix(self._kind, namespace), CACHED)
        found: Sequence[M] = [self.parse(item) for item in page.items] if page.items else ()
        if changed is not None and changed == self._storage.changed(self._prefix):
            if changed != self._as_of or len(self._lists) >= _MAX_PARSED:
                self._lists.clear()
            self._as_of, self._lists[namespace] = changed, found
        return found

    async def get(self, name: str, namespace: str = "") -> M | None:
        """Return one object: as the cache has it, or as storage does where the cache has none."""
        found = self.peek(name, namespace)
        return await self.find(name, namespace) if found is None else found

    def peek(self, name: str, namespace: str = "") -> M | None:
        """Return one object as the cache has it."""
        stored = self._storage.peek(keys.object_key(self._kind, namespace, name), Version(0))
        return None if stored is None else self.parse(stored)

    async def find(self, name: str, namespace: str = "") -> M | None:
        """Return an object as it is now, from storage: the cache may not have it yet."""
        stored = await self._storage.get(keys.object_key(self._kind, namespace, name))
        return None if stored is None else self.parse(stored)

    def parse(self, stored: Stored) -> M:
        known = self._parsed.get(stored.key)
        if known is not None and known[0] == stored.version:
            return known[1]
        try:
            obj: M = self._kind.message.FromString(stored.data)
        except Exception as error:  # upb raises DecodeError, or ValueError on bad UTF-8
            raise InternalError(f"the object at {stored.key} cannot be read") from error
        obj.metadata.resource_version = str(stored.version)  # type: ignore[attr-defined]  # every kind has metadata
        if len(self._parsed) >= _MAX_PARSED:
            self._parsed.clear()
        self._parsed[stored.key] = stored.version, obj
        return obj
