"""EventRecorder: Events about objects, for people (`vaina describe`, `vaina get events`).

Never blocks and never fails its caller: `event` returns at once, `run` sends. The same thing said again within ten minutes is
one Event with a count (client-go's correlator, without its similar-events grouping). Bounded everywhere: what is too much is
dropped and counted.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import structlog

from vaina.api.core.v1 import event_pb2, reference_pb2
from vaina.client.resource import ResourceClient
from vaina.clock import Clock, timestamp
from vaina.errors import AlreadyExists, ApiError, NotFound
from vaina.kinds import KINDS

log = structlog.stdlib.get_logger(__name__)

#: Events that wait to be sent; further ones are dropped
MAX_WAITING = 1000
#: Events remembered, so that repetition counts instead of adding up
MAX_REMEMBERED = 4096
#: the same thing after this time is a new Event
FORGET_SECONDS = 600.0
#: Events in one call
MAX_BATCH = 100
#: what comes within this time travels together
GATHER_SECONDS = 0.1
#: Kubernetes' limit of a note
MAX_MESSAGE = 1024

NORMAL, WARNING = "Normal", "Warning"


@dataclass(slots=True)
class _Known:
    event: event_pb2.Event
    #: as stored; None before it was sent
    stored: event_pb2.Event | None = None
    last: float = 0.0


class EventRecorder:
    """Collects Events; `run` sends them. All users are on one event loop."""

    def __init__(
        self, client: ResourceClient[event_pb2.Event], component: str, instance: str, clock: Clock
    ) -> None:
        self._client, self._component, self._instance, self._clock = client, component, instance, clock
        #: by what is said about what, least recently said first
        self._known: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
        #: keys that wait to be sent, in order
        self._waiting: dict[tuple[str, ...], None] = {}
        self._wake = asyncio.Event()
        #: of the names given, in nanoseconds; two Events of one moment differ
        self._last_stamp = 0
        #: Events that were never sent
        self.dropped = 0

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Say something about an object.

        Args:
            obj: a message with metadata, or an ObjectReference.
            type: Normal or Warning.
            reason: one word in CamelCase, as upstream has it.
            message: a sentence.
            field_path: a part of the object: spec.containers{app}.
        """
        about = reference(obj)
        if field_path:
            about.field_path = field_path
        now = self._clock.now()
        message = message[:MAX_MESSAGE]
        key = (about.kind, about.namespace, about.name, about.uid, about.field_path, type, reason, message)
        known = self._known.get(key)
        if known is None or now - known.last > FORGET_SECONDS:
            if len(self._waiting) >= MAX_WAITING:
                self.dropped += 1
                return
            known = self._known[key] = _Known(self._new(about, type, reason, message, now))
            if len(self._known) > MAX_REMEMBERED:
                old, _ = self._known.popitem(last=False)
                if self._waiting.pop(old, 0) is None:
                    self.dropped += 1
        else:
            known.event.count += 1
            known.event.last_timestamp.CopyFrom(timestamp(now))
        known.last = now
        self._known.move_to_end(key)
        self._waiting[key] = None
        self._wake.set()

    async def run(self) -> None:
        """Send Events until cancelled."""
        while True:
            await self._wake.wait()
            await self._clock.sleep(GATHER_SECONDS)
            self._wake.clear()
            while self._waiting:
                keys = [*self._waiting][:MAX_BATCH]
                for key in keys:
                    del self._waiting[key]
                known = [self._known[key] for key in keys if key in self._known]
                await self._create([item for item in known if item.stored is None])
                for item in known:
                    if item.stored is not None and item.stored.count != item.event.count:
                        await self._count_up(item)

    async def _create(self, items: list[_Known]) -> None:
        if not items:
            return
        try:
            results = await self._client.create_batch([item.event for item in items])
        except ApiError as error:
            log.debug("events not sent", events=len(items), error=error.message)
            self.dropped += len(items)
            return
        for item, result in zip(items, results, strict=False):
            if isinstance(result, AlreadyExists):
                # An earlier call of ours whose answer was lost; its count is not known, and is brought up to date next.
                item.stored = event_pb2.Event(metadata=item.event.metadata)
            elif isinstance(result, ApiError):
                log.debug("event refused", reason=item.event.reason, error=result.message)
                self.dropped += 1
            else:
                item.stored = result

    async def _count_up(self, item: _Known) -> None:
        assert item.stored is not None
        changed = event_pb2.Event()
        changed.CopyFrom(item.event)
        # Whoever else wrote meanwhile, the newest count is what matters: no version, so no conflict.
        changed.metadata.resource_version = ""
        changed.metadata.uid = item.stored.metadata.uid
        try:
            item.stored = await self._client.update(changed)
        except NotFound:
            # Expired after an hour, or deleted: say it anew.
            item.event.count = 1
            item.stored = None
            await self._create([item])
        except ApiError as error:
            log.debug("event not counted", reason=item.event.reason, error=error.message)
            self.dropped += 1

    def _new(
        self, about: reference_pb2.ObjectReference, type: str, reason: str, message: str, now: float
    ) -> event_pb2.Event:
        event = event_pb2.Event(
            involved_object=about, reason=reason, message=message, type=type, count=1,
            source=event_pb2.EventSource(component=self._component, host=self._instance),
            reporting_component=self._component, reporting_instance=self._instance,
            first_timestamp=timestamp(now), last_timestamp=timestamp(now),
        )  # fmt: skip
        event.metadata.namespace = about.namespace or "default"
        # client-go's names: the object's, and the time in nanoseconds as hexadecimal.
        event.metadata.name = f"{about.name[:200]}.{self._sequence(now):x}"
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
    kind = _KIND_OF.get(obj.DESCRIPTOR.full_name)
    meta = obj.metadata
    return reference_pb2.ObjectReference(
        kind=kind.kind if kind else obj.DESCRIPTOR.name, api_version=kind.api_version if kind else "v1",
        namespace=meta.namespace, name=meta.name, uid=meta.uid, resource_version=meta.resource_version,
    )  # fmt: skip


_KIND_OF = {kind.message.DESCRIPTOR.full_name: kind for kind in KINDS}
