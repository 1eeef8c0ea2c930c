"""Sends what a group of watchers gets, without waking the task of each: that costs more than the message.

Once a stream has caught up its task only waits for its end, and what the group's log has goes from here to
the stream's outlet: the bytes are joined once and handed to one outlet after the other, half a millisecond in
a turn of the loop. A stream that is still sending is passed over and gets all that it missed later, or is cut
by the log's bounds.

A message costs the server 50 µs and more, whatever is in it, and its reader as much. So the watchers of one
selection get no more than `_CROWD_PER_SECOND` together in a second, and each of them no fewer than
`_MIN_PER_SECOND`: a thousand who watch everything leave half a core for those who write.
"""

import asyncio
from collections import deque
from typing import Final

from apiserver.storage.groups import Group, Subscription
from apiserver.storage.interface import Version
from apiserver.storage.selection import Outlet
from apiserver.storage.watch_cache import WatchCache
from vaina.clock import Clock

#: events in one message: 100 Pods in one message cost 90 µs to send, 100 messages of one 4.5 ms
BATCH_EVENTS: Final = 500
#: bytes of one message; one event always fits
BATCH_BYTES: Final = 1 << 20
#: in one turn of the loop, in seconds; then others come
_TURN_SECONDS: Final = 0.0005
#: The first batches go out at once; who gets many more gets one every 20 ms, with all that happened meanwhile
#: (40 -> 19 µs of a scheduler's CPU a Pod).
_BURST, _PER_SECOND = 20.0, 50.0
_CROWD_PER_SECOND, _MIN_PER_SECOND = 2500.0, 4.0


def per_second(crowd: int) -> float:
    """Return how many messages each watcher of a crowd gets in a second."""
    return min(_PER_SECOND, max(_MIN_PER_SECOND, _CROWD_PER_SECOND / max(crowd, 1)))


class Pace:
    """What is left of the messages that may go out at once."""

    __slots__ = ("_allowance", "_clock", "_last")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._allowance, self._last = _BURST, clock.monotonic()

    def wait_seconds(self, crowd: int) -> float:
        """Return how long the next message waits; 0 when it need not."""
        now, rate = self._clock.monotonic(), per_second(crowd)
        burst = _BURST * rate / _PER_SECOND
        self._allowance, self._last = min(burst, self._allowance + (now - self._last) * rate), now
        return max(0.0, (1 - self._allowance) / rate)

    def sent(self) -> None:
        self._allowance -= 1


class Pusher:
    """Serves the watchers of a group. Owned by one event loop."""

    def __init__(self, group: Group, cache: WatchCache, clock: Clock) -> None:
        """Serve a group; a watcher who has everything is where the cache is."""
        self._group, self._cache, self._clock = group, cache, clock
        self._members: dict[int, _Member] = {}
        self._pace = Pace(clock)
        #: whose turn it is in the round that is under way
        self._round: deque[_Member] = deque()
        #: a round is under way, or will be
        self._is_due = False
        self._later: asyncio.TimerHandle | None = None
        #: something happened while a round was under way
        self._again = False
        #: up to where the last round was
        self._reached = group.end

    async def serve(self, subscription: Subscription, outlet: Outlet) -> None:
        """Return when the watcher was cut. Raises what the outlet raised."""
        member = _Member(subscription, outlet, self, asyncio.get_running_loop().create_future())
        self._members[id(member)] = member
        outlet.on_idle(member.went_out)
        subscription.on_change = member.changed
        self._group.sender = self
        try:
            member.changed()
            await member.ended
        finally:
            subscription.on_change = None
            del self._members[id(member)]
            member.is_gone = True
            if not self._members:
                self._group.sender = None

    def wake(self) -> None:
        """There is something to send: begin a round, at the group's pace."""
        if self._is_due:
            self._again = True
            if self._later is not None and self._group.end - self._reached >= BATCH_EVENTS:
                self._later.cancel()
                self._later = None
                asyncio.get_running_loop().call_soon(self._begin)
            return
        self._is_due = True
        seconds, loop = self._pace.wait_seconds(len(self._group)), asyncio.get_running_loop()
        if seconds and self._group.end - self._reached < BATCH_EVENTS:
            self._later = loop.call_later(seconds, self._begin)
        else:
            loop.call_soon(self._begin)

    def version(self) -> Version:
        return self._cache.version

    def _begin(self) -> None:
        self._later, self._again = None, False
        self._reached = self._group.end
        self._round.extend(member for member in self._members.values() if member.has_more)
        if self._round:
            self._pace.sent()
        self._go_on()

    def _go_on(self) -> None:
        end, now = self._clock.monotonic() + _TURN_SECONDS, self._clock.monotonic
        while self._round:
            self._round.popleft().push()
            if now() > end:
                break
        if self._round:
            asyncio.get_running_loop().call_soon(self._go_on)
            return
        self._is_due = False
        if self._again:
            self.wake()


class _Member:
    """One watcher."""

    __slots__ = ("_outlet", "_pusher", "_subscription", "ended", "is_gone")

    def __init__(
        self, subscription: Subscription, outlet: Outlet, pusher: Pusher, ended: "asyncio.Future[None]"
    ) -> None:
        self._subscription, self._outlet, self._pusher = subscription, outlet, pusher
        self.ended, self.is_gone = ended, False

    @property
    def has_more(self) -> bool:
        return not self._outlet.is_busy and self._subscription.has_more

    def push(self) -> None:
        subscription = self._subscription
        if self.is_gone or subscription.is_cut or not self.has_more:
            return
        taken = subscription.take(BATCH_EVENTS, BATCH_BYTES)
        # Everything that has been applied was logged: with nothing left the watcher is where the cache is.
        version = taken.items[-1].version if len(subscription) else self._pusher.version()
        try:
            self._outlet.send(taken.response(version), len(taken))
        except Exception as error:  # noqa: BLE001 - raised where the stream is served; others go on
            self.is_gone = True
            if not self.ended.done():
                self.ended.set_exception(error)

    def went_out(self) -> None:
        """The last message is on its way."""
        if self.is_gone:
            return
        if len(self._subscription) >= BATCH_EVENTS:
            self.push()
        elif self._subscription.has_more:
            self._pusher.wake()

    def changed(self) -> None:
        """The watcher was cut, or gets a bookmark, or begins."""
        if self._subscription.is_cut:
            self.is_gone = True
            if not self.ended.done():
                self.ended.set_result(None)
        elif self._subscription.has_more:
            self._pusher.wake()
