"""Read, change, write, and again on conflict: `Storage.guaranteed_update` for every implementation.

The decisions are those of Kubernetes' etcd3 store: a hint saves the first read but is never the reason for an
error or for writing nothing.
"""

from collections.abc import Callable

from apiserver.storage.interface import (
    CONSISTENT,
    Change,
    Key,
    KeyConflict,
    KeyMissing,
    Storage,
    Stored,
)

#: tries before the conflict is handed to the caller
MAX_TRIES = 32


async def guaranteed_update(
    storage: Storage, key: Key, change: Callable[[Stored], Change], *, hint: Stored | None = None
) -> Stored:
    """Do what `Storage.guaranteed_update` promises, with the storage's own get, update and delete.

    Raises:
        KeyMissing: there is no such key.
        KeyConflict: others won every time.
    """
    current, fresh = hint, False
    for _ in range(MAX_TRIES):
        if current is None:
            current, fresh = await storage.get(key, CONSISTENT), True
            if current is None:
                raise KeyMissing(key)
        wanted = _decide(change, current, fresh=fresh)
        if wanted is None:
            current = None
            continue
        if wanted.data == current.data:
            return current
        try:
            return await _write(storage, current, wanted)
        except KeyConflict as conflict:
            current, fresh = conflict.current, conflict.current is not None
        except KeyMissing:
            if fresh:
                raise
            current = None
    raise KeyConflict(current)


def _decide(change: Callable[[Stored], Change], current: Stored, *, fresh: bool) -> Change | None:
    """Return what is wanted; None when only a read of what is really stored can tell, for `current` is a
    hint.
    """
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
