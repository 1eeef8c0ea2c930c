"""Changes of objects by pure functions: compare-and-swap on the stored object, one object or many at once.

This is the second part of the generic store (`store`). Updates, patches, writes of the status and bindings
use it. What an update charges to a quota depends on the stored object. So a check of admission raises `Owed`
before the write; then `charged` charges the quota and tries the update again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, cast

from msgspec import structs

from apiserver import refusals
from apiserver.admission.chain import Owed, Refund, nothing_to_refund
from apiserver.context import IGNORE, STRICT, Context, nobody_listens
from apiserver.large import is_large
from apiserver.registry import deletion
from apiserver.registry.create.pipeline import FAIR, Creator
from apiserver.registry.managing import manager_of, track
from apiserver.registry.strategy import M
from apiserver.storage.interface import Change, Key, KeyConflict, KeyMissing, Put, Stored, Version
from vaina.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TooManyRequests,
)
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.patching import apply_patch, read_patch
from vaina.objects.views import View

#: how often a write is tried again after a conflict; each time storage itself tries some thirty times
_ROUNDS = 16


class Edit(NamedTuple, Generic[M]):
    """A change of one object by a pure function, which gets its own copy."""

    ctx: Context
    namespace: str
    name: str
    #: may raise ApiErrors, and may run several times. The results of a kind's own verbs (binding, scale) are
    #: not validated.
    build: Callable[[M], M]
    #: must be the object's, when it is not empty
    uid: str = ""
    #: must be the stored one, when there is one
    version: Version | None = None
    #: whether there must be one
    needs_version: bool = False
    #: the sub-resource that is written, or empty, whose fields get an owner by it; None: they get none (a
    #: binding, an eviction, as upstream's), or `build` has seen to it
    through: str | None = None
    #: bytes that were sent. Where these or the stored object are many, it is changed in a thread: then `build`
    #: asks what others may change through `on_loop`. None: always on the loop
    size: int | None = None


class Changer(Creator[M]):
    """Changes objects of one kind. Holds no state of its own."""

    async def change(self, edit: Edit[M]) -> Stored:
        """Change an object. Raises NotFound, Conflict, and what the function raises.

        When the change takes the last finalizer and so removes the object, it returns the changed object, as
        upstream does (apiserver `registry/generic/registry/store.go`, deleteWithoutFinalizers).
        """
        made: M | None = None

        def apply(current: Stored) -> Change:
            nonlocal made
            made, wanted = self._apply(edit, current)
            return wanted

        stored = await self._write(edit.ctx, edit.namespace, edit.name, apply, edit.size)
        if made is not None and deletion.is_done(made, self.strategy):
            return structs.replace(stored, data=self._encode(made))
        return stored

    async def change_all(self, makers: Sequence[Callable[[], Edit[M]]]) -> Sequence[Stored | ApiError]:
        """Change objects; return for each, in order, what its edit and `change` would return or raise.

        One call to storage writes all objects that the cache has. The others are changed one by one: objects
        that the cache does not have, conflicts, and refusals (the cache may be stale).
        """
        puts: dict[int, Put] = {}
        for index, make in enumerate(makers):
            if index % FAIR == FAIR - 1:
                await self.give_way()
            try:
                put = self._put_from_cache(make())
            except ApiError:
                continue
            if put is not None:
                puts[index] = put
        written = await self._put_all(list(puts.values()))
        results: dict[int, Stored | ApiError] = {
            index: result
            for index, result in zip(puts, written, strict=True)
            if isinstance(result, Stored | ApiError)
        }

        async def change(make: Callable[[], Edit[M]]) -> Stored:
            return await self.change(make())

        async with asyncio.TaskGroup() as group:
            left = [index for index in range(len(makers)) if index not in results]
            tasks = {index: group.create_task(outcome(change(makers[index]))) for index in left}
        results |= {index: task.result() for index, task in tasks.items()}
        return [results[index] for index in range(len(makers))]

    def _put_from_cache(self, edit: Edit[M]) -> Put | None:
        """Return the write of a change of a cached object; None: read storage first. Raises ApiErrors."""
        current = self.peek(edit.namespace, edit.name)
        if current is None or edit.ctx.dry_run or is_large(edit.size or 0):
            return None
        _, wanted = self._apply(edit, current)
        if wanted.data is None or wanted.data == current.data:
            return None
        return Put(current.key, wanted.data, current.type_meta, current.version, wanted.ttl_seconds)

    def _apply(self, edit: Edit[M], current: Stored) -> tuple[M, Change]:
        """Return the changed object, and the change that storage makes."""
        old = self.decode(current)
        before: Any = old.metadata  # type: ignore[attr-defined]  # every kind has metadata
        if edit.uid and edit.uid != before.uid:
            raise refusals.wrong_uid(self.kind, edit.name, edit.uid, before.uid)
        if edit.needs_version and not edit.version:
            error = field_path.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise refusals.invalid(self.kind, edit.name, [error])
        if edit.version and edit.version != current.version:
            raise refusals.conflict(self.kind, edit.name)
        new: Any = edit.build(old)
        if edit.through is not None and new.metadata.managed_fields:
            self._track(edit, edit.through, current, new)
        if deletion.is_done(new, self.strategy):
            return new, Change(None)
        try:
            data = self._encode(new)
        except TooLarge:
            if edit.through is None or not new.metadata.managed_fields:
                raise
            # What has grown too large by its managedFields goes without them (`endpoints/handlers/update.go`).
            new.metadata.ClearField("managed_fields")
            data = self._encode(new)
        return new, Change(data, self.strategy.ttl_seconds or current.ttl_seconds)

    def _track(self, edit: Edit[M], through: str, current: Stored, new: Any) -> None:
        old: Any = self.decode(current)
        new.metadata.resource_version = old.metadata.resource_version
        if new != old:
            track(manager_of(self.kind, self.strategy, through), edit.ctx, old, new, self.now())

    async def _write(
        self,
        ctx: Context,
        namespace: str,
        name: str,
        change: Callable[[Stored], Change],
        size: int | None = None,
    ) -> Stored:
        """Change the stored object by a function, unless it is a dry run. Raises NotFound, Conflict.

        `size` is that of `Edit`.
        """
        key = self.key(namespace, name)
        removed = False

        def observed(current: Stored) -> Change:
            nonlocal removed
            wanted = change(current)
            removed = wanted.data is None
            return wanted

        if ctx.dry_run:
            current = await self.get(namespace, name)
            wanted = await self._changed(current, observed, size)
            return current if wanted.data is None else structs.replace(current, data=wanted.data)
        try:
            stored = await self._write_stored(key, observed, size)
        except KeyMissing:
            raise refusals.not_found(self.kind, name) from None
        except KeyConflict:
            raise refusals.conflict(self.kind, name) from None
        if removed and self._observer is not None:
            self._observer.removed(self.decode(stored))
        return stored

    async def _write_stored(self, key: Key, change: Callable[[Stored], Change], size: int | None) -> Stored:
        """Write, again after each conflict. `change` refuses a version that its caller does not want."""
        for _ in range(_ROUNDS - 1):
            with contextlib.suppress(KeyConflict):
                return await self._write_once(key, change, size)
        return await self._write_once(key, change, size)

    async def _write_once(self, key: Key, change: Callable[[Stored], Change], size: int | None) -> Stored:
        """Write; what is large is changed beforehand. Raises KeyConflict, KeyMissing, and as `change` does."""
        if size is None:
            return await self.storage.guaranteed_update(key, change)
        cached = self.storage.peek(key, Version(0))
        if not is_large(size if cached is None else max(size, len(cached.data))):
            return await self.storage.guaranteed_update(key, change)
        current = await self.storage.get(key)
        if current is None:
            raise KeyMissing(key)
        wanted = await self._changed(current, change, size)

        def settled(found: Stored) -> Change:
            if found.version != current.version:
                raise KeyConflict(found)
            return wanted

        return await self.storage.guaranteed_update(key, settled, hint=current)

    async def _changed(self, current: Stored, change: Callable[[Stored], Change], size: int | None) -> Change:
        """Return the change of an object, made beside the loop where the object or what was sent is large."""
        weight = 0 if size is None else max(size, len(current.data))
        return await self._world.large.do(weight, change, current)


async def outcome(write: Awaitable[Stored]) -> Stored | ApiError:
    """Return what a write returns, or the ApiError that it raises."""
    try:
        return await write
    except ApiError as error:
        return error


#: how often an update is charged again because another writer has changed the object
_CHARGES: Final = 8
#: errors after which it is certain that nothing was stored; after others the quota controller corrects the
#: quota
_NOT_STORED: Final = (BadRequest, Conflict, Forbidden, Invalid, NotFound, TooLarge, TooManyRequests)


async def charged(write: Callable[[], Awaitable[Stored]]) -> Stored:
    """Write, and charge a quota when a check raises Owed. Raises what the write or the charge raises."""
    refund: Refund = nothing_to_refund
    for _ in range(_CHARGES):
        try:
            return await write()
        except Owed as owed:
            taken, refund = refund, nothing_to_refund
            await taken()
            refund = await owed.pay() or nothing_to_refund
        except _NOT_STORED:
            await refund()
            raise
    await refund()
    raise TooManyRequests(
        "the object is changed by too many at once, please try again later", retry_seconds=1
    )


def patcher(
    ctx: Context, kind: Kind[M], patch_type: str, text: str, view: View | None = None
) -> Callable[[M], M]:
    """Return a function that patches an object, and may raise BadRequest and Invalid and warn the client.

    `view` is the form that the patch is written in; None: the stored one. Raises BadRequest, TooLarge when the
    text is no patch of that type.
    """
    validation = ctx.field_validation
    warn = nobody_listens if validation == IGNORE else ctx.warn
    shape = kind if view is None else view.shape
    patch = read_patch(shape, patch_type, text, warn, validation=validation)
    strict = validation == STRICT
    if view is None:
        return lambda old: cast("M", apply_patch(kind, patch, old, warn, strict=strict))
    read, write = view.read, view.write
    return lambda old: cast("M", write(apply_patch(shape, patch, read(old), warn, strict=strict)))
