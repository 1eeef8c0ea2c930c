"""The stages of a create after validation: quotas are charged, objects stored, admission asked again,
warnings and traces written.

Called by `pipeline`. Follows apiserver `registry/generic/registry/store.go` (Create).

A batch does what as many calls do, one after the other. Two of its objects affect each other when the first
decides what the second is answered, or what it leaves of a quota for those behind it: then the second belongs
to a later round (`rounds_of`). Most batches have one round.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from apiserver import refusals
from apiserver.context import Context
from apiserver.registry import metadata
from apiserver.registry.create.new import New
from apiserver.registry.reading import Reader
from apiserver.registry.strategy import M, Strategy
from apiserver.registry.world import Observer, World
from apiserver.storage.interface import (
    Key,
    KeyConflict,
    KeyExists,
    KeyMissing,
    Put,
    PutResult,
    Stored,
    Version,
)
from vaina.errors import ApiError, Forbidden, Invalid, NotFound, TooLarge, TooManyRequests
from vaina.kinds import Kind


class RoundItem(NamedTuple):
    """A create of a batch that was not refused yet."""

    #: its place in the batch
    place: int
    key: Key
    dry_run: bool
    #: a quota counts it
    counted: bool
    #: the cache has an object of its name
    taken: bool


def rounds_of(items: Iterable[RoundItem]) -> list[list[int]]:
    """Return the places of a batch in rounds: one is over before the next begins."""
    rounds: list[list[int]] = [[]]
    tried: dict[Key, bool] = {}
    known = set[Key]()
    for item in items:
        before = tried.get(item.key)
        if before is not None and (item.counted or item.dry_run or before):
            rounds.append([])
            tried = {}
        rounds[-1].append(item.place)
        tried[item.key] = tried.get(item.key, False) or item.dry_run
        if item.counted and (item.taken or item.key in known):
            # It is refused after it was charged: what it gives back must be there for the next.
            rounds.append([])
            tried = {}
        if not item.dry_run:
            known.add(item.key)
    return [places for places in rounds if places]


#: etcd's limit on a request, which is also Kubernetes' limit on an object
MAX_OBJECT_BYTES = 1536 * 1024
#: refusals after which it is certain that nothing was stored
_NOT_STORED = (TooLarge, TooManyRequests, Invalid)


class Storer(Reader[M]):
    """Stores new objects of one kind. Holds no state of its own."""

    def __init__(
        self, kind: Kind[M], strategy: Strategy[M], world: World, *, observer: Observer | None = None
    ) -> None:
        super().__init__(kind, world)
        self.strategy = strategy
        self._observer = observer
        self._type_meta = (kind.api_version, kind.kind)

    async def store(self, batch: Sequence[New[M]]) -> None:
        """Charge and store the objects that were not refused; set the result of each."""
        await self._store_in_rounds([new for new in batch if new.result is None])
        created = [new for new in batch if isinstance(new.result, Stored)]
        await self._confirm([new for new in created if not new.ctx.dry_run])
        told = [new for new in created if isinstance(new.result, Stored)]
        for new in told:
            self._tell(new)
        for new in told:
            for text in await self._world.large.do(new.size, self._warnings, new):
                new.ctx.warn(text)

    def name_anew(self, new: New[M]) -> None:
        new.meta.name = new.attributes.name = metadata.generate_name(new.meta.generate_name, self._world.rng)
        new.is_name_generated = True
        self.strategy.name_known(new.obj)

    def make_put(self, new: New[M]) -> Put:
        """Return how to store a complete object. Raises BadRequest, TooLarge."""
        key = self.key(new.meta.namespace, new.meta.name)
        return Put(key, self._encode(new.obj), self._type_meta, None, self.strategy.ttl_seconds)

    async def _store_in_rounds(self, batch: Sequence[New[M]]) -> None:
        admission = self._world.admission
        counted = [new.may_cost and await admission.counts(new.attributes) for new in batch]
        if not any(counted) and not any(new.ctx.dry_run for new in batch):
            await self._store_round(batch)
            return

        def item(place: int) -> RoundItem:
            new, key = batch[place], batch[place].put.key
            taken = counted[place] and self.storage.peek(key, Version(0)) is not None
            return RoundItem(place, key, new.ctx.dry_run, counted[place], taken)

        for places in rounds_of(map(item, range(len(batch)))):
            charged = [batch[place] for place in places if counted[place]]
            taken = await admission.charge_all([new.attributes for new in charged])
            for new, refund in zip(charged, taken, strict=True):
                if isinstance(refund, ApiError):
                    new.result = refund
                else:
                    new.refund = refund
            await self._store_round([batch[place] for place in places if batch[place].result is None])

    async def _store_round(self, batch: Sequence[New[M]]) -> None:
        """Store objects in their order with one call of storage, then those that this call did not store."""
        real = [new for new in batch if not new.ctx.dry_run]
        written: Sequence[PutResult] = await self._put_all([new.put for new in real]) if real else ()
        refused: dict[int, PutResult] = {}
        for new, result in zip(real, written, strict=True):
            if isinstance(result, Stored):
                new.result = result
            else:
                refused[id(new)] = result
        for new in batch:
            if new.result is None:
                new.result = await self._store_again(new, refused.get(id(new)))

    async def _put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        try:
            return await self.storage.put_all(puts)
        except ApiError as error:
            return [error] * len(puts)

    async def _store_again(self, new: New[M], refusal: PutResult | None) -> Stored | ApiError:
        """Return what becomes of a dry run, or of an object whose name was taken or that storage refused."""
        try:
            if refusal is None or isinstance(refusal, KeyExists):
                return await self._insert(new, tried=refusal is not None)
        except ApiError as error:
            return error
        assert isinstance(refusal, ApiError)  # creates have no other refusals
        if isinstance(refusal, _NOT_STORED):
            await new.refund()
        return refusal

    async def _insert(self, new: New[M], *, tried: bool) -> Stored:
        """Store an object under other names while generated ones are taken; `tried`: the first is known to be
        taken.

        What a quota took is given back when the object was certainly not stored.
        """
        try:
            for attempt in range(metadata.NAME_ATTEMPTS if new.is_name_generated else 1):
                if attempt:
                    self.name_anew(new)
                    new.put = self.make_put(new)
                if attempt or not tried:
                    with contextlib.suppress(KeyExists):
                        return await self._create(new.ctx, new.put)
        except _NOT_STORED:
            await new.refund()
            raise
        await new.refund()
        name = new.meta.name
        if new.is_name_generated:
            raise refusals.no_unique_name(self.kind, name)
        there = await self.find(new.namespace, name)
        ending = there is not None and there.metadata.HasField("deletion_timestamp")  # type: ignore[attr-defined]  # every kind has metadata
        raise refusals.already_exists(self.kind, name, ending=ending)

    async def _create(self, ctx: Context, put: Put) -> Stored:
        if not ctx.dry_run:
            return await self.storage.create(put.key, put.data, put.type_meta, ttl_seconds=put.ttl_seconds)
        if await self.storage.get(put.key) is not None:
            raise KeyExists(put.key)
        return Stored(put.key, put.data, Version(0), put.type_meta)

    async def _confirm(self, batch: Sequence[New[M]]) -> None:
        """Let admission look again at what was stored; what it says of the last of a namespace holds for all
        before it.

        If each were asked about, a cache that lags would hold up the batch once for each.
        """
        namespaces: dict[str, list[New[M]]] = {}
        for new in batch:
            namespaces.setdefault(new.namespace, []).append(new)
        for stored in namespaces.values():
            newest = max(stored, key=_version)
            try:
                await self._world.admission.confirm(newest.attributes, _version(newest))
            except (NotFound, Forbidden):
                for new in stored:
                    await self._confirm_one(new)
            except ApiError as error:
                for new in stored:
                    new.result = error

    async def _confirm_one(self, new: New[M]) -> None:
        """Let admission look again at one object, and delete the object if it may not stay."""
        try:
            await self._world.admission.confirm(new.attributes, _version(new))
        except (NotFound, Forbidden) as refusal:
            # If it is changed or gone already, somebody else takes care of it.
            with contextlib.suppress(KeyMissing, KeyConflict):
                await self.storage.delete(new.put.key, expected=_version(new))
            new.result = refusal
        except ApiError as error:
            new.result = error

    def _warnings(self, new: New[M]) -> list[str]:
        return list(new.warnings(self.strategy))

    def _tell(self, new: New[M]) -> None:
        observer = self._observer
        if observer is not None and not new.ctx.dry_run and observer.wants(new.uid):
            observer.created(new.obj, started=new.started)

    def _encode(self, obj: M) -> bytes:
        """Return the bytes to store: canonical, and without a version."""
        obj.metadata.ClearField("resource_version")  # type: ignore[attr-defined]  # every kind has metadata
        data = obj.SerializeToString(deterministic=True)
        if len(data) > MAX_OBJECT_BYTES:
            raise TooLarge(f"Request entity too large: limit is {MAX_OBJECT_BYTES}")
        return data


def _version(new: "New[M]") -> Version:
    assert isinstance(new.result, Stored)
    return new.result.version
