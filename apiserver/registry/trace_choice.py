"""Which Pods have a trace: those that ask for one, and a sample of the others (decision 171). No I/O.

Whole Pods are chosen, when they are created, and the uid of one that was not chosen says so: of its later
steps nobody reports. A trace costs the apiserver more than the bind it tells of.
"""

from collections.abc import Callable, Sequence

from vaina.api.meta.v1 import meta_pb2
from vaina.clock import Clock
from vaina.steps import TRACE_ANNOTATION, asks_for_trace, can_say, without_trace

#: Pods a second of the sample, unless the apiserver is told otherwise
SAMPLED_PER_SECOND = 50.0
#: seconds' worth of them that may come at once
_SAMPLED_BURST_SECONDS = 4.0
#: Pods that ask for a trace and have one: so many at once, and so many a second of those that go on coming
ASKED_AT_ONCE = 1000.0
ASKED_PER_SECOND = 50.0
_TOO_MANY = (
    f"metadata.annotations[{TRACE_ANNOTATION}]: more than {ASKED_AT_ONCE:.0f} pods at once, or "
    f"{ASKED_PER_SECOND:.0f} a second, ask for a trace: the steps of some of them are not written down"
)


class Places:
    """So many at once, and so many a second. Owned by the event loop."""

    def __init__(self, clock: Clock, *, per_second: float, at_once: float) -> None:
        self._clock, self._per_second, self._at_once = clock, per_second, at_once
        self._free, self._refilled = at_once, clock.monotonic()

    def take(self, count: int = 1) -> int:
        """Return how many of so many there is a place for now."""
        now = self._clock.monotonic()
        self._free = min(self._at_once, self._free + (now - self._refilled) * self._per_second)
        self._refilled = now
        taken = min(count, int(self._free))
        self._free -= taken
        return taken


class TraceChoice:
    """Chooses. Owned by the event loop."""

    def __init__(self, clock: Clock, sampled_per_second: float = SAMPLED_PER_SECOND) -> None:
        """Make it; `sampled_per_second` Pods have a trace that nobody asked for (0: none has)."""
        # One that comes alone has a place, however few a second there are.
        burst = max(sampled_per_second * _SAMPLED_BURST_SECONDS, 1.0) if sampled_per_second else 0.0
        self._sampled = Places(clock, per_second=sampled_per_second, at_once=burst)
        self._asked = Places(clock, per_second=ASKED_PER_SECOND, at_once=ASKED_AT_ONCE)

    def take(self) -> int:
        """Return whether a Pod of the sample, whose uid cannot say, may have a trace: 1 or 0."""
        return self._sampled.take()

    def uids(self, uids: Sequence[str], meta: meta_pb2.ObjectMeta, warn: Callable[[str], None]) -> list[str]:
        """Return the uids of Pods that are about to be stored, each of which says whether its Pod has a trace.

        `meta` is that of one of them: they differ in names alone. `warn` is told when one asks in vain.
        """
        asks = asks_for_trace(meta.annotations)
        places = self._asked if asks else self._sampled
        can = [can_say(uid) for uid in uids]
        wanted = sum(can)
        left, found = places.take(wanted), list[str]()
        if asks and left < wanted:
            warn(_TOO_MANY)
        for uid, says in zip(uids, can, strict=True):
            if says and left <= 0:
                found.append(without_trace(uid))
            else:
                left -= says
                found.append(uid)
        return found
