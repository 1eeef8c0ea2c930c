"""The generic store: what create, update, patch and delete mean for every kind. Step 1 of a Pod's creation.

Called by the services. A create is defaulted, admitted, prepared by the kind's strategy, normalised, validated (all
violations together) and stored; an update is a compare-and-swap on the version that the client saw, or runs again on what is
stored when the client saw none. Follows apiserver `registry/generic/registry/store.go`.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from apiserver import validation
from apiserver.admission.chain import Attributes, Operation, Refund
from apiserver.defaulting import default
from apiserver.registry import deletion, metadata, refusals
from apiserver.registry.context import IGNORE, STRICT, Context, nobody_listens
from apiserver.registry.deletion import DeleteOptions, Verdict
from apiserver.registry.draft import Draft, Drafter
from apiserver.registry.options import parse_object_version
from apiserver.registry.patching import apply_patch, read_patch
from apiserver.registry.reading import Reader
from apiserver.registry.status import merge_status
from apiserver.registry.strategy import M, Strategy, copy_field, spec_bytes
from apiserver.registry.world import Observer, World
from apiserver.storage.interface import Change, Key, KeyConflict, KeyExists, KeyMissing, Stored, Version
from vaina.clock import timestamp
from vaina.errors import BadRequest, FieldError, Forbidden, Invalid, NotFound, TooLarge, TooManyRequests
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.normalise import normalise

#: etcd's limit on a request, which is also Kubernetes' limit on an object
MAX_OBJECT_BYTES = 1536 * 1024
#: what admission still asks of an update: (new, old)
Checks = Sequence[Callable[[Any, Any], None]]
#: how often storage, which itself tries some thirty times, is asked to write what others were quicker to change
_ROUNDS = 16


class Store(Reader[M]):
    """Objects of one kind. Holds no state of its own."""

    def __init__(
        self,
        kind: Kind[M],
        strategy: Strategy[M],
        world: World,
        *,
        observer: Observer | None = None,
        draft: Drafter[M] | None = None,
    ) -> None:
        """Make a store.

        Args:
            kind: of the objects.
            strategy: what is special about the kind.
            world: what it stands on.
            observer: is told of objects that came and went.
            draft: makes the drafts of new objects, where a kind has a quicker way.
        """
        super().__init__(kind, world)
        self.strategy = strategy
        self._observer = observer
        self._draft: Drafter[M] = draft or (lambda obj: Draft(self.kind, obj))
        self._type_meta = (kind.api_version, kind.kind)

    # -- create

    async def create(self, ctx: Context, obj: M, *, namespace: str = "") -> Stored:
        """Store a new object.

        Args:
            ctx: of the request.
            obj: changed in place: defaults, uid, times, name.
            namespace: of the request, for objects that name none.

        Raises:
            Invalid, BadRequest, AlreadyExists, Forbidden, TooLarge; NotFound for a namespace that is not there.
        """
        meta: Any = obj.metadata  # type: ignore[attr-defined]
        started = self.now()
        metadata.place(self.kind, meta, namespace)
        draft = self._draft(obj)
        await self._admit(ctx, Operation.CREATE, meta.namespace, meta.name, obj)
        metadata.prepare_for_create(meta, self._world.new_uid(), started)
        self.strategy.prepare_for_create(obj, started)
        if self.strategy.has_generation:
            meta.generation = 1
        draft.normalise()
        create = self._create_named if meta.name else self._create_generated
        stored = await create(ctx, obj, draft)
        if not ctx.dry_run:
            await self._confirm(ctx, obj, stored)
        for text in (*self.strategy.warnings_for_create(obj), *draft.warnings()):
            ctx.warn(text)
        if self._observer is not None and not ctx.dry_run:
            self._observer.created(obj, started=started)
        return stored

    async def _create_named(self, ctx: Context, obj: M, draft: Draft[M]) -> Stored:
        meta: Any = obj.metadata  # type: ignore[attr-defined]
        self._validate(meta.name, draft.errors())
        key = self.key(meta.namespace, meta.name)
        try:
            return await self._insert(ctx, [key], obj)
        except KeyExists:
            there = await self.find(meta.namespace, meta.name)
            ending = there is not None and there.metadata.HasField("deletion_timestamp")  # type: ignore[attr-defined]
            raise refusals.already_exists(self.kind, meta.name, ending=ending) from None

    async def _create_generated(self, ctx: Context, obj: M, draft: Draft[M]) -> Stored:
        meta: Any = obj.metadata  # type: ignore[attr-defined]
        base = meta.generate_name
        if not base:
            errors = draft.errors()
            if not any(error.field == "metadata.name" for error in errors):
                errors.insert(0, field_path.required("metadata.name", "name or generateName is required"))
            self._validate("", errors)

        def names() -> Iterator[Key]:
            for attempt in range(metadata.NAME_ATTEMPTS):
                meta.name = metadata.generate_name(base, self._world.rng)
                self.strategy.name_known(obj)
                if attempt == 0:
                    self._validate(meta.name, draft.errors())
                yield self.key(meta.namespace, meta.name)

        try:
            return await self._insert(ctx, names(), obj)
        except KeyExists:
            raise refusals.no_unique_name(self.kind, meta.name) from None

    async def _confirm(self, ctx: Context, obj: M, stored: Stored) -> None:
        """Let admission look again; what may not stay is taken back. Raises its refusal."""
        try:
            await self._world.admission.confirm(self._new(ctx, obj), stored.version)
        except (NotFound, Forbidden):
            # Whoever changed or removed it already has it in hand.
            with contextlib.suppress(KeyMissing, KeyConflict):
                await self.storage.delete(stored.key, expected=stored.version)
            raise

    def _new(self, ctx: Context, obj: M) -> Attributes:
        meta: Any = obj.metadata  # type: ignore[attr-defined]
        return Attributes(ctx, Operation.CREATE, self.kind, meta.namespace, meta.name, obj)

    async def _insert(self, ctx: Context, keys: Iterable[Key], obj: M) -> Stored:
        """Store a complete object under the first of the keys that is free; `obj` has that name when the key comes.

        What it costs is charged first, and given back when it was certainly not stored.
        """
        refund: Refund | None = None
        try:
            for key in keys:
                refund = refund or await self._world.admission.charge(self._new(ctx, obj))
                with contextlib.suppress(KeyExists):
                    return await self._put(ctx, key, self._encode(obj))
        except (TooLarge, TooManyRequests, Invalid):
            if refund is not None:
                await refund()
            raise
        if refund is not None:
            await refund()
        raise KeyExists

    async def _put(self, ctx: Context, key: Key, data: bytes) -> Stored:
        if not ctx.dry_run:
            return await self.storage.create(
                key, data, self._type_meta, ttl_seconds=self.strategy.ttl_seconds
            )
        if await self.storage.get(key) is not None:
            raise KeyExists(key)
        return Stored(key, data, Version(0), self._type_meta)

    # -- change

    async def update(self, ctx: Context, sent: M, *, namespace: str = "", name: str = "") -> Stored:
        """Replace an object, but for its status.

        Args:
            ctx: of the request.
            sent: with a resourceVersion: replaces that version only.
            namespace: of the request; the object's own when empty.
            name: likewise.

        Raises:
            NotFound, Conflict, Invalid, BadRequest, TooLarge.
        """
        meta = self._name(sent, namespace, name)
        version = self._wanted_version(meta)
        checks = await self._admit(ctx, Operation.UPDATE, meta.namespace, meta.name, sent)

        def build(old: M) -> M:
            new = self.kind.message()
            new.CopyFrom(sent)
            return self._prepare_update(ctx, new, old, checks)

        return await self._change(
            ctx, meta.namespace, meta.name, build, uid=meta.uid, version=version
        )  # fmt: skip

    async def update_status(
        self, ctx: Context, sent: M, *, mask: Sequence[str] = (), namespace: str = "", name: str = ""
    ) -> Stored:
        """Replace the status, or the fields of it that the mask names (`status.merge_status`).

        With a mask no version is compared: each owner sends what is its own. The uid is, when it is set.
        """
        meta = self._name(sent, namespace, name)
        version = None if mask else parse_object_version(self.kind, meta)
        now = timestamp(self.now())

        def build(old: M) -> M:
            new = cast("M", self.kind.message())
            new.CopyFrom(old)
            if mask:
                merge_status(new, sent, mask, now)
            else:
                copy_field(new, sent, "status")
            return self._prepare_status(new, old)

        return await self._change(ctx, meta.namespace, meta.name, build, uid=meta.uid, version=version)

    async def patch(
        self, ctx: Context, namespace: str, name: str, patch_type: str, text: str, *, subresource: str = ""
    ) -> Stored:
        """Change an object by a patch; `subresource` is empty, or `status`.

        A resourceVersion or uid in the patch is a precondition.
        """
        if subresource not in ("", "status") or (subresource and not self.kind.has_status):
            raise NotFound("the server could not find the requested resource")
        validation = ctx.field_validation
        warn = nobody_listens if validation == IGNORE else ctx.warn
        patch = read_patch(self.kind, patch_type, text, warn, validation=validation)
        strict = validation in ("", STRICT)
        checks = await self._admit(ctx, Operation.UPDATE, namespace, name, None)

        def build(old: M) -> M:
            new: Any = apply_patch(self.kind, patch, old, warn, strict=strict)
            before: Any = old.metadata  # type: ignore[attr-defined]
            self._check_names(new.metadata, before.namespace, before.name)
            if new.metadata.uid not in ("", before.uid):
                raise refusals.wrong_uid(self.kind, name, new.metadata.uid, before.uid)
            wanted = parse_object_version(self.kind, new.metadata)
            if wanted and str(wanted) != before.resource_version:
                raise refusals.conflict(self.kind, name)
            if not subresource:
                return self._prepare_update(ctx, new, old, checks)
            whole = self.kind.message()
            whole.CopyFrom(old)
            copy_field(whole, new, "status")
            return self._prepare_status(whole, old)

        return await self._change(ctx, namespace, name, build)

    async def change(
        self,
        ctx: Context,
        namespace: str,
        name: str,
        build: Callable[[M], M],
        *,
        uid: str = "",
        version: Version | None = None,
    ) -> Stored:
        """Change an object by a pure function, for what a kind has of its own (binding, scale). Nothing is validated."""
        return await self._change(ctx, namespace, name, build, uid=uid, version=version)

    # -- delete

    async def delete(self, ctx: Context, namespace: str, name: str, options: DeleteOptions) -> Stored:
        """Delete an object, or begin to: see `deletion`. Return its last, or its new, state.

        Raises:
            NotFound, Conflict (preconditions), Forbidden, Invalid (options).
        """
        deletion.check_options(options)
        await self._admit(ctx, Operation.DELETE, namespace, name, None)
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

    def _check_preconditions(self, obj: M, options: DeleteOptions) -> None:
        meta: Any = obj.metadata  # type: ignore[attr-defined]
        if options.uid and options.uid != meta.uid:
            raise refusals.conflict(
                self.kind, meta.name,
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta.uid}). "
                "The object might have been deleted and then recreated",
            )  # fmt: skip
        if options.resource_version and options.resource_version != meta.resource_version:
            raise refusals.conflict(
                self.kind, meta.name,
                f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
                f"ResourceVersion in record ({meta.resource_version}). The object might have been modified",
            )  # fmt: skip

    # -- shared

    async def _change(
        self,
        ctx: Context,
        namespace: str,
        name: str,
        build: Callable[[M], M],
        *,
        uid: str = "",
        version: Version | None = None,
    ) -> Stored:
        def change(current: Stored) -> Change:
            old = self.decode(current)
            before: Any = old.metadata  # type: ignore[attr-defined]
            if uid and uid != before.uid:
                raise refusals.wrong_uid(self.kind, name, uid, before.uid)
            if version and version != current.version:
                raise refusals.conflict(self.kind, name)
            new = build(old)
            if deletion.is_done(new, self.strategy):
                return Change(None)
            return Change(self._encode(new), self.strategy.ttl_seconds or current.ttl_seconds)

        return await self._write(ctx, namespace, name, change)

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
        """Write, though others are quicker: a caller who needs a version says so, and `change` refuses any other."""
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
        changed = self.strategy.has_generation and spec_bytes(new) != spec_bytes(old)
        if changed:
            new.metadata.generation = old.metadata.generation + 1
        new.metadata.resource_version = old.metadata.resource_version
        self._validate(old.metadata.name, validation.validate_update(self.kind, new, old))
        for check in checks:
            check(new, old)
        if changed:
            for text in validation.warnings_for(self.kind, new):
                ctx.warn(text)
        return new  # type: ignore[no-any-return]

    def _prepare_status(self, new: Any, old: Any) -> M:
        self.strategy.prepare_for_status_update(new, old)
        # The rest is as it was stored. A kind without a status has no such update.
        normalise(new.status)
        self._validate(old.metadata.name, validation.validate_status_update(self.kind, new, old))
        return new  # type: ignore[no-any-return]

    def _encode(self, obj: M) -> bytes:
        """Return the bytes to store: canonical, and without a version."""
        obj.metadata.ClearField("resource_version")  # type: ignore[attr-defined]
        data = obj.SerializeToString(deterministic=True)
        if len(data) > MAX_OBJECT_BYTES:
            raise TooLarge(f"Request entity too large: limit is {MAX_OBJECT_BYTES}")
        return data

    def _validate(self, name: str, errors: Sequence[FieldError]) -> None:
        if errors:
            raise refusals.invalid(self.kind, name, list(errors))

    def _name(self, obj: M, namespace: str, name: str) -> Any:
        """Return the metadata of what a client sent, with the names that the request gives."""
        meta: Any = obj.metadata  # type: ignore[attr-defined]
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

    def _wanted_version(self, meta: Any) -> Version | None:
        version = parse_object_version(self.kind, meta)
        if not version and not self.strategy.allow_unconditional_update:
            error = field_path.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise refusals.invalid(self.kind, meta.name, [error])
        return version

    async def _admit(
        self, ctx: Context, operation: Operation, namespace: str, name: str, obj: M | None
    ) -> Checks:
        """Ask admission. Returns what is still to be asked of an update, once what is stored is known."""
        attributes = Attributes(ctx, operation, self.kind, namespace, name, obj)
        await self._world.admission.admit(attributes)
        return attributes.checks
