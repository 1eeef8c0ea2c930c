"""The generic store: updates, patches and applies objects of every kind; `create.pipeline` creates, `deleting`
deletes them.

Called by the services. An update is a compare-and-swap on the client's resourceVersion (`changing`). When the
client sent none, it runs again on the stored object. Follows apiserver
`registry/generic/registry/store.go`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, cast

from apiserver import refusals, validation
from apiserver.admission.chain import Operation
from apiserver.context import Context
from apiserver.defaulting import default
from apiserver.registry import metadata
from apiserver.registry.changing import Edit, charged, patcher
from apiserver.registry.deleting import Checks, Deleter
from apiserver.registry.managing import Apply, Entries, manager_of, read_apply, settle
from apiserver.registry.options import parse_object_version
from apiserver.registry.status import merge_status, take_status
from apiserver.registry.strategy import STATUS, M, Subresource, check_has_get, part_of
from apiserver.storage.interface import Stored
from vaina.clock import timestamp
from vaina.errors import AlreadyExists, BadRequest, NotFound
from vaina.objects.manifest import decode_dict
from vaina.objects.normalise import normalise
from vaina.objects.views import View

#: how often an update that may create tries, while others create and delete the same object
_CREATES = 5
#: of an applied text that is read at once: some 10 ms as YAML
_QUICK_CHARACTERS = 8192


def _may() -> None:
    """Allow it."""


class Store(Deleter[M]):
    """Objects of one kind. Holds no state of its own."""

    # -- change

    async def update(
        self,
        ctx: Context,
        sent: M,
        *,
        subresource: str = "",
        may_create: Callable[[], object] = _may,
        size: int = 0,
    ) -> Stored:
        """Replace an object without its status, or the part of it that a sub-resource (not `status`) changes.

        An object with a resourceVersion replaces only that version. `may_create` is called before an update
        creates, and may raise Forbidden (apiserver `endpoints/handlers/update.go`). `size` is how many bytes
        were sent. Raises NotFound, Conflict, Invalid, BadRequest, TooLarge.
        """
        meta = self._named(sent)
        version = parse_object_version(self.kind, meta)
        part = part_of(self.kind, self.strategy, subresource)
        checks = await self._admit(ctx, Operation.UPDATE, meta.namespace, meta.name, sent, subresource)

        def build(old: M) -> M:
            if part is not None:
                return self._prepare_part(part, sent, old, checks)
            new = self.kind.message()
            new.CopyFrom(sent)
            return self._prepare_update(ctx, new, old, checks)

        edit = Edit(
            ctx, meta.namespace, meta.name, build, meta.uid, version, self._needs_version, subresource, size
        )
        creates = self.strategy.allow_create_on_update and part is None
        for _ in range(_CREATES if creates else 0):
            with contextlib.suppress(NotFound):
                return await charged(lambda: self.change(edit))
            with contextlib.suppress(AlreadyExists):
                may_create()
                return await self._create_by_update(ctx, sent, size)
        return await charged(lambda: self.change(edit))

    async def _create_by_update(self, ctx: Context, sent: M, size: int) -> Stored:
        """Create the object of an update. Raises Conflict when it has a uid: then it has existed."""
        new = cast("M", self.kind.message())
        new.CopyFrom(sent)
        meta: Any = new.metadata  # type: ignore[attr-defined]  # every kind has metadata
        if meta.uid:
            raise refusals.wrong_uid(self.kind, meta.name, meta.uid, "")
        meta.resource_version = ""
        created = await self.create(ctx, new, size=size)
        ctx.on_created()
        return created

    async def rewrite(self, ctx: Context, namespace: str, name: str, make: Callable[[M], M | None]) -> Stored:
        """Replace an object by the result of a function, again after each conflict.

        `make` does not change its argument, and returns None when nothing is to be written. It may run in a
        thread, and asks what others may change through `on_loop`. A resourceVersion
        or uid in its result is a precondition. Raises NotFound, Conflict, Invalid, TooLarge, and what `make`
        raises.
        """
        checks = await self._admit(ctx, Operation.UPDATE, namespace, name, None)

        def build(old: M) -> M:
            new = make(old)
            if new is None:
                return old
            self._check_preconditions_in(new, old, name)
            return self._prepare_update(ctx, new, old, checks)

        edit = Edit(ctx, namespace, name, build, through="", size=0)
        return await charged(lambda: self.change(edit))

    def status_edit(self, ctx: Context, sent: M, mask: Sequence[str] = (), size: int = 0) -> Edit[M]:
        """Return the edit that replaces the status and metadata, or the fields that the mask names (`status`).

        With a mask it compares no version, because each owner sends its own fields. It compares the uid when
        one is set. Raises BadRequest, Invalid.
        """
        meta = self._named(sent)
        version = None if mask else parse_object_version(self.kind, meta)
        now = self.now()

        def build(old: M) -> M:
            new = cast("M", self.kind.message())
            new.CopyFrom(old)
            if mask:
                merge_status(new, sent, mask, timestamp(now))
            else:
                take_status(new, sent, self.strategy)
            return self._prepare_status(ctx, new, old, now)

        needs_version = self._needs_version and not mask
        return Edit(ctx, meta.namespace, meta.name, build, meta.uid, version, needs_version, STATUS, size)

    async def patch(
        self,
        ctx: Context,
        namespace: str,
        name: str,
        patch_type: str,
        text: str,
        *,
        subresource: str = "",
        view: View | None = None,
    ) -> Stored:
        """Change an object by a patch, in which resourceVersion and uid are preconditions.

        `view` is the form that the patch is written in; None: the stored one.
        """
        part = None if subresource == STATUS else part_of(self.kind, self.strategy, subresource)
        check_has_get(self.kind, self.strategy, subresource)
        patch = await self._world.large.do(len(text), patcher, ctx, self.kind, patch_type, text, view)
        checks = await self._admit(ctx, Operation.UPDATE, namespace, name, None, subresource)

        def build(old: M) -> M:
            new: Any = patch(old)
            self._check_preconditions_in(new, old, name)
            return self._prepare_changed(ctx, new, old, part, checks, subresource=subresource)

        edit = Edit(ctx, namespace, name, build, through=subresource, size=len(text))
        return await charged(lambda: self.change(edit))

    async def apply(
        self,
        ctx: Context,
        namespace: str,
        name: str,
        text: str,
        *,
        force: bool = False,
        subresource: str = "",
        may_create: Callable[[], object] = _may,
    ) -> Stored:
        """Apply an object (server-side apply): merge it into the stored one, or create it.

        `may_create` is called before it creates, and may raise Forbidden. Raises Conflict: others own fields
        that are wanted otherwise; BadRequest, InternalError: what is applied is no object of the kind;
        NotFound, Invalid.
        """
        check_has_get(self.kind, self.strategy, subresource)
        namespace = (namespace or metadata.DEFAULT_NAMESPACE) if self.kind.namespaced else ""
        applying = await self._read_apply(ctx, text, force=force)
        for _ in range(_CREATES if not subresource else 0):
            with contextlib.suppress(NotFound):
                return await self._apply_to_stored(applying, namespace, name, subresource, len(text))
            with contextlib.suppress(AlreadyExists):
                may_create()
                return await self._create_by_apply(applying, namespace, name, len(text))
        return await self._apply_to_stored(applying, namespace, name, subresource, len(text))

    @staticmethod
    async def _read_apply(ctx: Context, text: str, *, force: bool) -> Apply:
        """Read what is applied; a long text beside the loop: a MiB of YAML takes seconds. Raises BadRequest."""
        if len(text) <= _QUICK_CHARACTERS:
            return read_apply(ctx, text, force=force)
        return await asyncio.to_thread(read_apply, ctx, text, force=force)

    async def _apply_to_stored(
        self, applying: Apply, namespace: str, name: str, subresource: str, size: int
    ) -> Stored:
        ctx, manager = applying.ctx, manager_of(self.kind, self.strategy, subresource)
        part = None if subresource == STATUS else part_of(self.kind, self.strategy, subresource)
        checks = await self._admit(ctx, Operation.UPDATE, namespace, name, None, subresource)

        def build(old: M) -> M:
            applied = applying.to(manager, old, self.now())
            new: Any = decode_dict(applied.tree, kind=self.kind, strict=False).message
            self._check_preconditions_in(new, old, name)
            made = self._prepare_changed(ctx, new, old, part, checks, subresource=subresource)
            settle(made, old, applied.entries)
            return made

        edit = Edit(ctx, namespace, name, build, size=size)
        return await charged(lambda: self.change(edit))

    async def _create_by_apply(self, applying: Apply, namespace: str, name: str, size: int) -> Stored:
        """Create what is applied. Raises Conflict when it has a uid: then it has existed."""
        manager = manager_of(self.kind, self.strategy, "")

        def build() -> tuple[Any, Entries]:
            applied = applying.to(manager, self.kind.message(), self.now())
            return decode_dict(applied.tree, kind=self.kind, strict=False).message, applied.entries

        new, entries = await self._world.large.do(size, build)
        meta = new.metadata
        if not meta.name:
            raise BadRequest(
                f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )
        if meta.uid:
            why = f"uid mismatch: the provided object specified uid {meta.uid}, and no existing object was found"
            raise refusals.conflict(self.kind, name, why)
        self._check_place(meta, namespace, name)
        meta.namespace, meta.resource_version = namespace, ""
        created = await self.create(applying.ctx, new, entries=entries, size=size)
        applying.ctx.on_created()
        return created

    def _prepare_changed(
        self,
        ctx: Context,
        new: Any,
        old: Any,
        part: Subresource[M] | None,
        checks: Checks,
        *,
        subresource: str,
    ) -> M:
        """Prepare an object that a patch or an apply has made, by the rules of the sub-resource."""
        if part is not None:
            return self._prepare_part(part, new, old, checks)
        if not subresource:
            return self._prepare_update(ctx, new, old, checks)
        whole = cast("M", self.kind.message())
        whole.CopyFrom(old)
        take_status(whole, new, self.strategy)
        return self._prepare_status(ctx, whole, old, self.now())

    def _check_preconditions_in(self, new: Any, old: Any, name: str) -> None:
        """Refuse a changed object that names another object, or another version of it."""
        before = old.metadata
        self._check_place(new.metadata, before.namespace, before.name)
        if new.metadata.uid not in ("", before.uid):
            raise refusals.wrong_uid(self.kind, name, new.metadata.uid, before.uid)
        wanted = parse_object_version(self.kind, new.metadata)
        if wanted and str(wanted) != before.resource_version:
            raise refusals.conflict(self.kind, name)

    def _check_place(self, meta: Any, namespace: str, name: str) -> None:
        """Refuse an object that has another name or namespace than the request."""
        if meta.name and meta.name != name:
            raise BadRequest(
                f"the name of the object ({meta.name}) does not match the name on the URL ({name})"
            )
        if self.kind.namespaced and meta.namespace and meta.namespace != namespace:
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )

    # -- shared

    def _prepare_update(self, ctx: Context, new: Any, old: Any, checks: Checks) -> M:
        metadata.prepare_for_update(new.metadata, old.metadata)
        default(self.kind, new)
        self.strategy.prepare_for_update(new, old, self.now())
        normalise(new)
        changed = self.strategy.has_generation and self.strategy.raises_generation(new, old)
        if changed:
            new.metadata.generation = old.metadata.generation + 1
        new.metadata.resource_version = old.metadata.resource_version
        self._validate(old.metadata.name, validation.validate_update(self.kind, new, old, ctx.group))
        for check in checks:
            check(new, old)
        if changed or not self.strategy.has_generation:
            for text in validation.warnings_for(self.kind, new, old):
                ctx.warn(text)
        return new  # type: ignore[no-any-return]  # an object of the kind of this store

    def _prepare_part(self, part: Subresource[M], sent: M, old: Any, checks: Checks) -> M:
        # Before the hooks, to which a time that is there and empty is a time.
        normalise(sent)
        new: Any = part.prepare(sent, old, self.now())
        default(self.kind, new)
        if self.strategy.has_generation and self.strategy.raises_generation(new, old):
            new.metadata.generation = old.metadata.generation + 1
        self._validate(old.metadata.name, list(dict.fromkeys(part.validate(new, old))))
        for check in checks:
            check(new, old)
        return new  # type: ignore[no-any-return]  # an object of the kind of this store

    def _prepare_status(self, ctx: Context, new: Any, old: Any, now: float) -> M:
        # The rest is as it was stored. A kind without a status has no such update.
        normalise(new.metadata)
        normalise(new.status)
        self.strategy.prepare_for_status_update(new, old, now)
        self._validate(old.metadata.name, validation.validate_status_update(self.kind, new, old))
        self._world.admission.check_status(ctx, self.kind, new, old)
        return new  # type: ignore[no-any-return]  # an object of the kind of this store

    def _named(self, obj: M) -> Any:
        """Return the metadata of a sent object, with its namespace. Raises BadRequest without a name."""
        meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
        if not meta.name:
            raise BadRequest("the name of the object is required")
        metadata.place(self.kind, meta)
        return meta

    @property
    def _needs_version(self) -> bool:
        return not self.strategy.allow_unconditional_update
