"""Deleting what is stored but cannot be read. Called by `store`, when DeleteOptions ask for it.

Follows apiserver `registry/generic/registry/corrupt_obj_deleter.go`: nobody can say what the object was, so
neither preconditions nor finalizers are looked at, and whoever follows objects that go is not told.
"""

from typing import Any

from apiserver import refusals
from apiserver.context import Context
from apiserver.registry.world import SelectingStorage
from apiserver.storage.interface import Key, KeyConflict, KeyMissing, Stored, Unreadable, Version
from apiserver.storage.keys import split
from vaina.kinds import Kind


async def delete_unreadable(
    ctx: Context, kind: Kind[Any], storage: SelectingStorage, prefix: Key, key: Key
) -> Stored:
    """Remove what cannot be read; return an object with nothing but its name, at the version of the deletion.

    Raises NotFound when there is nothing, Conflict when it can be read.
    """
    namespace, name = split(key, prefix)
    try:
        version = await _try(storage, key) if ctx.dry_run else await storage.delete_unreadable(key)
    except KeyMissing:
        raise refusals.not_found(kind, name) from None
    except KeyConflict:
        raise refusals.conflict(
            kind, name,
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: unsafe deletion "
            "is not allowed because the object is decodable from storage",
        ) from None  # fmt: skip
    obj = kind.message()
    obj.metadata.namespace, obj.metadata.name = namespace, name
    return Stored(key, obj.SerializeToString(deterministic=True), version)


async def _try(storage: SelectingStorage, key: Key) -> Version:
    """Say what `delete_unreadable` would."""
    try:
        found = await storage.get(key)
    except Unreadable:
        return Version(0)
    if found is None:
        raise KeyMissing(key)
    raise KeyConflict(found)
