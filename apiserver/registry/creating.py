"""Creates. The first part of the generic store (`creating_many`, `store`), and step 1 of a Pod's creation.

An object is defaulted, admitted, prepared by the kind's strategy, normalised, validated (all violations together) and stored.
"""

import contextlib
from collections.abc import Sequence
from typing import Any, Generic

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation, Refund, nothing_to_refund
from apiserver.context import Context
from apiserver.registry import metadata
from apiserver.registry.draft import Draft, Drafts
from apiserver.registry.reading import Reader
from apiserver.registry.strategy import M, Strategy
from apiserver.registry.world import Observer, World
from apiserver.storage.interface import KeyConflict, KeyExists, KeyMissing, Put, Stored, Version
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError, FieldError, Forbidden, Invalid, NotFound, TooLarge, TooManyRequests
from vaina.kinds import Kind
from vaina.objects import field_path

#: etcd's limit on a request, which is also Kubernetes' limit on an object
MAX_OBJECT_BYTES = 1536 * 1024
#: refusals after which it is certain that nothing was stored
NOT_STORED = (TooLarge, TooManyRequests, Invalid)
#: objects of a batch that are looked at before others have their turn
FAIR = 64


class New(Generic[M]):
    """An object on its way to storage."""

    __slots__ = (
        "attributes", "ctx", "draft", "is_named_by_us", "meta", "obj", "put", "refund", "result", "started",
    )  # fmt: skip

    draft: Draft[M]
    attributes: Attributes
    #: how to store it, once it is complete
    put: Put

    def __init__(self, ctx: Context, obj: M, started: float) -> None:
        self.ctx, self.obj, self.started = ctx, obj, started
        self.meta: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has metadata
        self.is_named_by_us = False
        #: gives back what was taken for it
        self.refund: Refund = nothing_to_refund
        #: why it is refused, when it is one of many
        self.result: ApiError | None = None


