"""The shell around ListWatch: opens watches, hands their batches to a listener, reconnects after each end.

Back-off has jitter and is short (I17): after a failure 0.2 s, doubling to 5 s, or to 1.5 s while no server
answers (decision 187). There is none after a stream that ended with OK, unless it was short, and none after
the first Expired. A gap loses nothing: a stream resumes after its last version, or the reflector lists again.

When a server does not have the version to resume from, it may lag: the reflector opens the watch again. When
a quorum read does not have the version either, the storage went back in time (decision 024): the reflector
then never resumes the watch, and takes a list only once it is newer.
"""

import random
from collections.abc import Callable, MutableMapping
from contextlib import aclosing
from typing import Generic, TypeVar

import structlog
from google.protobuf.message import DecodeError, Message

from vaina.backoff import Backoff
from vaina.cache.list_watch import Apply, ListWatch, Replace, StaleList, State
from vaina.client.resource import ResourceClient
from vaina.clock import Clock
from vaina.errors import (
    ApiError,
    Expired,
    Forbidden,
    Timeout,
    Unauthorized,
    Unavailable,
    is_version_too_large,
)
from vaina.metrics import WENT_BACK

log = structlog.stdlib.get_logger(__name__)

M = TypeVar("M", bound=Message)

BACKOFF = Backoff(base_seconds=0.2, cap_seconds=5.0, factor=2.0, jitter=1.0)
#: while the server is away: most of these calls never leave the channel, which has its own back-off
AWAY = Backoff(base_seconds=0.2, cap_seconds=1.5, factor=2.0, jitter=1.0)
#: after a stream that lived this long the back-off starts from the beginning
RESET_SECONDS = 10.0
#: a stream that ended with OK before this time counts as a failure
SHORT_SECONDS = 1.0
#: a stream is renewed after a time between this and twice as much, which ends one that hangs in silence
MIN_WATCH_SECONDS = 300
#: how often the reflector logs that the storage went back in time
REMIND_SECONDS = 60.0


class Reflector(Generic[M]):
    """Tells a listener all changes of one list of objects. `run` is its only task."""

    def __init__(  # noqa: PLR0913 - selection and tools, as of an informer
        self,
        client: ResourceClient[M],
        clock: Clock,
        listener: Callable[[Replace[M] | Apply[M]], None],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        rng: random.Random | None = None,
        new_objects: Callable[[], MutableMapping[str, M]] = dict,
        ends_when_refused: bool = False,
    ) -> None:
        """Make it. It asks again after any failure, or ends when it may not read where it is to do so."""
        self._client, self._clock, self._listener = client, clock, listener
        self._namespace = namespace
        self._label_selector, self._field_selector = label_selector, field_selector
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._ends_on = (Forbidden, Unauthorized) if ends_when_refused else ()
        self.machine: ListWatch[M] = ListWatch(new_objects)
        #: when it was last logged that the storage went back in time; None: it did not
        self._said: float | None = None

    async def run(self) -> None:
        """List and watch until cancelled. Raises Forbidden, Unauthorized: only where it ends when refused."""
        failures = 0
        while True:
            start = self._clock.monotonic()
            at_once, at_least, backoff = False, 0.0, BACKOFF
            try:
                await self._watch()
                at_once = self._clock.monotonic() - start >= SHORT_SECONDS
            except self._ends_on:
                raise
            except Expired as error:
                log.info("watch expired, listing again", kind=self._client.kind.kind, error=error.message)
                self.machine.on_expired()
                # Only the first Expired is followed at once: a server may answer so again and again.
                at_once = failures == 0
            except StaleList as error:
                self._say_went_back(error)
                self.machine.on_expired()
            except DecodeError as error:
                log.warning("watch refused", kind=self._client.kind.kind, error=str(error))
                self.machine.on_expired()
            except ApiError as error:
                log.debug("watch failed", kind=self._client.kind.kind, error=error.message)
                # TooManyRequests names a time; jitter keeps all clients from coming back at once.
                at_least = error.retry_seconds * (1.0 + self._rng.random())
                if isinstance(error, Unavailable):
                    backoff = AWAY
            if self._clock.monotonic() - start >= RESET_SECONDS:
                failures = 0
            delay = 0.0 if at_once else max(backoff.delay(failures, self._rng), at_least)
            failures += 1
            await self._clock.sleep(delay)

    async def _watch(self) -> None:
        if self._said is not None:
            await self._compare()
            self._said = None
        try:
            await self._follow()
        except Timeout as error:
            if is_version_too_large(error):
                await self._compare()
            raise

    async def _compare(self) -> None:
        """Get the newest version by a quorum read. Raises StaleList when it is older than a seen one."""
        page = await self._client.list_page(
            self._namespace, label_selector=self._label_selector, field_selector=self._field_selector, limit=1
        )
        if int(page.resource_version or 0) < self.machine.version:
            raise StaleList(
                f"the newest version is {page.resource_version}, but {self.machine.version} has been seen"
            )

    def _say_went_back(self, error: StaleList) -> None:
        now, kind = self._clock.monotonic(), self._client.kind.kind
        if self._said is None:
            WENT_BACK.labels(kind).inc()
        if self._said is None or now - self._said >= REMIND_SECONDS:
            self._said = now
            log.error(
                "storage went back in time: it was restored from an older copy, or lost data; what is known is kept. "
                "Restart this component once the apiservers are well",
                kind=kind, error=str(error),
            )  # fmt: skip

    async def _follow(self) -> None:
        call = self.machine.next_call()
        batches = self._client.watch(
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            resource_version=call.resource_version,
            send_initial_events=call.send_initial_events,
            timeout_seconds=MIN_WATCH_SECONDS + int(self._rng.random() * MIN_WATCH_SECONDS),
        )
        async with aclosing(batches) as stream:
            async for batch in stream:
                for what in self.machine.on_batch(batch.events, batch.resource_version):
                    self._listener(what)

    @property
    def synced(self) -> bool:
        """Whether the list is read and the watch follows it."""
        return self.machine.state is State.SYNCED
