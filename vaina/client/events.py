"""EventRecorder: Events about objects, for people (`vaina describe`, `vaina get events`).

`event` puts an Event into a queue and returns: it never blocks its caller and never fails. `run` sends the
Events, new ones in batches. `vaina.client.event_correlator` counts, combines or holds back those that repeat.
The recorder tries again while the apiserver is away, and drops what the apiserver refuses, as client-go's
`recordToSink` does.

The recorder writes at a limited rate beyond a burst, so that Events do not slow down the work that they are
about. It drops and counts what does not fit its queue. client-go's broadcaster queues 1,000 Events, writes
one at a time, and drops what does not fit (tools/record/event.go: `maxQueuedEvents`, `DropIfChannelFull`);
ours keeps more, so that 10,000 Pods at once lose none (decision 170).
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from vaina.api.core.v1 import event_pb2, reference_pb2
from vaina.backoff import Backoff
from vaina.client.event_correlator import MAX_REMEMBERED, Correlated, EventCorrelator, Key, Said
from vaina.client.resource import ResourceClient
from vaina.clock import Clock
from vaina.errors import AlreadyExists, ApiError, NotFound, Timeout, TooManyRequests, Unavailable
from vaina.kinds import KINDS
from vaina.metrics import EVENTS_DROPPED, EVENTS_WAITING

log = structlog.stdlib.get_logger(__name__)

#: Events that wait to be written; the recorder drops more
MAX_WAITING = 16_000
#: Events that one recorder writes a second, and how many more at once after a quiet time
RATE_PER_SECOND = 1000.0
BURST = 500
#: Events in one call: as many as a transaction of etcd takes. A call keeps the apiserver busy for some
#: milliseconds, and bindings wait meanwhile
MAX_BATCH = 125
#: Events that are correlated in one pass: most are never sent, and other tasks share the event loop
MAX_HEARD = 1000
#: Events that come within this time share a call
GATHER_SECONDS = 0.1
#: Kubernetes' limit of a note
MAX_MESSAGE = 1024
#: an Event is dropped after this many unanswered calls (client-go's maxTriesPerEvent)
MAX_TRIES = 12
BACKOFF = Backoff(base_seconds=0.5, cap_seconds=10.0)

NORMAL, WARNING = "Normal", "Warning"

#: errors of a call, or of one Event in it, after which the recorder tries again
_AWAY = (Unavailable, Timeout, TooManyRequests)


class _About(NamedTuple):
    """A reference to an object. A tuple costs a third of a message, and each bound Pod has an Event."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    field_path: str


class _Heard(NamedTuple):
    about: _About
    type: str
    reason: str
    message: str
    action: str
    related: reference_pb2.ObjectReference | None
    #: seconds since the epoch
    at: float


@dataclass(slots=True)
class _Known:
    """One Event: its wanted state, and what of it is stored."""

    heard: _Heard
    correlated: Correlated
    name: str
    #: as stored; None before it was sent
    uid: str | None = None
    count: int = 0
    tries: int = 0