class Creator(Reader[M]):
    """Creates objects of one kind. Holds no state of its own."""

    def __init__(
        self,
        kind: Kind[M],
        strategy: Strategy[M],
        world: World,
        *,
        observer: Observer | None = None,
        drafts: Drafts[M] | None = None,
    ) -> None:
        """Make a store.

        Args:
            kind: of the objects.
            strategy: what is special about the kind.
            world: what it stands on.
            observer: is told of objects that came and went.
            drafts: makes the drafts of new objects, where a kind has a quicker way.
        """
        super().__init__(kind, world)
        self.strategy = strategy
        self._observer = observer
        self._drafts: Drafts[M] = drafts or Drafts(kind)
        self._type_meta = (kind.api_version, kind.kind)

    async def create(self, ctx: Context, obj: M, *, namespace: str = "") -> Stored:
        """Store a new object.

        Args:
            ctx: of the request.
            obj: changed in place: defaults, uid, times, name.
            namespace: of the request, for objects that name none.

        Raises:
            Invalid, BadRequest, AlreadyExists, Forbidden, TooLarge; NotFound for a namespace that is not there.
        """
        new = New(ctx, obj, self.now())
        self._open(new, namespace)
        await self._world.admission.admit(new.attributes)
        self._prepare(new)
        put = self._finish(new)
        stored = await self._insert(new, put, await self._world.admission.charge(new.attributes))
        if not ctx.dry_run:
            await self._confirm(new, stored)
        self._close(new)
        return stored

    def _open(self, new: "New[M]", namespace: str = "") -> None:
        """Begin with an object: its namespace, its defaults, its normal form. Raises BadRequest."""
        meta, obj = new.meta, new.obj
        metadata.place(self.kind, meta, namespace)
        new.draft = self._drafts(obj)
        # Before anybody computes with quantities: upstream refuses those that cannot be read when it decodes.
        new.draft.normalise()
        new.attributes = Attributes(new.ctx, Operation.CREATE, self.kind, meta.namespace, meta.name, obj)

    def _prepare(self, new: "New[M]") -> None:
        """Set what the server decides, once the object is admitted."""
        meta = new.meta
        metadata.prepare_for_create(meta, self._new_uid(new.ctx, meta), new.started)
        new.draft.prepare(self.strategy, new.started)
        if self.strategy.has_generation:
            meta.generation = self.strategy.first_generation

    def _finish(self, new: "New[M]") -> Put:
        """Name the object, if it has none, and check it; return how to store it. Raises Invalid, BadRequest, TooLarge."""
        meta = new.meta
        if not meta.name and not meta.generate_name:
            errors = new.draft.errors()
            if not any(error.field == "metadata.name" for error in errors):
                errors.insert(0, field_path.required("metadata.name", "name or generateName is required"))
            self._validate("", errors)
        if not meta.name:
            new.is_named_by_us = True
            self._name_anew(new)
        self._validate(meta.name, new.draft.errors())
        return self._put(new)

    def _new_uid(self, ctx: Context, meta: meta_pb2.ObjectMeta) -> str:
        uid = self._world.new_uid()
        return uid if self._observer is None or ctx.dry_run else self._observer.uid(uid, meta, ctx.warn)

    def _new_uids(self, ctx: Context, count: int, meta: meta_pb2.ObjectMeta) -> list[str]:
        new_uid = self._world.new_uid
        uids = [new_uid() for _ in range(count)]
        return uids if self._observer is None or ctx.dry_run else self._observer.uids(uids, meta, ctx.warn)

    def _name_anew(self, new: "New[M]") -> None:
        new.meta.name = metadata.generate_name(new.meta.generate_name, self._world.rng)
        self.strategy.name_known(new.obj)
        new.attributes.name = new.meta.name

    def _put(self, new: "New[M]") -> Put:
        key = self.key(new.meta.namespace, new.meta.name)
        return Put(key, self._encode(new.obj), self._type_meta, None, self.strategy.ttl_seconds)

    async def _insert(self, new: "New[M]", put: Put, refund: Refund, *, tried: bool = False) -> Stored:
        """Store an object, under other names as long as those that we give it are taken; `tried` when the first one is known to be.

        What was charged for it is given back when it was certainly not stored.
        """
        meta = new.meta
        try:
            for attempt in range(metadata.NAME_ATTEMPTS if new.is_named_by_us else 1):
                if attempt:
                    self._name_anew(new)
                    put = self._put(new)
                if attempt or not tried:
                    with contextlib.suppress(KeyExists):
                        return await self._write_new(new.ctx, put)
        except NOT_STORED:
            await refund()
            raise
        await refund()
        if new.is_named_by_us:
            raise refusals.no_unique_name(self.kind, meta.name)
        there = await self.find(meta.namespace, meta.name)
        ending = there is not None and there.metadata.HasField("deletion_timestamp")  # type: ignore[attr-defined]  # every kind has metadata
        raise refusals.already_exists(self.kind, meta.name, ending=ending)

    async def _write_new(self, ctx: Context, put: Put) -> Stored:
        if not ctx.dry_run:
            return await self.storage.create(put.key, put.data, put.type_meta, ttl_seconds=put.ttl_seconds)
        if await self.storage.get(put.key) is not None:
            raise KeyExists(put.key)
        return Stored(put.key, put.data, Version(0), put.type_meta)

    async def _confirm(self, new: "New[M]", stored: Stored) -> None:
        """Let admission look again; what may not stay is taken back. Raises its refusal."""
        try:
            await self._world.admission.confirm(new.attributes, stored.version)
        except (NotFound, Forbidden):
            # Whoever changed or removed it already has it in hand.
            with contextlib.suppress(KeyMissing, KeyConflict):
                await self.storage.delete(stored.key, expected=stored.version)
            raise

    def _close(self, new: "New[M]") -> None:
        """Tell who wants to know of a new object."""
        warner = self.strategy.warner(new.obj)
        if warner is not None:
            new.ctx.warn(warner(new.meta.name))
        for text in new.draft.warnings():
            new.ctx.warn(text)
        if self._observer is not None and not new.ctx.dry_run:
            self._observer.created(new.obj, started=new.started)

    def _encode(self, obj: M) -> bytes:
        """Return the bytes to store: canonical, and without a version."""
        obj.metadata.ClearField("resource_version")  # type: ignore[attr-defined]  # every kind has metadata
        data = obj.SerializeToString(deterministic=True)
        if len(data) > MAX_OBJECT_BYTES:
            raise TooLarge(f"Request entity too large: limit is {MAX_OBJECT_BYTES}")
        return data

    def _validate(self, name: str, errors: Sequence[FieldError]) -> None:
        if errors:
            raise refusals.invalid(self.kind, name, list(errors))
