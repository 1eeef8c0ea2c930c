"""Deletes objects of every kind. The part of the generic store between `changing` and `store`.

Follows apiserver `registry/generic/registry/store.go` (Delete). What becomes of an object is in `deletion`.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation
from apiserver.context import Context
from apiserver.large import on_loop
from apiserver.registry import deletion, metadata
from apiserver.registry.changing import Changer, outcome
from apiserver.registry.create.pipeline import FAIR
from apiserver.registry.deletion import DeleteOptions, Verdict
from apiserver.registry.strategy import M
from apiserver.registry.world import SelectingStorage
from apiserver.storage.interface import Change, Key, KeyConflict, KeyMissing, Stored, Unreadable, Version
from apiserver.storage.keys import split
from vaina.errors import ApiError
from vaina.kinds import Kind

#: what admission still asks of an update: (new, old)
Checks = Sequence[Callable[[Any, Any], None]]


class Deletion(NamedTuple):
    """The deletion of one object."""

    ctx: Context
    namespace: str
    name: str
    options: DeleteOptions


class Deleter(Changer[M]):
    """Deletes objects of one kind. Holds no state of its own."""

    async def delete(self, ctx: Context, namespace: str, name: str, options: DeleteOptions) -> Stored:
        """Delete an object, or mark it (`deletion`). Return its last or its new state. Raises ApiErrors."""
        deletion.check_options(options)
        await self._admit(ctx, Operation.DELETE, namespace, name, None)
        if options.ignore_store_read_error:
            key = self.key(namespace, name)
            return await _delete_unreadable(ctx, self.kind, self.storage, self._prefix, key)
        now = self.now()

        def change(current: Stored) -> Change:
            obj = self.decode(current)
            self._check_preconditions(obj, options)
            match deletion.decide(obj, options, self.strategy, now):
                case Verdict.KEEP:
                    return Change(current.data, current.ttl_seconds)
                case Verdict.STORE:
                    return Change(self._encode(obj), current.ttl_seconds)
                case Verdict.REMOVE:
                    return Change(None)

        return await self._write(ctx, namespace, name, change)

    async def delete_all(self, makers: Sequence[Callable[[], Deletion]]) -> list[Stored | ApiError]:
        """Delete objects in parallel; return for each, in order, what `delete` would return or raise."""

        async def delete(make: Callable[[], Deletion]) -> Stored:
            return await self.delete(*make())

        tasks: list[asyncio.Task[Stored | ApiError]] = []
        async with asyncio.TaskGroup() as group:
            for index, make in enumerate(makers):
                if index % FAIR == FAIR - 1:
                    await self.give_way()
                tasks.append(group.create_task(outcome(delete(make))))
        return [task.result() for task in tasks]

    def _check_preconditions(self, obj: M, options: DeleteOptions) -> None:
        meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
        if options.uid and options.uid != meta.uid:
            raise refusals.precondition(
                self.kind, meta.name,
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta.uid}). "
                "The object might have been deleted and then recreated",
            )  # fmt: skip
        if options.resource_version and options.resource_version != meta.resource_version:
            raise refusals.precondition(
                self.kind, meta.name,
                f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
                f"ResourceVersion in record ({meta.resource_version}). The object might have been modified",
            )  # fmt: skip

    async def _admit(
        self,
        ctx: Context,
        operation: Operation,
        namespace: str,
        name: str,
        obj: M | None,
        subresource: str = "",
    ) -> Checks:
        """Run admission. Returns the checks of an update that need the stored object, to be asked anywhere."""
        # A kind without namespaces has none, whatever a request names: admission looks up rights by it.
        namespace = (namespace or metadata.DEFAULT_NAMESPACE) if self.kind.namespaced else ""
        attributes = Attributes(ctx, operation, self.kind, namespace, name, obj, subresource=subresource)
        await self._world.admission.admit(attributes)
        # They look up roles and Pods, which the loop changes.
        return [on_loop(check) for check in attributes.checks]


async def _delete_unreadable(
    ctx: Context, kind: Kind[Any], storage: SelectingStorage, prefix: Key, key: Key
) -> Stored:
    """Remove an object that cannot be read; return one with its name alone, at the version of the deletion.

    The object's content is unknown, so preconditions and finalizers do not count, and no observer is called
    (apiserver `registry/generic/registry/corrupt_obj_deleter.go`). Raises NotFound when there is no such key,
    Conflict when the object can be read.
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
    """Return or raise what `_delete_unreadable` would."""
    try:
        found = await storage.get(key)
    except Unreadable:
        return Version(0)
    if found is None:
        raise KeyMissing(key)
    raise KeyConflict(found)
