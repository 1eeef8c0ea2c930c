"""Controller: informers -> key -> queue -> sync(key). The only loop; every controller is this with its own `sync`.

Level-triggered: an event says "look again", never what to do. A sync that fails is tried again with back-off, in this one
place (style.md 16); what a sync decides is pure and stands in the controller's `reconcile.py`.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from vaina.api.controller.v1 import controller_service_pb2
from vaina.cache.informer import Informer
from vaina.clock import Clock, timestamp
from vaina.errors import ApiError, Conflict
from vaina.workqueue import RateLimitingQueue, ShutDown
from vaina.workqueue.rate_limiting import QueueMetrics

log = structlog.stdlib.get_logger(__name__)

#: a sync that takes longer is given up and tried again: no call inside waits that long
SYNC_TIMEOUT_SECONDS = 120.0


@dataclass(slots=True)
class SyncRecord:
    """What a controller has been doing; ListControllers shows it."""

    syncs: int = 0
    errors: int = 0
    last_time: float = 0.0
    last_key: str = ""
    last_seconds: float = 0.0
    last_error: str = ""
    last_error_time: float = 0.0


@dataclass(slots=True)
class Tools:
    """What every controller is made with."""

    clock: Clock
    metrics: QueueMetrics | None = None
    #: tasks that work on keys of one controller at the same time
    workers: int = 4


class Controller(ABC):
    """One controller. Subclasses say `name`, register handlers on informers, and define `sync`."""

    #: as it is called in configuration, metrics and ListControllers
    name = ""

    def __init__(self, tools: Tools, informers: Sequence[Informer[Any]]) -> None:
        self.clock = tools.clock
        self.queue = RateLimitingQueue(self.name, tools.clock, metrics=tools.metrics)
        self.informers = tuple(informers)
        self.record = SyncRecord()
        self._workers = tools.workers

    @abstractmethod
    async def sync(self, key: str) -> float | None:
        """Make the world of one key what it should be; returns seconds after which to look again, None for "on a change".

        Raises ApiError for what should be tried again with back-off.
        """

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what runs beside the workers, once the caches are filled."""
        return ()

    @property
    def synced(self) -> bool:
        """Whether its caches have been filled."""
        return all(informer.synced for informer in self.informers)

    async def run(self) -> None:
        """Work until cancelled. Nothing is decided before the caches are filled."""
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
            # Somebody else was faster: look again soon, nothing is wrong.
            log.debug("sync met a conflict", controller=self.name, key=key, error=error.message)
            self.queue.add_rate_limited(key)
        except (ApiError, TimeoutError) as error:
            self._failed(key, str(error) or type(error).__name__)
            delay = self.queue.add_rate_limited(key)
            log.warning(
                "sync failed", controller=self.name, key=key, error=record.last_error, retry_seconds=delay
            )
        except Exception as error:
            # A bug that one key brings out must not stop the others.
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

    def state(self) -> controller_service_pb2.ControllerState:
        """Return what the controller is doing."""
        record = self.record
        state = controller_service_pb2.ControllerState(
            name=self.name, queue_depth=len(self.queue), in_flight=self.queue.in_flight, syncs=record.syncs,
            errors=record.errors, last_sync_key=record.last_key, last_sync_seconds=record.last_seconds,
            last_error=record.last_error, synced=self.synced,
        )  # fmt: skip
        if record.last_time:
            state.last_sync_time.CopyFrom(timestamp(record.last_time))
        if record.last_error_time:
            state.last_error_time.CopyFrom(timestamp(record.last_error_time))
        return state
