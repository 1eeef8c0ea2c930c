"""Creates of many objects in one call (CreateBatch): each has an answer of its own, the one that it would have had alone.

All go through each stage together, and to storage with one call: a task for each would cost more than what it does (decision 071). Of
those that differ in nothing but their names one goes through the stages, and the others follow it (`alike`, decision 081).
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias

from apiserver.admission.chain import Attributes, Operation
from apiserver.registry.alike import Cut, Mould, cut_name, keeps_name, mould_of
from apiserver.registry.context import Context
from apiserver.registry.creating import FAIR, NOT_STORED, Creator, New
from apiserver.registry.strategy import M
from apiserver.registry.turns import Item, turns_of
from apiserver.storage.interface import KeyExists, Put, PutResult, Stored, Version
from vaina.errors import ApiError, Forbidden, NotFound

#: parses an object that was sent; raises BadRequest
Parse: TypeAlias = Callable[[bytes], M]
#: objects that follow are made before others have their turn
_FAIR_FOLLOWERS = 512


class _Follower(Generic[M]):
    """An object that differs in nothing but its name from its leader, which comes before it in the same batch."""

    __slots__ = ("leader", "name", "put", "uid")

    put: Put

    def __init__(self, leader: New[M], name: str) -> None:
        self.leader, self.name, self.uid = leader, name, ""


class _Batch(Generic[M]):
    """The objects of a call, by their places in it."""

    __slots__ = ("following", "own", "results", "sent")

    def __init__(self, sent: Sequence[tuple[Context, bytes]]) -> None:
        self.sent = sent
        self.own: dict[int, New[M]] = {}
        self.following: dict[int, _Follower[M]] = {}
        self.results: list[Stored | ApiError | None] = [None] * len(sent)


class ManyCreator(Creator[M]):
    """Creates many objects of one kind. Holds no state of its own."""

    async def create_all(
        self, sent: Sequence[tuple[Context, bytes]], parse: Parse[M]
    ) -> list[Stored | ApiError]:
        """Store new objects; return for each, in its place, what `create` would return or raise.

        Args:
            sent: who asks, and the encoded object, of each.
            parse: reads one.
        """
        batch, started = _Batch[M](sent), self.now()
        await self._sort(batch, parse, started)
        await self._finish_all(list(batch.own.values()))
        left = await self._follow(batch)
        for index in left:
            ctx, data = sent[index]
            batch.own[index] = New(ctx, parse(data), started)
        await self._finish_all([batch.own[index] for index in left])
        for index, new in batch.own.items():
            batch.results[index] = new.result
        for turn in await self._turns(batch):
            await self._charge_all([batch.own[index] for index in turn if index in batch.own])
            await self._store_all(batch, turn)
        await self._confirm_all(batch)
        self._close_all(batch)
        answers: list[Stored | ApiError] = []
        for result in batch.results:
            assert result is not None
            answers.append(result)
        return answers

    async def _sort(self, batch: _Batch[M], parse: Parse[M], started: float) -> None:
        """Parse what goes its own way; find the leaders of the others."""
        leaders: dict[tuple[int, int, bytes], New[M]] = {}
        can_follow = self._drafts.can_ignore_names and self._world.admission.ignores_names
        for index, (ctx, data) in enumerate(batch.sent):
            if index % FAIR == FAIR - 1 and len(batch.own) > len(batch.following):
                await self._world.clock.sleep(0)
            cut = cut_name(data) if can_follow and not ctx.dry_run else None
            # The same context: who asks, and how, is the same too.
            like = None if cut is None else (id(ctx), cut.meta_size, cut.rest)
            leader = None if like is None else leaders.get(like)
            if cut is not None and leader is not None and self._can_lead(leader, cut):
                batch.following[index] = _Follower(leader, cut.name)
                continue
            try:
                new = batch.own[index] = New(ctx, parse(data), started)
            except ApiError as error:
                batch.results[index] = error
            else:
                if like is not None:
                    leaders[like] = new

    def _can_lead(self, leader: New[M], cut: Cut) -> bool:
        if leader.can_lead is None:
            leader.can_lead = keeps_name(cut, self.kind.message) and not self._drafts.depends_on_name(
                leader.obj
            )
        return leader.can_lead

    async def _finish_all(self, batch: Sequence[New[M]]) -> None:
        """Take objects through all stages up to storage."""
        await self._each(batch, self._open)
        admitted = [new for new in batch if new.result is None]
        refused = await self._world.admission.admit_all([new.attributes for new in admitted])
        for new, refusal in zip(admitted, refused, strict=True):
            new.result = refusal
        await self._each(batch, self._prepare)
        await self._each(batch, self._complete)

    def _complete(self, new: New[M]) -> None:
        new.put = self._finish(new)

    async def _each(self, batch: Sequence[New[M]], step: Callable[[New[M]], None]) -> None:
        """Do something with each that was not refused; a refusal is its result."""
        for number, new in enumerate(batch):
            if number % FAIR == FAIR - 1:
                await self._world.clock.sleep(0)
            if new.result is None:
                try:
                    step(new)
                except ApiError as error:
                    new.result = error

    async def _follow(self, batch: _Batch[M]) -> list[int]:
        """Make of each follower what its leader became; return the places of those that must go their own way."""
        moulds: dict[int, Mould | None] = {}
        left: list[int] = []
        for number, (index, follower) in enumerate(batch.following.items()):
            if number % _FAIR_FOLLOWERS == _FAIR_FOLLOWERS - 1:
                await self._world.clock.sleep(0)
            leader = follower.leader
            if id(leader) not in moulds:
                moulds[id(leader)] = await self._mould(leader)
            mould = moulds[id(leader)]
            if mould is None:
                left.append(index)
                continue
            follower.uid = self._new_uid(leader.ctx)
            like, key = leader.put, self.key(leader.meta.namespace, follower.name)
            data = mould.cast(follower.name, follower.uid)
            follower.put = Put(key, data, like.type_meta, None, like.ttl_seconds)
        for index in left:
            del batch.following[index]
        return left

    async def _mould(self, leader: New[M]) -> Mould | None:
        """Return what followers are cast in; None when the leader was refused, or what it costs is counted."""
        if leader.result is not None or await self._world.admission.counts(leader.attributes):
            return None
        return mould_of(leader.put.data, leader.meta.name, leader.meta.uid)

    async def _turns(self, batch: _Batch[M]) -> list[list[int]]:
        """Return the places of what was not refused, in turns: see `turns`. Most batches have one."""
        places = [index for index, result in enumerate(batch.results) if result is None]
        counted = {
            index
            for index in places
            if index in batch.own and await self._world.admission.counts(batch.own[index].attributes)
        }
        if not counted and not any(batch.sent[index][0].dry_run for index in places):
            return [places]

        def item(index: int) -> Item:
            put = (batch.following.get(index) or batch.own[index]).put
            taken = index in counted and self.storage.peek(put.key, Version(0)) is not None
            return Item(index, put.key, batch.sent[index][0].dry_run, index in counted, taken)

        return turns_of(map(item, places))

    async def _charge_all(self, batch: Sequence[New[M]]) -> None:
        """Take what the objects cost."""
        taken = await self._world.admission.charge_all([new.attributes for new in batch])
        for new, refund in zip(batch, taken, strict=True):
            if isinstance(refund, ApiError):
                new.result = refund
            else:
                new.refund = refund

    async def _store_all(self, batch: _Batch[M], turn: Sequence[int]) -> None:
        """Store what was not refused of a turn, in the order of the batch."""
        puts: list[tuple[int, Put]] = []
        for index in turn:
            follower = batch.following.get(index)
            if follower is not None:
                puts.append((index, follower.put))
                continue
            new = batch.own[index]
            batch.results[index] = new.result
            if new.result is None:
                puts.append((index, new.put))
        results = iter(await self._try([put for index, put in puts if not batch.sent[index][0].dry_run]))
        for index, _ in puts:
            result = None if batch.sent[index][0].dry_run else next(results)
            if isinstance(result, Stored):
                batch.results[index] = result
            else:
                batch.results[index] = await self._store_again(self._on_its_own(batch, index), result)

    async def _store_again(self, new: New[M], result: PutResult | None) -> Stored | ApiError:
        """Return what becomes of the few that are left: trials, names that were taken, refusals of storage."""
        try:
            if result is None or isinstance(result, KeyExists):
                return await self._insert(new, new.put, new.refund, tried=result is not None)
        except ApiError as error:
            return error
        assert isinstance(result, ApiError)  # creates have no other refusals
        if isinstance(result, NOT_STORED):
            await new.refund()
        return result

    def _on_its_own(self, batch: _Batch[M], index: int) -> New[M]:
        """Return an object, a follower too, as one that takes the whole way."""
        follower = batch.following.get(index)
        if follower is None:
            return batch.own[index]
        leader = follower.leader
        new = New(leader.ctx, self.kind.message.FromString(follower.put.data), leader.started)
        new.put, meta = follower.put, new.meta
        new.attributes = Attributes(new.ctx, Operation.CREATE, self.kind, meta.namespace, meta.name, new.obj)
        return new

    async def _try(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        try:
            return await self.storage.put_all(puts)
        except ApiError as error:
            return [error] * len(puts)

    async def _confirm_all(self, batch: _Batch[M]) -> None:
        """Let admission look again at what was stored: what it says of the last of a namespace holds for those before it.

        One by one, a cache that lags would hold up the batch once for each of them.
        """
        namespaces: dict[str, list[tuple[int, Stored]]] = {}
        for index, result in enumerate(batch.results):
            if isinstance(result, Stored) and not batch.sent[index][0].dry_run:
                namespaces.setdefault(self._attributes(batch, index).namespace, []).append((index, result))
        for stored in namespaces.values():
            last, newest = max(stored, key=lambda item: item[1].version)
            try:
                await self._world.admission.confirm(self._attributes(batch, last), newest.version)
            except (NotFound, Forbidden):
                for index, result in stored:
                    await self._confirm_one(batch, index, result)
            except ApiError as error:
                for index, _ in stored:
                    batch.results[index] = error

    async def _confirm_one(self, batch: _Batch[M], index: int, stored: Stored) -> None:
        try:
            await self._confirm(self._on_its_own(batch, index), stored)
        except ApiError as error:
            batch.results[index] = error

    def _attributes(self, batch: _Batch[M], index: int) -> Attributes:
        """Return what admission may know of an object, its name aside."""
        follower = batch.following.get(index)
        return (batch.own[index] if follower is None else follower.leader).attributes

    def _close_all(self, batch: _Batch[M]) -> None:
        """Tell who wants to know of what was stored."""
        for index, result in enumerate(batch.results):
            if not isinstance(result, Stored):
                continue
            follower = batch.following.get(index)
            if follower is None:
                self._close(batch.own[index])
            else:
                # The leader has come before: now its object stands for each of the others.
                new = follower.leader
                new.meta.name, new.meta.uid = follower.name, follower.uid
                self._close(new)
