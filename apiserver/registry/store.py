"""The generic store: what create (`create.pipeline`), update, patch and delete mean for every kind.

Called by the services. An update is a compare-and-swap on the version that the client saw, or runs again on
what is stored when the client saw none. Follows apiserver `registry/generic/registry/store.go`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, cast

from apiserver import refusals, validation
from apiserver.admission.chain import Attributes, Operation
from apiserver.context import Context
from apiserver.defaulting import default
from apiserver.registry import deletion, metadata, subresources
from apiserver.registry.charging import charged
from apiserver.registry.create.pipeline import FAIR, Creator
from apiserver.registry.deletion import DeleteOptions, Verdict
from apiserver.registry.options import parse_object_version
from apiserver.registry.patches import patcher
from apiserver.registry.status import merge_status, take_status
from apiserver.registry.strategy import M, Subresource
from apiserver.registry.subresources import STATUS
from apiserver.registry.unreadable import delete_unreadable
from apiserver.storage.interface import Change, Key, KeyConflict, KeyMissing, Put, PutResult, Stored, Version
from vaina.clock import timestamp
from vaina.errors import AlreadyExists, ApiError, BadRequest, NotFound
from vaina.objects import field_path
from vaina.objects.normalise import normalise

#: what admission still asks of an update: (new, old)
Checks = Sequence[Callable[[Any, Any], None]]
#: how often storage, which itself tries some thirty times, is asked to write what others were quicker to
#: change
_ROUNDS = 16
#: how often an update that may create tries, while others create and delete the same object
_CREATES = 5
_NOTHING_READY: Mapping[int, Put] = MappingProxyType({})


@dataclass(slots=True)
class Edit(Generic[M]):
    """A change of one object by a pure function, which gets a copy of its own. Never changed."""

    ctx: Context
    namespace: str
    name: str
    #: may raise ApiErrors; may run several times. What a kind has of its own (binding, scale) is not
    #: validated.
    build: Callable[[M], M]
    #: must be the object's, when it is not empty
    uid: str = ""
    #: must be the stored one, when there is one
    version: Version | None = None
    #: whether there must be one
    needs_version: bool = False


class Deletion(NamedTuple):
    """An object that is to be deleted."""

    ctx: Context
    namespace: str
    name: str
    options: DeleteOptions


class Store(Creator[M]):
    """Objects of one kind. Holds no state of its own."""

    # -- change

    async def update(
        self, ctx: Context, sent: M, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> Stored:
        """Replace an object, but for its status; or that part of it which a sub-resource (not `status`) is
        about.

        Args:
            ctx: of the request.
            sent: with a resourceVersion: replaces that version only.
            namespace: of the request; the object's own when empty.
            name: likewise.
            subresource: one of the strategy's, or empty.

        Raises:
            NotFound, Conflict, Invalid, BadRequest, TooLarge.
        """
        meta = self._name(sent, namespace, name)
        version = parse_object_version(self.kind, meta)
        part = subresources.part_of(self.kind, self.strategy, subresource)
        checks = await self._admit(ctx, Operation.UPDATE, meta.namespace, meta.name, sent, subresource)

        def build(old: M) -> M:
            if part is not None:
                return self._prepare_part(part, sent, old, checks)
            new = self.kind.message()
            new.CopyFrom(sent)
            return self._prepare_update(ctx, new, old, checks)

        edit = Edit(ctx, meta.namespace, meta.name, build, meta.uid, version, self._needs_version)
        may_create = self.strategy.allow_create_on_update and part is None
        for _ in range(_CREATES if may_create else 0):
            with contextlib.suppress(NotFound):
                return await charged(lambda: self.change(edit))
            with contextlib.suppress(AlreadyExists):
                return await self._create_by_update(ctx, sent)
        return await charged(lambda: self.change(edit))

    async def _create_by_update(self, ctx: Context, sent: M) -> Stored:
        """Create what an update is of; a uid says that it was there (apiserver
        `registry/generic/registry/store.go`).
        """
        new = cast("M", self.kind.message())
        new.CopyFrom(sent)
        meta: Any = new.metadata  # type: ignore[attr-defined]  # every kind has metadata
        if meta.uid:
            raise refusals.wrong_uid(self.kind, meta.name, meta.uid, "")
        meta.resource_version = ""
        return await self.create(ctx, new)

    async def rewrite(self, ctx: Context, namespace: str, name: str, make: Callable[[M], M | None]) -> Stored:
        """Change an object into what a function makes of it, as often as others are quicker.

        Args:
            ctx: of the request.
            namespace: of the object.
            name: likewise.
            make: gets what is stored and leaves it as it is; None: nothing is to be changed. A
                resourceVersion or uid in what it returns is a precondition.

        Raises:
            NotFound, Conflict, Invalid, TooLarge, and what `make` raises.
        """
        checks = await self._admit(ctx, Operation.UPDATE, namespace, name, None)

        def build(old: M) -> M:
            new = make(old)
            if new is None:
                return old
            self._check_preconditions_in(new, old, name)
            return self._prepare_update(ctx, new, old, checks)

        edit = Edit(ctx, namespace, name, build)
        return await charged(lambda: self.change(edit))

    async def update_status(
        self, ctx: Context, sent: M, *, mask: Sequence[str] = (), namespace: str = "", name: str = ""
    ) -> Stored:
        """Replace the status, with the metadata that comes with it, or the fields of it that the mask names
        (`status`).

        With a mask no version is compared: each owner sends what is its own. The uid is, when it is set.
        """
        return await self.change(self.status_edit(ctx, sent, mask, namespace, name))

    def status_edit(
        self, ctx: Context, sent: M, mask: Sequence[str] = (), namespace: str = "", name: str = ""
    ) -> Edit[M]:
        """Return how `update_status` changes an object. Raises BadRequest, Invalid."""
        meta = self._name(sent, namespace, name)
        version = None if mask else parse_object_version(self.kind, meta)
        now = self.now()

        def build(old: M) -> M:
            new = cast("M", self.kind.message())
            new.CopyFrom(old)
            if mask:
                merge_status(new, sent, mask, timestamp(now))
            else:
                take_status(new, sent, self.strategy)
            return self._prepare_status(new, old, now)

        needs_version = self._needs_version and not mask
        return Edit(ctx, meta.namespace, meta.name, build, meta.uid, version, needs_version)

    async def patch(
        self, ctx: Context, namespace: str, name: str, patch_type: str, text: str, *, subresource: str = ""
    ) -> Stored:
        """Change an object by a patch; `subresource` is empty, `status`, or one of the strategy's.

        A resourceVersion or uid in the patch is a precondition.
        """
        part = None if subresource == STATUS else subresources.part_of(self.kind, self.strategy, subresource)
        subresources.check_has_get(self.kind, self.strategy, subresource)
        patch = patcher(ctx, self.kind, patch_type, text)
        checks = await self._admit(ctx, Operation.UPDATE, namespace, name, None, subresource)

        def build(old: M) -> M:
            new: Any = patch(old)
            self._check_preconditions_in(new, old, name)
            if part is not None:
                return self._prepare_part(part, new, old, checks)
            if not subresource:
                return self._prepare_update(ctx, new, old, checks)
            whole = cast("M", self.kind.message())
            whole.CopyFrom(old)
            take_status(whole, new, self.strategy)
            return self._prepare_status(whole, old, self.now())

        edit = Edit(ctx, namespace, name, build)
        return await charged(lambda: self.change(edit))

    def _check_preconditions_in(self, new: Any, old: Any, name: str) -> None:
        """Refuse what was made of an object if it names another one, or another version of it."""
        before = old.metadata
        self._check_names(new.metadata, before.namespace, before.name)
        if new.metadata.uid not in ("", before.uid):
            raise refusals.wrong_uid(self.kind, name, new.metadata.uid, before.uid)
        wanted = parse_object_version(self.kind, new.metadata)
        if wanted and str(wanted) != before.resource_version:
            raise refusals.conflict(self.kind, name)

    async def change(self, edit: Edit[M]) -> Stored:
        """Change an object by a pure function. Raises NotFound, Conflict, and what the function raises.

        Of one that goes by it, its last finalizer taken, the answer is what the change made of it, as
        upstream's is (`k8s.io/apiserver/pkg/registry/generic/registry/store.go`, deleteWithoutFinalizers).
        """
        made: M | None = None

        def build(old: M) -> M:
            nonlocal made
            made = edit.build(old)
            return made

        stored = await self._write(
            edit.ctx, edit.namespace, edit.name, self._decider(replace(edit, build=build))
        )
        if made is not None and deletion.is_done(made, self.strategy):
            return stored._replace(data=self._encode(made))
        return stored

    async def change_all(
        self, count: int, make: Callable[[int], Edit[M]], ready: Mapping[int, Put] = _NOTHING_READY
    ) -> Sequence[Stored | ApiError]:
        """Change objects; return for each, in its place, what making its edit and `change` would return or
        raise.

        Args:
            count: of the objects.
            make: makes the edit of one by its place.
            ready: how to write what the caller has made of the cache's objects already, by its place, in
                order: what its edit would make.

        What the cache has is changed and written with one call to storage. Whatever is not as simple as that
        (a conflict, an object that the cache does not have, a refusal, which a stale cache may be the reason
        of) is done again by itself.
        """
        results: dict[int, Stored | ApiError] = {}
        puts: dict[int, Put] = {}
        for index in range(count):
            put = ready.get(index)
            if put is not None:
                puts[index] = put
                continue
            if index % FAIR == FAIR - 1:
                await self.give_way()
            try:
                put = self._quick_put(make(index))
            except ApiError as error:
                results[index] = error
            else:
                if put is not None:
                    puts[index] = put
        written = await self._put_all(list(puts.values()))
        if len(puts) == count and all(isinstance(result, Stored) for result in written):
            return cast("Sequence[Stored]", written)
        return await self._settled(count, make, results | dict(zip(puts, written, strict=True)))

    async def _settled(
        self, count: int, make: Callable[[int], Edit[M]], tried: Mapping[int, PutResult]
    ) -> list[Stored | ApiError]:
        """Return what became of changes, of which those that were not tried, or in vain, are done by
        themselves now.
        """

        async def alone(index: int) -> Stored | ApiError:
            try:
                return await self.change(make(index))
            except ApiError as error:
                return error

        results = {index: result for index, result in tried.items() if isinstance(result, Stored | ApiError)}
        async with asyncio.TaskGroup() as group:
            tasks = {index: group.create_task(alone(index)) for index in range(count) if index not in results}
        results |= {index: task.result() for index, task in tasks.items()}
        return [results[index] for index in range(count)]

    def _quick_put(self, edit: Edit[M]) -> Put | None:
        """Return how to write a change of what the cache has; None when it must be seen what is stored.
        Raises BadRequest.
        """
        current = self.peek(edit.namespace, edit.name)
        if current is None or edit.ctx.dry_run:
            return None
        try:
            wanted = self._decider(edit)(current)
        except ApiError:
            return None
        if wanted.data is None or wanted.data == current.data:
            return None
        return Put(current.key, wanted.data, current.type_meta, current.version, wanted.ttl_seconds)

    def _decider(self, edit: Edit[M]) -> Callable[[Stored], Change]:
        """Return what is to become of what is stored."""

        def change(current: Stored) -> Change:
            old = self.decode(current)
            before: Any = old.metadata  # type: ignore[attr-defined]  # every kind has metadata
            if edit.uid and edit.uid != before.uid:
                raise refusals.wrong_uid(self.kind, edit.name, edit.uid, before.uid)
            if edit.needs_version and not edit.version:
                error = field_path.invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise refusals.invalid(self.kind, edit.name, [error])
            if edit.version and edit.version != current.version:
                raise refusals.conflict(self.kind, edit.name)
            new = edit.build(old)
            if deletion.is_done(new, self.strategy):
                return Change(None)
            return Change(self._encode(new), self.strategy.ttl_seconds or current.ttl_seconds)

        return change

    # -- delete

    async def delete(self, ctx: Context, namespace: str, name: str, options: DeleteOptions) -> Stored:
        """Delete an object, or begin to: see `deletion`. Return its last, or its new, state.

        Raises:
            NotFound, Conflict (preconditions), Forbidden, Invalid (options).
        """
        deletion.check_options(options)
        await self._admit(ctx, Operation.DELETE, namespace, name, None)
        if options.ignore_store_read_error:
            key = self.key(namespace, name)
            return await delete_unreadable(ctx, self.kind, self.storage, self._prefix, key)
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
        """Delete objects; return for each, in its place, what making its deletion and `delete` would return
        or raise.

        Side by side, so that storage commits them together.
        """

        async def alone(make: Callable[[], Deletion]) -> Stored | ApiError:
            try:
                return await self.delete(*make())
            except ApiError as error:
                return error

        tasks: list[asyncio.Task[Stored | ApiError]] = []
        async with asyncio.TaskGroup() as group:
            for index, make in enumerate(makers):
                if index % FAIR == FAIR - 1:
                    await self._world.clock.sleep(0)
                tasks.append(group.create_task(alone(make)))
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

    # -- shared

    async def _write(
        self, ctx: Context, namespace: str, name: str, change: Callable[[Stored], Change]
    ) -> Stored:
        key = self.key(namespace, name)
        removed = False

        def observed(current: Stored) -> Change:
            nonlocal removed
            wanted = change(current)
            removed = wanted.data is None
            return wanted

        if ctx.dry_run:
            current = await self.get(namespace, name)
            wanted = observed(current)
            return current if wanted.data is None else current._replace(data=wanted.data)
        try:
            stored = await self._through(key, observed)
        except KeyMissing:
            raise refusals.not_found(self.kind, name) from None
        except KeyConflict:
            raise refusals.conflict(self.kind, name) from None
        if removed and self._observer is not None:
            self._observer.removed(self.decode(stored))
        return stored

    async def _through(self, key: Key, change: Callable[[Stored], Change]) -> Stored:
        """Write, though others are quicker: a caller who needs a version says so, and `change` refuses any
        other.
        """
        for _ in range(_ROUNDS - 1):
            with contextlib.suppress(KeyConflict):
                return await self.storage.guaranteed_update(key, change)
        return await self.storage.guaranteed_update(key, change)

    def _prepare_update(self, ctx: Context, new: Any, old: Any, checks: Checks) -> M:
        """Complete, default and validate the new state of an object."""
        metadata.prepare_for_update(new.metadata, old.metadata)
        default(self.kind, new)
        self.strategy.prepare_for_update(new, old)
        normalise(new)
        changed = self.strategy.has_generation and self.strategy.raises_generation(new, old)
        if changed:
            new.metadata.generation = old.metadata.generation + 1
        new.metadata.resource_version = old.metadata.resource_version
        self._validate(old.metadata.name, validation.validate_update(self.kind, new, old))
        for check in checks:
            check(new, old)
        if changed:
            for text in validation.warnings_for(self.kind, new):
                ctx.warn(text)
        return new  # type: ignore[no-any-return]  # an object of the kind of this store

    def _prepare_part(self, part: Subresource[M], sent: M, old: Any, checks: Checks) -> M:
        """Complete, default and validate what a sub-resource makes of an object."""
        new: Any = part.prepare(sent, old)
        default(self.kind, new)
        normalise(new)
        if self.strategy.has_generation and self.strategy.raises_generation(new, old):
            new.metadata.generation = old.metadata.generation + 1
        self._validate(old.metadata.name, list(dict.fromkeys(part.validate(new, old))))
        for check in checks:
            check(new, old)
        return new  # type: ignore[no-any-return]  # an object of the kind of this store

    def _prepare_status(self, new: Any, old: Any, now: float) -> M:
        self.strategy.prepare_for_status_update(new, old, now)
        # The rest is as it was stored. A kind without a status has no such update.
        normalise(new.metadata)
        normalise(new.status)
        self._validate(old.metadata.name, validation.validate_status_update(self.kind, new, old))
        return new  # type: ignore[no-any-return]  # an object of the kind of this store

    def _name(self, obj: M, namespace: str, name: str) -> Any:
        """Return the metadata of what a client sent, with the names that the request gives."""
        meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
        self._check_names(meta, namespace, name)
        meta.name = meta.name or name
        if not meta.name:
            raise BadRequest("the name of the object is required")
        metadata.place(self.kind, meta, namespace)
        return meta

    def _check_names(self, meta: Any, namespace: str, name: str) -> None:
        if name and meta.name and meta.name != name:
            raise BadRequest(
                f"the name of the object ({meta.name}) does not match the name on the URL ({name})"
            )
        if namespace and self.kind.namespaced and meta.namespace and meta.namespace != namespace:
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )

    @property
    def _needs_version(self) -> bool:
        return not self.strategy.allow_unconditional_update

    async def _admit(
        self,
        ctx: Context,
        operation: Operation,
        namespace: str,
        name: str,
        obj: M | None,
        subresource: str = "",
    ) -> Checks:
        """Ask admission. Returns what is still to be asked of an update, once what is stored is known."""
        attributes = Attributes(ctx, operation, self.kind, namespace, name, obj, subresource=subresource)
        await self._world.admission.admit(attributes)
        return attributes.checks
