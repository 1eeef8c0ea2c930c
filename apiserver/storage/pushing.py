"""Sends messages to a group of watchers without waking the task of each, which costs more than the message.

Once a stream has caught up its task only waits for the stream's end, and the pusher sends the events of the
group's log: it joins the bytes once and hands them to the streams' outlets one after the other, for half a
millisecond in a turn of the loop. It skips a stream that is still sending. That stream gets the missed events
later, or is cut when the log exceeds its bounds.

A message costs the server 50 µs and more, whatever is in it, and its reader as much. So all watchers of one
selection together get at most `_CROWD_PER_SECOND` messages a second, but each of them at least
`_MIN_PER_SECOND`: a thousand watchers of everything leave half a core for writes.
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
#: the time of one turn of the loop, after which other tasks run
_TURN_SECONDS: Final = 0.0005
#: The first batches are sent at once; under load a watcher gets one batch every 20 ms, with all events since
#: the last one (40 -> 19 µs of a scheduler's CPU a Pod).
_BURST, _PER_SECOND = 20.0, 50.0
_CROWD_PER_SECOND, _MIN_PER_SECOND = 2500.0, 4.0


def per_second(crowd: int) -> float:
    """Return how many messages a second each of `crowd` watchers gets."""
    return min(_PER_SECOND, max(_MIN_PER_SECOND, _CROWD_PER_SECOND / max(crowd, 1)))


class Pace:
    """Limits the rate of messages, with a burst."""

    __slots__ = ("_allowance", "_clock", "_last")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._allowance, self._last = _BURST, clock.monotonic()

    def wait_seconds(self, crowd: int) -> float:
        """Return how long the next message must wait; 0 when it may be sent now."""
        now, rate = self._clock.monotonic(), per_second(crowd)
        burst = _BURST * rate / _PER_SECOND
        self._allowance, self._last = min(burst, self._allowance + (now - self._last) * rate), now
        return max(0.0, (1 - self._allowance) / rate)

    def sent(self) -> None:
        self._allowance -= 1


class Pusher:
    """Serves the watchers of a group. Owned by one event loop."""

    def __init__(self, group: Group, cache: WatchCache, clock: Clock) -> None:
        """Serve a group. A watcher that has all events has the version of `cache`."""
        self._group, self._cache, self._clock = group, cache, clock
        self._members: dict[int, _Member] = {}
        self._pace = Pace(clock)
        #: the watchers that are still to be served in the present round
        self._round: deque[_Member] = deque()
        #: a round is under way or scheduled
        self._is_due = False
        self._later: asyncio.TimerHandle | None = None
        #: events came during a round
        self._again = False
        #: the number of the log's last event when the last round began
        self._reached = group.end

    async def serve(self, subscription: Subscription, outlet: Outlet) -> None:
        """Serve a watcher until it is cut. Raises what its outlet raises."""
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
        """Begin a round, because there are events to send, at the group's pace."""
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
        # The log has every applied event: a watcher that has taken all of them has the cache's version.
        version = taken.items[-1].version if len(subscription) else self._pusher.version()
        try:
            self._outlet.send(taken.response(version), len(taken))
        except Exception as error:  # noqa: BLE001 - raised where the stream is served; others go on
            self.is_gone = True
            if not self.ended.done():
                self.ended.set_exception(error)

    def went_out(self) -> None:
        """Send the next events; called when the last message has been sent."""
        if self.is_gone:
            return
        if len(self._subscription) >= BATCH_EVENTS:
            self.push()
        elif self._subscription.has_more:
            self._pusher.wake()

    def changed(self) -> None:
        """End a watcher that was cut, or send what it waits for; also called when it begins."""
        if self._subscription.is_cut:
            self.is_gone = True
            if not self.ended.done():
                self.ended.set_result(None)
        elif self._subscription.has_more:
            self._pusher.wake()
