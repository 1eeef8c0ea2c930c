"""Informers: each keeps a local copy of one list of objects, and calls handlers when it changes.

Handlers are plain functions. The informer's task calls them after a whole batch is in the store; they put
keys into queues and return. There is no queue between store and handlers that could overflow. When a handler
raises, it has a bug: the informer logs and counts the exception, and calls the other handlers all the same;
a function given to `add_handler` also gets the other objects of the batch. With a detector the informer
raises the exception.

A list that replaces the copy (the first one, or the one after Expired) is in the store as a whole before
handlers get its changes, 1,000 at a time: deletions first, with the last known state of each object. Handlers
do not get objects that have not changed.
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

#: changes that a handler gets in one call
MAX_CHANGES: Final = 1000

BatchHandler = Callable[[Sequence[Change[M]]], None]


class CacheMutated(AssertionError):
    """A caller changed an object that it got from a lister or in a handler."""


class MutationDetector:
    """Finds writes to shared objects: it remembers the bytes of each object that went into a cache.

    It is on in every test, and off in production, because it keeps a copy of every object.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Message, bytes]] = {}

    def remember(self, obj: Message) -> None:
        """Remember an object's present state; a reference keeps it alive, so that its id stays unique."""
        self._seen[id(obj)] = (obj, obj.SerializeToString(deterministic=True))

    def check(self) -> None:
        """Raise CacheMutated for the first object that has changed."""
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
        ends_when_refused: bool = False,
    ) -> None:
        """Make an informer of the selected objects (without selectors: of all).

        An indexer returns the values under which its index has an object; `packed` objects are kept as bytes;
        `detector` is for tests; `ends_when_refused`: `run` raises when the objects may not be read.
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
        #: how often a handler raised
        self.handler_failures = 0
        self._reflector = Reflector(
            client, clock, self._on_change, namespace=namespace, label_selector=label_selector,
            field_selector=field_selector, rng=rng, new_objects=new_objects, ends_when_refused=ends_when_refused,
        )  # fmt: skip
        self.lister: Lister[M] = Lister(self._store)

    def add_indexer(self, name: str, indexer: Callable[[M], Iterable[str]]) -> None:
        """Add an index. Raises ValueError when the name is taken."""
        self._store.add_indexer(name, indexer)

    def ensure_indexer(self, name: str, indexer: Callable[[M], Iterable[str]]) -> None:
        """Add an index unless the name is taken: several users of one informer may want the same index."""
        if not self._store.has_indexer(name):
            self._store.add_indexer(name, indexer)

    def add_batch_handler(self, handler: BatchHandler[M]) -> None:
        """Call `handler` with each batch of (old, new), and at once with the objects that are there."""
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
        """Call a function for each change, and `on_add` at once for each object that is there."""

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
                # One guard for many changes, because it costs more than most handlers; after an exception
                # the loop goes on with the next change.
                with self._isolated():
                    for old, new in left:
                        tell(old, new)
                    done = True

        self.add_batch_handler(handler)

    async def run(self) -> None:
        """Follow the apiserver until cancelled. Raises Forbidden, Unauthorized: where it ends when refused."""
        await self._reflector.run()

    async def wait_synced(self) -> None:
        """Wait until the first list is in the store and handlers got it."""
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
        except Exception:  # a handler's bug must not affect the other handlers (decision 051)
            log.exception("a handler of an informer has a bug", kind=self.kind.kind)
            self.handler_failures += 1
            if self._detector is not None:
                # Tests must fail by the bug.
                raise


def _namespace(obj: Message) -> Iterable[str]:
    return (metadata(obj).namespace,)


class InformerFactory:
    """Makes informers and runs them, one for each kind and selection. Make all of them before `run`."""

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
