"""Informers: a local copy of one list of objects, and those who are told when it changes.

Handlers are plain functions on the informer's task, called after a whole batch is in the store: they put keys
into queues and return. There is no queue between store and handlers, so none to overflow. A handler that
raises has a bug: it is logged and counted, and neither the other handlers nor, with `add_handler`, the other
objects of the batch hear less for it. With a detector it is raised.

A list that replaces what was known (the first one, or the one after Expired) is told once all of it is in the
store, 1,000 changes at a time: deletions first, with the last state that was seen of each object; what has not
changed is not told.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import structlog
from google.protobuf.message import Message

from vaina.cache.list_watch import Apply, Replace
from vaina.cache.reflector import Reflector
from vaina.cache.store import NAMESPACE_INDEX, Change, Lister, Packed, Store
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.clock import Clock
from vaina.kinds import Kind
from vaina.objects.meta import metadata

log = structlog.stdlib.get_logger(__name__)

M = TypeVar("M", bound=Message)

#: changes that handlers are told of at once
MAX_CHANGES: Final = 1000

BatchHandler = Callable[[Sequence[Change[M]]], None]


class CacheMutated(AssertionError):
    """Somebody changed an object that a lister or a handler gave out."""


class MutationDetector:
    """Finds writes to shared objects: it remembers the bytes of each object that went into a cache.

    On in every test, off in production, because it keeps a copy of everything.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Message, bytes]] = {}

    def remember(self, obj: Message) -> None:
        """Take note of an object as it is now; it is kept alive, so that its identity stays its own."""
        self._seen[id(obj)] = (obj, obj.SerializeToString(deterministic=True))

    def check(self) -> None:
        """Raise CacheMutated for the first object that is not what it was."""
        for obj, data in self._seen.values():
            if obj.SerializeToString(deterministic=True) != data:
                was = type(obj).FromString(data)
                raise CacheMutated(f"an object of a cache was changed in place\nwas: {was}\nis: {obj}")


class Informer(Generic[M]):
    """One list of objects, kept up to date by `run`. Handlers and indexers may be added at any time."""

    def __init__(  # noqa: PLR0913 - selection and tools, all by keyword
        self,
        client: ResourceClient[M],
        clock: Clock,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Callable[[M], Iterable[str]]] | None = None,
        packed: bool = False,
        detector: MutationDetector | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Make an informer of the objects that are selected (empty: of all).

        An indexer returns the values under which its index has an object; `packed` objects are kept as bytes;
        `detector` is for tests.
        """
        self.kind = client.kind
        new_objects: Callable[[], MutableMapping[str, M]] = dict
        if packed:
            new_objects = partial(Packed, client.kind.message.FromString)
        self._store: Store[M] = Store(indexers, new_objects())
        if client.kind.namespaced:
            self._store.add_indexer(NAMESPACE_INDEX, _namespace, by_key=True)
        self._detector = detector
        self._handlers: list[BatchHandler[M]] = []
        self._synced = asyncio.Event()
        #: times that a handler raised
        self.handler_failures = 0
        self._reflector = Reflector(
            client, clock, self._on_change, namespace=namespace, label_selector=label_selector,
            field_selector=field_selector, rng=rng, new_objects=new_objects,
        )  # fmt: skip
        self.lister: Lister[M] = Lister(self._store)

    def add_indexer(self, name: str, indexer: Callable[[M], Iterable[str]]) -> None:
        """Add an index. Raises ValueError when there is one of the name."""
        self._store.add_indexer(name, indexer)

    def ensure_indexer(self, name: str, indexer: Callable[[M], Iterable[str]]) -> None:
        """Add an index unless there is one of the name: several users of one informer may want the same."""
        if not self._store.has_indexer(name):
            self._store.add_indexer(name, indexer)

    def add_batch_handler(self, handler: BatchHandler[M]) -> None:
        """Be told of changes as whole batches of (old, new). What is there already comes as a batch at once."""
        self._handlers.append(handler)
        if self._store.objects:
            handler([(None, obj) for obj in self._store.objects.values()])

    def add_handler(
        self,
        *,
        on_add: Callable[[M], None] | None = None,
        on_update: Callable[[M, M], None] | None = None,
        on_delete: Callable[[M], None] | None = None,
    ) -> None:
        """Be told of each change. What is there already comes as additions at once."""

        def tell(old: M | None, new: M | None) -> None:
            if old is None:
                if on_add is not None and new is not None:
                    on_add(new)
            elif new is None:
                if on_delete is not None:
                    on_delete(old)
            elif on_update is not None:
                on_update(old, new)

        def handler(changes: Sequence[Change[M]]) -> None:
            left, done = iter(changes), False
            while not done:
                # One guard for all: it costs more than most handlers. After a bug the next change follows.
                with self._isolated():
                    for old, new in left:
                        tell(old, new)
                    done = True

        self.add_batch_handler(handler)

    async def run(self) -> None:
        """Follow the apiserver until cancelled."""
        await self._reflector.run()

    async def wait_synced(self) -> None:
        """Return when the first list is in the store and handlers know of it."""
        await self._synced.wait()

    @property
    def synced(self) -> bool:
        """Whether there has been a first list."""
        return self._synced.is_set()

    @property
    def resource_version(self) -> int:
        """Everything up to this version is in the store."""
        return self._reflector.machine.version

    def _on_change(self, what: Replace[M] | Apply[M]) -> None:
        changes: Iterable[Change[M]]
        changes = self._store.replace(what) if isinstance(what, Replace) else self._store.apply(what)
        left = iter(changes)
        while batch := [*islice(left, MAX_CHANGES)]:
            if self._detector is not None:
                for _, new in batch:
                    if new is not None:
                        self._detector.remember(new)
            for handler in self._handlers:
                with self._isolated():
                    handler(batch)
        self._synced.set()

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        try:
            yield
        except Exception:  # somebody else's code: it must cost the other handlers nothing (decision 051)
            log.exception("a handler of an informer has a bug", kind=self.kind.kind)
            self.handler_failures += 1
            if self._detector is not None:
                # In tests a bug is to be seen.
                raise


def _namespace(obj: Message) -> Iterable[str]:
    return (metadata(obj).namespace,)


class InformerFactory:
    """Makes informers and runs them: one for each kind and selection. Ask for all of them before `run`."""

    def __init__(
        self,
        clientset: Clientset,
        clock: Clock,
        *,
        detector: MutationDetector | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.clientset, self.clock, self._detector, self._rng = clientset, clock, detector, rng
        self._informers: dict[tuple[str, str, str, str], Informer[Any]] = {}

    def informer(
        self, kind: Kind[M], *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Informer[M]:
        """Return the informer of a kind and selection, the same one every time."""
        key = (kind.service, namespace, label_selector, field_selector)
        if key not in self._informers:
            self._informers[key] = Informer(
                self.clientset.kind(kind), self.clock, namespace=namespace, label_selector=label_selector,
                field_selector=field_selector, detector=self._detector, rng=self._rng,
            )  # fmt: skip
        return self._informers[key]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")

    async def wait_synced(self) -> None:
        for informer in [*self._informers.values()]:
            await informer.wait_synced()

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._informers.values())
