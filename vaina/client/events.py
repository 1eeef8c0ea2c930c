"""EventRecorder: Events about objects, for people (`vaina describe`, `vaina get events`).

Never blocks and never fails its caller: `event` returns at once, `run` sends, new ones in batches. What is said too often is
counted, combined or held back at the source (`vaina.client.event_correlator`). An apiserver that is away is tried again; what it
refuses is dropped, as by client-go's `recordToSink`. Bounded everywhere: what is too much is dropped and counted.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import structlog

from vaina.api.core.v1 import event_pb2, reference_pb2
from vaina.backoff import Backoff
from vaina.client.event_correlator import MAX_REMEMBERED, Correlated, EventCorrelator, Key, Said
from vaina.client.resource import ResourceClient
from vaina.clock import Clock, timestamp
from vaina.errors import AlreadyExists, ApiError, NotFound, Timeout, TooManyRequests, Unavailable
from vaina.kinds import KINDS

log = structlog.stdlib.get_logger(__name__)

#: Events that wait to be sent; further ones are dropped
MAX_WAITING = 4000
#: Events in one call
MAX_BATCH = 250
#: what comes within this time travels together
GATHER_SECONDS = 0.1
#: Kubernetes' limit of a note
MAX_MESSAGE = 1024
#: calls in a row that are not answered before what they carried is dropped (client-go's maxTriesPerEvent)
MAX_TRIES = 12
BACKOFF = Backoff(base_seconds=0.5, cap_seconds=10.0)

NORMAL, WARNING = "Normal", "Warning"

#: answers, to a call or to one Event of it, after which it is tried again
_AWAY = (Unavailable, Timeout, TooManyRequests)


@dataclass(slots=True)
class _Known:
    event: event_pb2.Event
    #: as stored; None before it was sent
    stored: event_pb2.Event | None = None
    tries: int = 0


class EventRecorder:
    """Collects Events; `run` sends them. All users are on one event loop."""

    def __init__(
        self, client: ResourceClient[event_pb2.Event], component: str, instance: str, clock: Clock
    ) -> None:
        self._client, self._clock = client, clock
        self._correlator = EventCorrelator()
        #: by what is said about what, least recently said first
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        #: keys that wait to be sent, in order
        self._waiting: dict[Key, None] = {}
        self._wake = asyncio.Event()
        #: what all our Events have in common
        self._blank = event_pb2.Event(
            source=event_pb2.EventSource(component=component, host=instance),
            reporting_component=component, reporting_instance=instance,
        )  # fmt: skip
        #: of the names given, in nanoseconds; two Events of one moment differ
        self._last_stamp = 0
        #: Events that were never sent, or not sent to the last count
        self.dropped = 0

    def event(
        self,
        obj: Any,
        type: str,
        reason: str,
        message: str,
        *,
        field_path: str = "",
        action: str = "",
        related: Any = None,
    ) -> None:
        """Say something about an object.

        Args:
            obj: a message with metadata, or an ObjectReference.
            type: Normal or Warning.
            reason: one word in CamelCase, as upstream has it.
            message: a sentence.
            field_path: a part of the object: spec.containers{app}.
            action: what was done, as upstream has it.
            related: a second object that it is about.
        """
        about = reference(obj)
        if field_path:
            about.field_path = field_path
        now = self._clock.now()
        who = about.uid or f"{about.api_version}/{about.kind}/{about.namespace}/{about.name}"
        said = Said(who, about.field_path, type, reason, message[:MAX_MESSAGE])
        correlated = self._correlator.correlate(said, now=now)
        if not correlated.send:
            self.dropped += 1
            return
        known = self._known.get(correlated.key)
        if known is None:
            if len(self._waiting) >= MAX_WAITING:
                self.dropped += 1
                return
            known = self._known[correlated.key] = _Known(self._new(about, said, correlated, now))
            known.event.action = action
            if related is not None:
                known.event.related.CopyFrom(reference(related))
            if len(self._known) > MAX_REMEMBERED:
                old, _ = self._known.popitem(last=False)
                if self._waiting.pop(old, 0) is None:
                    self.dropped += 1
        else:
            known.event.count, known.event.message = correlated.times, correlated.message[:MAX_MESSAGE]
            known.event.last_timestamp.CopyFrom(timestamp(now))
            known.tries = 0
            self._known.move_to_end(correlated.key)
        self._waiting[correlated.key] = None
        self._wake.set()

    async def run(self) -> None:
        """Send Events until cancelled."""
        failures = 0
        while True:
            await self._wake.wait()
            await self._clock.sleep(GATHER_SECONDS)
            self._wake.clear()
            while self._waiting:
                keys = [*self._waiting][:MAX_BATCH]
                for key in keys:
                    del self._waiting[key]
                # What waits and is forgotten is counted as dropped when it is forgotten.
                known = {key: self._known[key] for key in keys if key in self._known}
                away = await self._send(known)
                failures = 0 if away is None else failures + 1
                if away is not None:
                    await self._clock.sleep(max(BACKOFF.delay(failures - 1), away.retry_seconds))

    async def _send(self, known: dict[Key, _Known]) -> ApiError | None:
        """Send a batch; returns the error when the server is away, and what is left waits again."""
        left = dict(known)
        try:
            await self._create({key: item for key, item in known.items() if item.stored is None}, left)
            for key, item in known.items():
                if item.stored is not None and item.stored.count != item.event.count:
                    await self._count_up(key, item, left)
                else:
                    left.pop(key, None)
        except _AWAY as error:
            log.debug("events not sent", events=len(left), error=error.message)
            self._again(left)
            return error
        return None

    def _again(self, left: dict[Key, _Known]) -> None:
        waiting, self._waiting = self._waiting, {}
        for key, item in left.items():
            item.tries += 1
            if item.tries < MAX_TRIES and key in self._known:
                self._waiting[key] = None
            else:
                self.dropped += 1
        # In the old order; those that came meanwhile are behind.
        self._waiting |= waiting

    async def _create(self, items: dict[Key, _Known], left: dict[Key, _Known]) -> None:
        """Create Events. Raises Unavailable, Timeout or TooManyRequests when some are to be tried again."""
        if not items:
            return
        try:
            results = await self._client.create_batch([item.event for item in items.values()])
        except _AWAY:
            raise
        except ApiError as error:
            log.debug("events refused", events=len(items), error=error.message)
            self.dropped += len(items)
            for key in items:
                self._forget(key, left)
            return
        away: ApiError | None = None
        for (key, item), result in zip(items.items(), results, strict=False):
            if isinstance(result, AlreadyExists):
                # An earlier call of ours whose answer was lost; its count is not known, and is brought up to date next.
                item.stored = event_pb2.Event(metadata=item.event.metadata)
            elif isinstance(result, _AWAY):
                away = result
            elif isinstance(result, ApiError):
                log.debug("event refused", reason=item.event.reason, error=result.message)
                self.dropped += 1
                self._forget(key, left)
            else:
                item.stored = result
        if away is not None:
            raise away

    def _forget(self, key: Key, left: dict[Key, _Known]) -> None:
        """Said again it is tried again, under a new name."""
        left.pop(key, None)
        self._known.pop(key, None)

    async def _count_up(self, key: Key, item: _Known, left: dict[Key, _Known]) -> None:
        assert item.stored is not None
        changed = event_pb2.Event()
        changed.CopyFrom(item.event)
        # Whoever else wrote meanwhile, the newest count is what matters: no version, so no conflict.
        changed.metadata.resource_version = ""
        changed.metadata.uid = item.stored.metadata.uid
        try:
            item.stored = await self._client.update(changed)
        except NotFound:
            # Expired after an hour, or deleted: made again, with its count, as client-go does.
            item.stored = None
            await self._create({key: item}, left)
        except _AWAY:
            raise
        except ApiError as error:
            log.debug("event not counted", reason=item.event.reason, error=error.message)
            self.dropped += 1
        left.pop(key, None)

    def _new(
        self, about: reference_pb2.ObjectReference, said: Said, correlated: Correlated, now: float
    ) -> event_pb2.Event:
        # Field by field: messages built of messages, by keyword, cost three times as much, and each bound Pod has an Event.
        event = event_pb2.Event()
        event.CopyFrom(self._blank)
        event.involved_object.CopyFrom(about)
        event.reason, event.type, event.count = said.reason, said.type, correlated.times
        event.message = correlated.message[:MAX_MESSAGE]
        event.first_timestamp.seconds = int(correlated.first // 1)
        event.last_timestamp.seconds = int(now // 1)
        meta = event.metadata
        meta.namespace = about.namespace or "default"
        # client-go's names: the object's, and the time in nanoseconds as hexadecimal.
        meta.name = f"{about.name[:200]}.{self._sequence(now):x}"
        return event

    def _sequence(self, now: float) -> int:
        self._last_stamp = max(self._last_stamp + 1, int(now * 1e9))
        return self._last_stamp


def reference(obj: Any) -> reference_pb2.ObjectReference:
    """Return a reference to an object of any kind (or a copy of a reference)."""
    if isinstance(obj, reference_pb2.ObjectReference):
        copy = reference_pb2.ObjectReference()
        copy.CopyFrom(obj)
        return copy
    meta, about = obj.metadata, reference_pb2.ObjectReference()
    about.kind, about.api_version = _KIND_OF.get(obj.DESCRIPTOR.full_name) or (obj.DESCRIPTOR.name, "v1")
    about.namespace, about.name, about.uid = meta.namespace, meta.name, meta.uid
    about.resource_version = meta.resource_version
    return about


_KIND_OF = {kind.message.DESCRIPTOR.full_name: (kind.kind, kind.api_version) for kind in KINDS}
