"""Creates of many objects in one call (CreateBatch): each has an answer of its own, the one that it would have had alone.

All go through each stage together, and to storage with one call: a task for each would cost more than what it does (decision 071). Of
those that differ in nothing but their names (Events: in what they are about, too) one goes through the stages, and the others follow it (`alike`,
decisions 081 and 177).
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeAlias, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.context import Context
from apiserver.registry.alike import NAME, UID, Layout
from apiserver.registry.creating import FAIR, NOT_STORED, Creator, New
from apiserver.registry.strategy import M, Strategy
from apiserver.registry.turns import Item, turns_of
from apiserver.storage.interface import Alike, Key, KeyExists, Known, Put, PutResult, Stored, Version
from apiserver.storage.resources import resource_of
from vaina.errors import ApiError, Forbidden, NotFound

#: parses an object that was sent; raises BadRequest
Parse: TypeAlias = Callable[[bytes], M]
#: objects that follow are made before others have their turn
_FAIR_FOLLOWERS: Final = 512
#: objects of one size and context that others may follow: each that follows none is compared with all of them, 0.3 µs each
_MAX_LEADERS: Final = 8


class _Leader(Generic[M]):
    """An object that others may follow: they come after it in the same batch, in the same context, and differ in nothing but texts."""

    __slots__ = ("_warnings", "data", "followers", "layout", "new")

    def __init__(self, new: New[M], data: bytes) -> None:
        self.new, self.data = new, data
        self.layout: Layout | None = None
        #: the place of each in the batch, its name, and its texts
        self.followers: list[tuple[int, str, list[bytes]]] = []
        self._warnings: tuple[Callable[[str], str] | None, Sequence[str]] | None = None

    def warn(self, strategy: Strategy[M], name: str) -> None:
        """Tell who asked what he should know of a follower. Once its leader has been told of: the leader's object stands for it now."""
        new, found = self.new, self._warnings
        if found is None:
            # The name of a follower is nothing to warn of: what the draft says holds for all of them.
            new.meta.name = name
            found = self._warnings = strategy.warner(new.obj), new.draft.warnings()
        warner, texts = found
        if warner is not None:
            new.ctx.warn(warner(name))
        for text in texts:
            new.ctx.warn(text)


class _Batch(Generic[M]):
    """The objects of a call, by their places in it."""

    __slots__ = ("following", "leaders", "own", "puts", "results", "sent", "tries", "watched")

    def __init__(self, sent: Sequence[tuple[Context, bytes]]) -> None:
        self.sent = sent
        #: that go their own way
        self.own: dict[int, New[M]] = {}
        #: whom the others follow, and their names
        self.following: dict[int, tuple[_Leader[M], str]] = {}
        self.leaders: list[_Leader[M]] = []
        #: how to store what is complete
        self.puts: dict[int, Put] = {}
        #: uids of those followers of which the observer wants to know
        self.watched: dict[int, str] = {}
        #: whether some are only tried
        self.tries = False
        self.results: list[Stored | ApiError | None] = [None] * len(sent)


