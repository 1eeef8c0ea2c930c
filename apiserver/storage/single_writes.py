"""The single writes of a storage, made of its `put_all`, `get` and `delete`: the same for every implementation.

The decisions of `guaranteed_update` are those of Kubernetes' etcd3 store: a hint saves the first read but is
never the reason for an error or for writing nothing.
"""

from collections.abc import Callable

from apiserver.storage.interface import (
    CONSISTENT,
    Change,
    Key,
    KeyConflict,
    KeyMissing,
    Put,
    Stale,
    Storage,
    Stored,
    Version,
)

#: tries before the conflict is handed to the caller
MAX_TRIES = 32


class SingleWrites:
    """What `Storage` promises of `create`, `update` and `guaranteed_update`."""

    async def create(
        self: Storage, key: Key, data: bytes, type_meta: tuple[str, str], *, ttl_seconds: int = 0
    ) -> Stored:
        return await _put(self, Put(key, data, type_meta, None, ttl_seconds))

    async def update(
        self: Storage,
        key: Key,
        data: bytes,
        type_meta: tuple[str, str],
        *,
        expected: Version,
        ttl_seconds: int = 0,
    ) -> Stored:
        return await _put(self, Put(key, data, type_meta, expected, ttl_seconds))

    async def guaranteed_update(
        self: Storage, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
    ) -> Stored:
        current, fresh = hint, False
        for _ in range(MAX_TRIES):
            if current is None:
                current, fresh = await self.get(key, CONSISTENT), True
                if current is None:
                    raise KeyMissing(key)
            wanted = _decide(change, current, fresh=fresh)
            if wanted is None:
                current = None
                continue
            if wanted.data == current.data and not isinstance(current, Stale):
                return current
            try:
                return await _write(self, current, wanted)
            except KeyConflict as conflict:
                current, fresh = conflict.current, conflict.current is not None
            except KeyMissing:
                if fresh:
                    raise
                current = None
        raise KeyConflict(current)


async def _put(storage: Storage, put: Put) -> Stored:
    [result] = await storage.put_all([put])
    if isinstance(result, Exception):
        raise result
    return result


def _decide(change: Callable[[Stored], Change], current: Stored, *, fresh: bool) -> Change | None:
    """Return what is wanted; None when only a fresh read can tell, because `current` is a hint."""
    try:
        wanted = change(current)
    except Exception:  # whatever `change` refuses with: of a hint that may be old it is no answer yet
        if fresh:
            raise
        return None
    return wanted if fresh or wanted.data != current.data else None


async def _write(storage: Storage, current: Stored, wanted: Change) -> Stored:
    if wanted.data is None:
        return await storage.delete(current.key, expected=current.version)
    return await storage.update(
        current.key, wanted.data, current.type_meta, expected=current.version, ttl_seconds=wanted.ttl_seconds
    )
