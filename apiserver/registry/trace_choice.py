"""Chooses the Pods that have a trace: those that ask for one, and a sample of the others. No I/O.

A Pod is chosen when it is created. The uid of a Pod that was not chosen says so, and no component reports its
steps (decision 171). The reason: a trace costs the apiserver more than the binding that it shows.
"""

from collections.abc import Callable, Sequence

from vaina.api.meta.v1 import meta_pb2
from vaina.clock import Clock
from vaina.steps import TRACE_ANNOTATION, asks_for_trace, can_say, without_trace

#: Pods a second in the sample, unless the apiserver is configured otherwise
SAMPLED_PER_SECOND = 50.0
#: the sample may have as many Pods at once as come in these seconds
_SAMPLED_BURST_SECONDS = 4.0
#: Pods that ask for a trace and get one: so many at once, and so many a second
ASKED_AT_ONCE = 1000.0
ASKED_PER_SECOND = 50.0
_TOO_MANY = (
    f"metadata.annotations[{TRACE_ANNOTATION}]: more than {ASKED_AT_ONCE:.0f} pods at once, or "
    f"{ASKED_PER_SECOND:.0f} a second, ask for a trace: the steps of some of them are not written down"
)


class Places:
    """A token bucket: `at_once` places, and `per_second` new ones. Owned by the event loop."""

    def __init__(self, clock: Clock, *, per_second: float, at_once: float) -> None:
        self._clock, self._per_second, self._at_once = clock, per_second, at_once
        self._free, self._refilled = at_once, clock.monotonic()

    def take(self, count: int = 1) -> int:
        """Take up to `count` places; return how many there were."""
        now = self._clock.monotonic()
        self._free = min(self._at_once, self._free + (now - self._refilled) * self._per_second)
        self._refilled = now
        taken = min(count, int(self._free))
        self._free -= taken
        return taken


class TraceChoice:
    """Chooses the Pods. Owned by the event loop."""

    def __init__(self, clock: Clock, sampled_per_second: float = SAMPLED_PER_SECOND) -> None:
        """Make it; the sample has `sampled_per_second` Pods a second (0: none)."""
        # A Pod that comes alone has a place, however low the rate is.
        burst = max(sampled_per_second * _SAMPLED_BURST_SECONDS, 1.0) if sampled_per_second else 0.0
        self._sampled = Places(clock, per_second=sampled_per_second, at_once=burst)
        self._asked = Places(clock, per_second=ASKED_PER_SECOND, at_once=ASKED_AT_ONCE)

    def take(self) -> int:
        """Return 1 when a Pod whose uid cannot say it may have a trace, as one of the sample; otherwise 0."""
        return self._sampled.take()

    def uids(self, uids: Sequence[str], meta: meta_pb2.ObjectMeta, warn: Callable[[str], None]) -> list[str]:
        """Return the uids of Pods that are about to be stored; each uid says whether its Pod has a trace.

        `meta` is the metadata of one of them: they differ only in their names. `warn` is called when a Pod
        asks for a trace and gets none.
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
