"""Controller: the loop of every controller. An informer's change puts keys into a queue, workers call `sync`.

It is level-triggered: a change only says that `sync` must look at a key again. When a sync fails, the loop
tries it again with back-off; nothing else retries. The shape is that of client-go's workers and of
controller-runtime's `Reconcile(request)`. The cluster's own controllers use it (`controller/base.py`), and so
can yours (`docs/sdk.md`).
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from google.protobuf.message import Message

from vaina.cache.informer import Informer, InformerFactory
from vaina.cache.store import Lister
from vaina.client.events import EventRecorder
from vaina.clock import Clock
from vaina.errors import ApiError, Conflict
from vaina.metrics import QueueMetrics
from vaina.objects.meta import object_key
from vaina.workqueue import RateLimitingQueue, ShutDown

log = structlog.stdlib.get_logger(__name__)

M = TypeVar("M", bound=Message)

#: a sync that takes longer is cancelled and tried again: no call in it waits that long
SYNC_TIMEOUT_SECONDS = 120.0


@dataclass(slots=True)
class SyncRecord:
    """How many syncs a controller made, and what its last ones were."""

    syncs: int = 0
    errors: int = 0
    last_time: float = 0.0
    last_key: str = ""
    last_seconds: float = 0.0
    last_error: str = ""
    last_error_time: float = 0.0


@dataclass(slots=True)
class Tools:
    """The arguments that every controller gets."""

    clock: Clock
    metrics: QueueMetrics | None = None
    #: the number of keys of one controller that are synced at the same time
    workers: int = 4


class Controller(ABC):
    """One controller, owned by the task of `run`. Subclasses set `name`, call `watch` and define `sync`."""

    #: its name in configuration, metrics and logs
    name = ""

    def __init__(self, tools: Tools, informers: Sequence[Informer[Any]] = ()) -> None:
        """Make a controller. It waits for these informers and for those given to `watch`."""
        self.clock = tools.clock
        self.queue = RateLimitingQueue(self.name, tools.clock, metrics=tools.metrics)
        self.informers = [*informers]
        self.record = SyncRecord()
        self._workers = tools.workers

    @abstractmethod
    async def sync(self, key: str) -> float | None:
        """Make the objects of one key what they should be. Raises ApiError.

        Returns the seconds after which to sync the key again; None: when something changes.
        """

    def watch(
        self, informer: Informer[M], key_of: Callable[[M], str | Iterable[str] | None] = object_key
    ) -> Lister[M]:
        """Queue the keys that `key_of` gives for the old and the new state of each changed object.

        Returns the lister of the informer's cache.
        """

        def look(*states: M) -> None:
            for obj in states:
                keys = key_of(obj)
                for key in (keys,) if isinstance(keys, str) else keys or ():
                    self.queue.add(key)

        if informer not in self.informers:
            self.informers.append(informer)
        # A handler for each object: when `key_of` fails for one, the others are still told (decision 051).
        informer.add_handler(on_add=look, on_update=look, on_delete=look)
        return informer.lister

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        return ()

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self.informers)

    async def run(self) -> None:
        """Work until cancelled. No key is synced before all caches have been filled."""
        for informer in self.informers:
            await informer.wait_synced()
        log.info("controller started", controller=self.name, workers=self._workers)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run(), name=f"{self.name}-delays")
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self.name}-{number}")
            for coroutine in self.background():
                group.create_task(coroutine, name=f"{self.name}-background")

    async def _work(self) -> None:
        with contextlib.suppress(ShutDown):
            while True:
                key = await self.queue.get()
                try:
                    await self._sync_once(key)
                finally:
                    self.queue.done(key)

    async def _sync_once(self, key: str) -> None:
        record, start = self.record, self.clock.monotonic()
        record.syncs += 1
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_SECONDS):
                again = await self.sync(key)
        except Conflict as error:
            # Another writer was faster: nothing is wrong, try again soon.
            log.debug("sync met a conflict", controller=self.name, key=key, error=error.message)
            self.queue.add_rate_limited(key)
        except (ApiError, TimeoutError) as error:
            self._failed(key, str(error) or type(error).__name__)
            # TooManyRequests says after how many seconds the server may be called again.
            at_least = error.retry_seconds if isinstance(error, ApiError) else 0.0
            delay = self.queue.add_rate_limited(key, at_least=at_least)
            log.warning(
                "sync failed", controller=self.name, key=key, error=record.last_error, retry_seconds=delay
            )
        except Exception as error:
            # A bug that shows with one key must not stop the others.
            self._failed(key, f"{type(error).__name__}: {error}")
            delay = self.queue.add_rate_limited(key)
            log.exception("sync has a bug", controller=self.name, key=key, retry_seconds=delay)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)
        record.last_time, record.last_key = self.clock.now(), key
        record.last_seconds = self.clock.monotonic() - start

    def _failed(self, key: str, text: str) -> None:
        self.record.errors += 1
        self.record.last_error = f"{key}: {text}"[:500]
        self.record.last_error_time = self.clock.now()


async def run_controllers(
    factory: InformerFactory, controllers: Sequence[Controller], recorders: Sequence[EventRecorder] = ()
) -> None:
    """Run informers, controllers and the recorders of their Events until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(factory.run(), name="informers")
        for recorder in recorders:
            group.create_task(recorder.run(), name="events")
        for controller in controllers:
            group.create_task(controller.run(), name=controller.name)
