"""Creates, step 1 of a Pod's creation: a pipeline over a list. The first part of the generic store (`store`).

Every stage is done for all objects before the next begins: namespace, defaults and normal form; admission;
what the server sets, validation (all violations together) and encoding; admission of what is valid; storage
(`storing`). A refused object skips the later stages and does not affect the others. A single create is a list
of one.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias, cast

from apiserver import refusals
from apiserver.admission.chain import Attributes
from apiserver.context import Context
from apiserver.large import is_large
from apiserver.registry import metadata
from apiserver.registry.create.new import New, Preparation, Prepare
from apiserver.registry.create.storing import Storer
from apiserver.registry.strategy import M, Strategy
from apiserver.registry.world import Observer, World
from apiserver.storage.interface import Stored
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError, FieldError
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.identities import is_node

#: parses an object that was sent; raises BadRequest
Parse: TypeAlias = Callable[[bytes], M]
#: who asks, and the encoded object, of each create of a batch
Sent: TypeAlias = Sequence[tuple[Context, bytes]]
#: asks admission about objects; returns the refusal of each
Admission: TypeAlias = Callable[[Sequence[Attributes]], Awaitable[list[ApiError | None]]]
#: objects of a batch that are looked at before other tasks run
FAIR = 64


class Preparer(Protocol[M]):
    """Does the stages before storage for a batch: `Creator.prepare_all`, or an accelerator of it."""

    async def prepare_all(self, creator: "Creator[M]", sent: Sent, parse: Parse[M]) -> list[New[M]]:
        """Return what `Creator.prepare_all` returns."""
        ...


class Creator(Storer[M]):
    """Creates objects of one kind. Holds no state of its own."""

    def __init__(
        self,
        kind: Kind[M],
        strategy: Strategy[M],
        world: World,
        *,
        observer: Observer | None = None,
        prepare: Prepare[M] | None = None,
        preparer: Preparer[M] | None = None,
    ) -> None:
        """Make a store; `observer` is told of objects that came and went, the last two are accelerators."""
        super().__init__(kind, strategy, world, observer=observer)
        self._begin: Prepare[M] = partial(Preparation, kind) if prepare is None else prepare
        self._preparer = preparer

    async def create(
        self,
        ctx: Context,
        obj: M,
        *,
        entries: Sequence[meta_pb2.ManagedFieldsEntry] = (),
        size: int = 0,
    ) -> Stored:
        """Store a new object, which is changed in place; of one that is applied `entries` are the managedFields.

        `size` is how many bytes were sent.

        Raises Invalid, BadRequest, AlreadyExists, Forbidden, TooLarge; NotFound for a missing namespace.
        """
        new = New(self.kind, ctx, obj, self.now())
        new.entries, new.size = entries, size
        await self.prepare([new])
        await self.store([new])
        if isinstance(new.result, ApiError):
            raise new.result
        assert new.result is not None
        return new.result

    async def create_all(self, sent: Sent, parse: Parse[M]) -> Sequence[Stored | ApiError]:
        """Store new objects; return for each, in its place, what `create` would return or raise."""
        if self._preparer is None:
            batch = await self.prepare_all(sent, parse)
        else:
            batch = await self._preparer.prepare_all(self, sent, parse)
        await self.store(batch)
        return [cast("Stored | ApiError", new.result) for new in batch]

    async def prepare_all(self, sent: Sent, parse: Parse[M]) -> list[New[M]]:
        """Read objects and do the stages before storage."""
        started, batch = self.now(), list[New[M]]()
        for number, (ctx, data) in enumerate(sent):
            if number % FAIR == FAIR - 1:
                await self.give_way()
            batch.append(self.read(ctx, data, parse, started))
        await self.prepare(batch)
        return batch

    def read(self, ctx: Context, data: bytes, parse: Parse[M], started: float) -> New[M]:
        """Read an object; what cannot be read has a refusal."""
        try:
            new = New(self.kind, ctx, parse(data), started)
            new.size = len(data)
            return new
        except ApiError as error:
            refused = New[M](self.kind, ctx, None, started)
            refused.result = error
            return refused

    async def prepare(self, batch: Sequence[New[M]]) -> None:
        """Do the stages before storage: afterwards each object has its `put`, or a refusal as its result."""
        await self._each(batch, self._complete, is_pure=True)
        admission = self._world.admission
        await self._ask(batch, admission.admit_all)
        await self._each(batch, self._set_what_the_server_decides)
        await self._each(batch, self._validate_and_encode, is_pure=True)
        await self._ask(batch, admission.validate_all)

    async def _ask(self, batch: Sequence[New[M]], admission: Admission) -> None:
        """Ask admission about the objects that were not refused; a refusal is the object's result."""
        asked = [new for new in batch if new.result is None]
        refused = await admission([new.attributes for new in asked])
        for new, refusal in zip(asked, refused, strict=True):
            new.result = refusal

    async def _each(
        self, batch: Sequence[New[M]], stage: Callable[[New[M]], None], *, is_pure: bool = False
    ) -> None:
        """Do a stage for each object that was not refused; a refusal is its result.

        A pure one, which knows nothing but the object, is done beside the loop where the object is large.
        """
        for number, new in enumerate(batch):
            if number % FAIR == FAIR - 1:
                await self.give_way()
            if new.result is None:
                try:
                    if is_pure and is_large(new.size):
                        await self._world.large.do(new.size, stage, new)
                    else:
                        stage(new)
                except ApiError as error:
                    new.result = error

    def _complete(self, new: New[M]) -> None:
        """Set the namespace and the defaults, and normalise. Raises BadRequest."""
        metadata.place(self.kind, new.meta)
        # An accelerator keeps nothing of large ones, and belongs to the loop.
        new.preparation = Preparation(self.kind, new.obj) if is_large(new.size) else self._begin(new.obj)
        # Before admission and validation compute with quantities: upstream refuses unreadable ones when it
        # decodes.
        new.preparation.normalise()

    def _set_what_the_server_decides(self, new: New[M]) -> None:
        meta = new.meta
        metadata.prepare_for_create(meta, self.new_uids(new.ctx, 1, meta)[0], new.started)
        new.preparation.prepare(self.strategy, new.started)
        if self.strategy.has_generation:
            meta.generation = self.strategy.first_generation

    def _validate_and_encode(self, new: New[M]) -> None:
        """Name the object if it has no name, and check it. Raises Invalid, BadRequest, TooLarge."""
        meta = new.meta
        if not meta.name and not meta.generate_name:
            errors = new.preparation.errors(new.ctx.group)
            if not any(error.field == "metadata.name" for error in errors):
                errors.insert(0, field_path.required("metadata.name", "name or generateName is required"))
            self._validate("", errors)
        if not meta.name:
            self.name_anew(new)
        self._validate(meta.name, new.preparation.errors(new.ctx.group))
        if meta.managed_fields or new.entries:
            # Nobody has applied to a new object, whatever it was copied from (decision 275).
            meta.ClearField("managed_fields")
            meta.managed_fields.extend(new.entries)
        new.put = self.make_put(new)

    def new_uids(self, ctx: Context, count: int, meta: meta_pb2.ObjectMeta) -> list[str]:
        """Return uids for new objects with the same metadata."""
        new_uid = self._world.new_uid
        uids = [new_uid() for _ in range(count)]
        return uids if self._observer is None or ctx.dry_run else self._observer.uids(uids, meta, ctx.warn)

    async def ignores_name_of(self, new: New[M]) -> bool:
        """Say whether admission treats objects with other names as it treated this one."""
        admission = self._world.admission
        if not admission.ignores_names or is_node(new.ctx.user, new.ctx.groups):
            # A node may make what has its own name, and nothing else (`apiserver.admission.node_restriction`).
            return False
        return not await admission.counts(new.attributes)

    def _validate(self, name: str, errors: Sequence[FieldError]) -> None:
        if errors:
            raise refusals.invalid(self.kind, name, list(errors))
