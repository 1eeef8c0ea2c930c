"""The end of a server in four steps, so that no request is lost (decision 033).

    1  health says NOT_SERVING; all calls are served for `delay_seconds` more: clients and balancers that look
       at health go elsewhere
    2  for `refuse_seconds` new calls are answered UNAVAILABLE with a delay, and nothing is done: clients fall
       silent before they are sent away
    3  the server sends GOAWAY and accepts nothing more; server streams end one after the other within
       `streams_seconds`, each between two messages, with OK: their clients resume elsewhere, not all at once
    4  calls under way have until `calls_seconds` after 3; then they are cancelled, and their handlers have some
       seconds to close what they have (gRPC waits for its own part of a call only)

The steps are upstream's (apiserver `pkg/server/genericapiserver.go`: --shutdown-delay-duration,
--shutdown-send-retry-after, --shutdown-watch-termination-grace-period). Step 2 is there because gRPC's core
answers CANCELLED to calls that cross the GOAWAY on the wire: a client would not know whether something was
done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vaina.clock import Clock
from vaina.errors import Unauthorized
from vaina.serving.authentication import Authenticator, Caller
from vaina.serving.clients import Clients
from vaina.serving.handlers import OnUnauthorized, RequestContext, User
from vaina.serving.unsent import Unsent

#: for handlers that were cancelled; a session of a node ends its command meanwhile
CLOSING_SECONDS = 5.0
#: streams that end in a second, at most; few end at once
STREAMS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Drain:
    """How long the steps take, in seconds."""

    delay_seconds: float = 0.0
    refuse_seconds: float = 0.0
    streams_seconds: float = 0.0
    calls_seconds: float = 5.0


class Stream:
    """One server stream under way."""

    __slots__ = ("caller", "ending", "refusal", "task", "waiting")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        #: None: in the clear, or not yet known
        self.caller: Caller | None = None
        #: it waits for its handler: cancelled now, it ends between two messages
        self.waiting = False
        self.ending = False
        #: why it has to end now
        self.refusal: Unauthorized | None = None

    def refuse(self, error: Unauthorized) -> None:
        """End it now, with an error: its caller counts no more."""
        if self.refusal is None:
            self.refusal = error
            self.task.cancel()

    def end(self) -> None:
        """End it in good order: now, or when the message that it sends is out.

        Once: cancelled again, it could not close what it has.
        """
        if self.waiting and not self.ending:
            self.task.cancel()
        self.ending = True


class Calls:
    """The calls of a server under way. Owned by one event loop."""

    def __init__(
        self,
        authenticator: Authenticator | None = None,
        identify: Callable[[RequestContext], User] | None = None,
        on_unauthorized: OnUnauthorized | None = None,
    ) -> None:
        #: who tells callers apart: by certificates, or by what they send; neither in the clear
        self.authenticator, self.identify = authenticator, identify
        self.on_unauthorized = on_unauthorized
        #: those that end in good order
        self.streams: set[Stream] = set()
        #: those whose caller has a certificate
        self.authenticated: set[Stream] = set()
        #: those whose caller is known by what the call carries
        self.identified: dict[Stream, RequestContext] = {}
        #: all calls, from their first byte
        self.current = 0
        #: set when none is under way any more; None: nobody waits for that
        self.on_last: asyncio.Event | None = None
        #: new calls are turned away
        self.refusing = False
        self.unsent = Unsent()
        self.clients = Clients()

    async def closed(self) -> None:
        """Return when the handlers of calls that were cancelled have ended, or have had their time."""
        if not self.current:
            return
        self.on_last = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await self.on_last.wait()

    def refuse_denied(self) -> None:
        """End the streams of callers whose certificate, or what they sent instead, counts no more."""
        assert self.authenticator is not None
        for stream in self.authenticated:
            assert stream.caller is not None
            try:
                self.authenticator.check(stream.caller)
            except Unauthorized as error:
                stream.refuse(error)
        for stream, rpc in self.identified.items():
            assert self.identify is not None
            try:
                self.identify(rpc)
            except Unauthorized as error:
                stream.refuse(error)

    async def drain(
        self, plan: Drain, clock: Clock, *, unready: Awaitable[None], stop: Callable[[float], Awaitable[None]]
    ) -> None:
        """Go through the steps.

        Args:
            plan: how long they take.
            clock: to wait with.
            unready: makes health say NOT_SERVING.
            stop: sends GOAWAY, and waits at most so many seconds for calls under way.
        """
        await unready
        await clock.sleep(plan.delay_seconds)
        self.refusing = True
        await clock.sleep(plan.refuse_seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._end_streams(plan.streams_seconds, clock))
            await stop(plan.calls_seconds)

    async def _end_streams(self, seconds: float, clock: Clock) -> None:
        # One turn of the loop, so that GOAWAY is on its way before a stream ends.
        await clock.sleep(0)
        waiting = sorted(self.streams, key=id)
        rounds = max(1, min(round(seconds * 20), len(waiting) * 20 // STREAMS_PER_SECOND))
        for number in range(rounds):
            for stream in waiting[number::rounds]:
                stream.end()
            if number + 1 < rounds:
                await clock.sleep(seconds / rounds)
        # Those that came in meanwhile.
        for stream in self.streams:
            stream.end()