class ManyCreator(Creator[M]):
    """Creates many objects of one kind. Holds no state of its own."""

    async def create_all(
        self, sent: Sequence[tuple[Context, bytes]], parse: Parse[M]
    ) -> Sequence[Stored | ApiError]:
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
            if new.result is None:
                batch.puts[index] = new.put
        await self._store_in_turns(batch)
        await self._confirm_all(batch)
        self._close_all(batch)
        assert all(result is not None for result in batch.results)
        return cast("Sequence[Stored | ApiError]", batch.results)

    async def _sort(self, batch: _Batch[M], parse: Parse[M], started: float) -> None:
        """Parse what goes its own way; find the leaders of the others."""
        #: by context (who asks, and how) and size
        known: dict[tuple[int, int], list[_Leader[M]]] = {}
        can_follow = bool(self._drafts.places) and self._world.admission.ignores_names
        for index, (ctx, data) in enumerate(batch.sent):
            if index % FAIR == FAIR - 1 and len(batch.own) > len(batch.following):
                await self._world.clock.sleep(0)
            batch.tries |= ctx.dry_run
            leaders: list[_Leader[M]] | None = None
            if can_follow and not ctx.dry_run:
                leaders = known.setdefault((id(ctx), len(data)), [])
                if leaders and self._follows(batch, leaders, index, data):
                    continue
            try:
                new = batch.own[index] = New(ctx, parse(data), started)
            except ApiError as error:
                batch.results[index] = error
            else:
                if leaders is not None and len(leaders) < _MAX_LEADERS:
                    leaders.append(_Leader(new, data))

    def _follows(self, batch: _Batch[M], leaders: Sequence[_Leader[M]], index: int, data: bytes) -> bool:
        """Say whether an object follows one of some; then it is noted there."""
        for leader in leaders:
            layout = leader.layout
            if layout is None:
                if not self._drafts.can_lead(leader.new.obj):
                    continue
                # Only now, as most that are the first of their size are the last, too.
                layout = leader.layout = self._drafts.layouts.of(leader.data, self._drafts.places)
                if layout is None:
                    continue
            texts = layout.texts(data)
            # Most are ASCII; of others it would have to be looked at whether they can be read.
            if texts is not None and b"".join(texts).isascii() and self._drafts.fits(texts[0].decode()):
                if not leader.followers:
                    batch.leaders.append(leader)
                name = texts[0].decode()
                leader.followers.append((index, name, texts))
                batch.following[index] = leader, name
                return True
        return False

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
        left: list[int] = []
        for leader in batch.leaders:
            like = await self._finished(leader)
            if like is None:
                left += [index for index, _, _ in leader.followers]
            else:
                await self._cast(batch, leader, like, left)
        for index in left:
            del batch.following[index]
        return sorted(left)

    async def _cast(self, batch: _Batch[M], leader: _Leader[M], like: Layout, left: list[int]) -> None:
        """Put the texts of followers into what their leader became."""
        new, puts, observer, fill = leader.new, batch.puts, self._observer, like.fill
        key, data, type_meta, _, ttl_seconds, _ = new.put
        base, size = key[: len(key) - len(new.meta.name)], len(new.meta.uid)
        known = Known(resource_of(self.kind).index_values(data), Alike())
        uids = self._new_uids(new.ctx, len(leader.followers), new.meta)
        for number, (index, name, texts) in enumerate(leader.followers):
            if number % _FAIR_FOLLOWERS == _FAIR_FOLLOWERS - 1:
                await self._world.clock.sleep(0)
            uid = uids[number]
            if len(uid) != size:
                left.append(index)
                continue
            if observer is not None and observer.wants(uid):
                batch.watched[index] = uid
            texts.insert(1, uid.encode())
            # Half of the price of `Put(...)`, which is a function around this.
            puts[index] = tuple.__new__(
                Put, (Key(base + name), fill(texts), type_meta, None, ttl_seconds, known)
            )

    async def _finished(self, leader: _Leader[M]) -> Layout | None:
        """Return what followers are cast in; None when the leader was refused, or what it costs is counted."""
        new, sent = leader.new, leader.layout
        assert sent is not None
        if new.result is not None or await self._world.admission.counts(new.attributes):
            return None
        found = self._drafts.layouts.of(new.put.data, (NAME, UID, *sent.places[1:]))
        texts = sent.texts(leader.data)
        if found is None or texts is None:
            return None
        texts.insert(1, new.meta.uid.encode())
        return found if found.texts(new.put.data) == texts else None

    async def _store_in_turns(self, batch: _Batch[M]) -> None:
        """Charge and store what was not refused, in turns: see `turns`. Most batches have one, in which nothing is counted."""
        places = [index for index, result in enumerate(batch.results) if result is None]
        counted = {
            index
            for index, new in batch.own.items()
            if new.result is None and await self._world.admission.counts(new.attributes)
        }
        if not counted and not batch.tries:
            await self._store_all(batch, places)
            return

        def item(index: int) -> Item:
            key = batch.puts[index].key
            taken = index in counted and self.storage.peek(key, Version(0)) is not None
            return Item(index, key, batch.sent[index][0].dry_run, index in counted, taken)

        for turn in turns_of(map(item, places)):
            own = {index: batch.own[index] for index in turn if index in batch.own}
            await self._charge_all(list(own.values()))
            for index, new in own.items():
                batch.results[index] = new.result
            await self._store_all(batch, [index for index in turn if batch.results[index] is None])

    async def _charge_all(self, batch: Sequence[New[M]]) -> None:
        """Take what the objects cost."""
        taken = await self._world.admission.charge_all([new.attributes for new in batch])
        for new, refund in zip(batch, taken, strict=True):
            if isinstance(refund, ApiError):
                new.result = refund
            else:
                new.refund = refund

    async def _store_all(self, batch: _Batch[M], turn: Sequence[int]) -> None:
        """Store a turn, in the order of the batch."""
        puts = batch.puts
        stored = [index for index in turn if not batch.sent[index][0].dry_run] if batch.tries else turn
        written = dict(zip(stored, await self._try([puts[index] for index in stored]), strict=True))
        for index in turn:
            result = written.get(index)
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
        own = batch.own.get(index)
        if own is not None:
            return own
        leader, put = batch.following[index][0].new, batch.puts[index]
        new = New(leader.ctx, self.kind.message.FromString(put.data), leader.started)
        new.put, meta = put, new.meta
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
        newest: dict[str, tuple[Version, int]] = {}
        stored: dict[str, list[int]] = {}
        for index, result in enumerate(batch.results):
            if not isinstance(result, Stored) or (batch.tries and batch.sent[index][0].dry_run):
                continue
            namespace, version = self._attributes(batch, index).namespace, result.version
            known = newest.get(namespace)
            if known is None:
                newest[namespace], stored[namespace] = (version, index), [index]
                continue
            stored[namespace].append(index)
            if version > known[0]:
                newest[namespace] = version, index
        for namespace, (version, last) in newest.items():
            try:
                await self._world.admission.confirm(self._attributes(batch, last), version)
            except (NotFound, Forbidden):
                for index in stored[namespace]:
                    await self._confirm_one(batch, index)
            except ApiError as error:
                for index in stored[namespace]:
                    batch.results[index] = error

    async def _confirm_one(self, batch: _Batch[M], index: int) -> None:
        stored = batch.results[index]
        assert isinstance(stored, Stored)
        try:
            await self._confirm(self._on_its_own(batch, index), stored)
        except ApiError as error:
            batch.results[index] = error

    def _attributes(self, batch: _Batch[M], index: int) -> Attributes:
        """Return what admission may know of an object, its texts aside."""
        own = batch.own.get(index)
        return (batch.following[index][0].new if own is None else own).attributes

    def _close_all(self, batch: _Batch[M]) -> None:
        """Tell who wants to know of what was stored."""
        for index, result in enumerate(batch.results):
            if not isinstance(result, Stored):
                continue
            own = batch.own.get(index)
            if own is not None:
                self._close(own)
                continue
            leader, name = batch.following[index]
            leader.warn(self.strategy, name)
            uid = batch.watched.get(index)
            if uid is not None and self._observer is not None:
                new = leader.new
                new.meta.name, new.meta.uid = name, uid
                self._observer.created(new.obj, started=new.started)