class EventRecorder:
    """Collects Events; `run` sends them. All users are on one event loop."""

    def __init__(
        self,
        client: ResourceClient[event_pb2.Event],
        component: str,
        instance: str,
        clock: Clock,
        *,
        rate: float = RATE_PER_SECOND,
        burst: int = BURST,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Make a recorder; `component` on the host `instance` is the source of its Events.

        It writes `rate` Events a second, and `burst` more after a quiet time. It drops an Event that comes
        while `max_waiting` Events wait.
        """
        self._client, self._clock, self.component = client, clock, component
        self._correlator = EventCorrelator()
        self._rate, self._burst, self._max_waiting = rate, float(burst), max_waiting
        self._tokens, self._refilled = self._burst, clock.monotonic()
        #: not correlated yet. They hold references, not objects: thousands wait, and an object may be large
        self._heard: deque[_Heard] = deque()
        #: Events to be sent next, in order
        self._pending: dict[Key, _Known] = {}
        #: Events that were sent; the one that was repeated least recently is the first
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._wake = asyncio.Event()
        #: the fields that all Events of this recorder share
        self._blank = event_pb2.Event(
            source=event_pb2.EventSource(component=component, host=instance),
            reporting_component=component, reporting_instance=instance,
        )  # fmt: skip
        #: the time in the last Event's name, in nanoseconds; Events of one moment get different ones
        self._last_stamp = 0
        #: Events that were never sent, or whose last count was not
        self.dropped = 0
        self._dropped = EVENTS_DROPPED.labels(component)
        EVENTS_WAITING.add(self)

    @property
    def waiting(self) -> int:
        return len(self._heard) + len(self._pending)

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
        """Record an Event about an object, which is a message with metadata or an ObjectReference.

        `type` is Normal or Warning, `reason` one word, `field_path` a part of the object
        (spec.containers{app}), `action` what was done, `related` a second object.
        """
        if len(self._heard) >= self._max_waiting:
            self._drop()
            return
        other = None if related is None else reference(related)
        now = self._clock.now()
        self._heard.append(
            _Heard(_about(obj, field_path), type, reason, message[:MAX_MESSAGE], action, other, now)
        )
        self._wake.set()

    def events(self, said: Sequence[tuple[Any, str]], type: str, reason: str) -> None:
        """Record an Event for each (object, message), as `event` does."""
        left = self._max_waiting - len(self._heard)
        if len(said) > left:
            self._drop(len(said) - max(left, 0))
            said = said[: max(left, 0)]
        if said:
            now = self._clock.now()
            self._heard.extend(
                [
                    _Heard(_about(obj, ""), type, reason, message[:MAX_MESSAGE], "", None, now)
                    for obj, message in said
                ]
            )
            self._wake.set()

    async def run(self) -> None:
        """Send Events until cancelled; those that still wait are then lost."""
        failures = 0
        while True:
            await self._wake.wait()
            await self._clock.sleep(GATHER_SECONDS)
            self._wake.clear()
            while self._heard or self._pending:
                wait = self._until_worth_it()
                if wait > 0:
                    await self._clock.sleep(wait)
                self._correlate(self._allowance())
                self._tokens -= len(self._pending)
                away = await self._send() if self._pending else None
                failures = 0 if away is None else failures + 1
                # Also without a failure: held-back Events may come without end, and the loop has other tasks.
                pause = 0.0 if away is None else max(BACKOFF.delay(failures - 1), away.retry_seconds)
                await self._clock.sleep(pause)

    def _until_worth_it(self) -> float:
        """Return the seconds until the rate allows a whole batch, or all Events that wait."""
        want = min(MAX_BATCH, self.waiting, max(1.0, self._burst))
        return 0.0 if self._allowance() >= want else (want - self._tokens) / self._rate

    def _allowance(self) -> int:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        # A clock's rounding must not cost another pass.
        return int(self._tokens + 1e-6)

    def _correlate(self, limit: int) -> None:
        """Correlate what was recorded, oldest first, until there are enough Events to send."""
        heard, pending = self._heard, self._pending
        for _ in range(min(len(heard), MAX_HEARD)):
            if len(pending) >= min(limit, MAX_BATCH):
                return
            self._take(heard.popleft())

    def _take(self, heard: _Heard) -> None:
        about = heard.about
        who = about.uid or f"{about.api_version}/{about.kind}/{about.namespace}/{about.name}"
        said = Said(who, about.field_path, heard.type, heard.reason, heard.message)
        correlated = self._correlator.correlate(said, now=heard.at)
        if not correlated.send:
            self._drop()
            return
        key = correlated.key
        known = self._pending.get(key) or self._known.pop(key, None)
        if known is None:
            known = _Known(heard, correlated, self._new_name(about.name, heard.at))
        else:
            known.correlated, known.tries = correlated, 0
            # The Event keeps the object's version of the first time, and gets the new last time.
            known.heard = known.heard._replace(at=heard.at)
        self._pending[key] = known

    async def _send(self) -> ApiError | None:
        """Send what is pending; return the error when the server is away. What was not sent stays pending."""
        batch = self._pending
        try:
            await self._create([(key, item) for key, item in batch.items() if item.uid is None])
            for key, item in [*batch.items()]:
                if item.count != item.correlated.times:
                    await self._count_up(key, item)
                else:
                    self._done(key, item)
        except _AWAY as error:
            log.debug("events not sent", events=len(batch), error=error.message)
            for key, item in [*batch.items()]:
                item.tries += 1
                if item.tries >= MAX_TRIES:
                    self._forget(key)
            return error
        return None

    async def _create(self, items: list[tuple[Key, _Known]]) -> None:
        """Create Events. Raises Unavailable, Timeout or TooManyRequests when some are to be tried again."""
        if not items:
            return
        try:
            results = await self._client.create_batch([self._message(item) for _, item in items])
        except _AWAY:
            raise
        except ApiError as error:
            log.debug("events refused", events=len(items), error=error.message)
            for key, _ in items:
                self._forget(key)
            return
        away: ApiError | None = None
        for (key, item), result in zip(items, results, strict=False):
            if isinstance(result, AlreadyExists):
                # The answer to an earlier call was lost; the count is updated next.
                item.uid, item.count = "", 0
            elif isinstance(result, _AWAY):
                away = result
            elif isinstance(result, ApiError):
                log.debug("event refused", reason=item.heard.reason, error=result.message)
                self._forget(key)
            else:
                item.uid, item.count = result.metadata.uid, item.correlated.times
                self._done(key, item)
        if away is not None:
            raise away

    def _done(self, key: Key, item: _Known) -> None:
        """Remember a stored Event: a repetition raises its count."""
        self._pending.pop(key, None)
        self._known[key] = item
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)

    def _forget(self, key: Key) -> None:
        """Drop an Event; a repetition is sent as a new one, under a new name."""
        if self._pending.pop(key, None) is not None:
            self._drop()

    def _drop(self, count: int = 1) -> None:
        self.dropped += count
        self._dropped.inc(count)

    async def _count_up(self, key: Key, item: _Known) -> None:
        changed = self._message(item)
        # Without a version there is no conflict: the newest count wins.
        changed.metadata.uid = item.uid or ""
        try:
            await self._client.update(changed)
        except NotFound:
            # It expired after an hour, or was deleted: create it again, with its count, as client-go does.
            item.uid = None
            await self._create([(key, item)])
            return
        except _AWAY:
            raise
        except ApiError as error:
            log.debug("event not counted", reason=item.heard.reason, error=error.message)
            self._drop()
        else:
            item.count = item.correlated.times
        self._done(key, item)

    def _message(self, item: _Known) -> event_pb2.Event:
        # Field by field: messages built of messages, by keyword, cost three times as much.
        heard, correlated, about = item.heard, item.correlated, item.heard.about
        event = event_pb2.Event()
        event.CopyFrom(self._blank)
        object_ = event.involved_object
        object_.kind, object_.api_version, object_.namespace, object_.name = about[:4]
        object_.uid, object_.resource_version, object_.field_path = about[4:]
        event.reason, event.type, event.count = heard.reason, heard.type, correlated.times
        event.message, event.action = correlated.message[:MAX_MESSAGE], heard.action
        if heard.related is not None:
            event.related.CopyFrom(heard.related)
        event.first_timestamp.seconds = int(correlated.first // 1)
        event.last_timestamp.seconds = int(heard.at // 1)
        event.metadata.namespace, event.metadata.name = about.namespace or "default", item.name
        return event

    def _new_name(self, name: str, now: float) -> str:
        """Return client-go's name: the object's, and the time in nanoseconds as hexadecimal."""
        self._last_stamp = max(self._last_stamp + 1, int(now * 1e9))
        return f"{name[:200]}.{self._last_stamp:x}"


def _about(obj: Any, field_path: str) -> _About:
    if isinstance(obj, reference_pb2.ObjectReference):
        return _About(
            obj.kind, obj.api_version, obj.namespace, obj.name, obj.uid, obj.resource_version,
            field_path or obj.field_path,
        )  # fmt: skip
    kind, api_version = _KIND_OF.get(obj.DESCRIPTOR.full_name) or (obj.DESCRIPTOR.name, "v1")
    meta = obj.metadata
    return _About(kind, api_version, meta.namespace, meta.name, meta.uid, meta.resource_version, field_path)


def reference(obj: Any) -> reference_pb2.ObjectReference:
    """Return a reference to an object of any kind (or a copy of a reference)."""
    return reference_pb2.ObjectReference(**_about(obj, "")._asdict())


_KIND_OF = {kind.message.DESCRIPTOR.full_name: (kind.kind, kind.api_version) for kind in KINDS}
