"""PURE: whether what is said about an object is a new Event, a count on one, part of a combined one, or
nothing.

Follows client-go's EventCorrelator (tools/record/events_cache.go), numbers and order included:

1. ten messages or more about one object with one reason, none of them ten minutes after the one before,
   become one Event, "(combined from similar events): ..." with the latest message;
2. the same again is a count on the Event that there is;
3. a source may say 25 things about an object at once, and one more each five minutes; what is more is
   counted, and not sent.

Bounded: 4,096 entries each, the one not used for longest goes.
"""

from collections import OrderedDict
from typing import NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: entries of each memory
MAX_REMEMBERED = 4096
#: different messages about one object with one reason, from which on they are combined
COMBINE_FROM = 10
#: a message that comes so long after the one before begins anew
COMBINE_SECONDS = 600.0
#: what a source may say about an object at once, and the seconds for one more
SPAM_BURST = 25
SPAM_REFILL_SECONDS = 300.0

COMBINED = "(combined from similar events): "


class Said(NamedTuple):
    """Something that a component says. One correlator has one source, which is in no key therefore.

    Tuples here and below: the scheduler says something for each Pod it binds, and a frozen dataclass costs
    ten times as much.
    """

    #: uid of the object, or whatever else tells it from all others
    about: str
    field_path: str
    type: str
    reason: str
    message: str


#: which Event: two things said with the same key are one Event
Key = tuple[str, ...]


class Correlated(NamedTuple):
    """What to write down."""

    key: Key
    message: str
    #: how often it was said, this one included
    times: int
    #: when it was said first
    first: float
    #: whether to send it; otherwise it is only counted
    send: bool


class EventCorrelator:
    """Remembers what was said. Owned by one recorder."""

    def __init__(self) -> None:
        #: object, type and reason -> when it was said last, and hashes of the messages (texts would be 10 KB)
        self._similar: OrderedDict[Key, tuple[float, tuple[int, ...]]] = OrderedDict()
        #: event -> how often, and when first
        self._counts: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        #: object -> tokens left, as of when
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def correlate(self, said: Said, *, now: float) -> Correlated:
        """Return what to do with something said at `now` (seconds, any clock that mostly goes forward)."""
        key, message = self._combine(said, now)
        count, first = self._counts.pop(key, (0, now))
        _remember(self._counts, key, (count + 1, first))
        return Correlated(key, message, count + 1, first, self._take(said.about, now))

    def _combine(self, said: Said, now: float) -> tuple[Key, str]:
        about, field_path, type_, reason, message = said
        group = (about, type_, reason)
        last, hashes = self._similar.pop(group, (now, ()))
        if now - last > COMBINE_SECONDS:
            hashes = ()
        mark = hash(message)
        if mark not in hashes:
            hashes = (*hashes, mark)
        combined = len(hashes) >= COMBINE_FROM
        # Room for one more: the next one is combined as well, whether it is new or not.
        _remember(self._similar, group, (now, hashes[1:] if combined else hashes))
        if combined:
            return group, COMBINED + message
        return (about, type_, reason, field_path, message), message

    def _take(self, about: str, now: float) -> bool:
        tokens, at = self._buckets.pop(about, (float(SPAM_BURST), now))
        tokens = min(tokens + max(now - at, 0.0) / SPAM_REFILL_SECONDS, float(SPAM_BURST))
        there = tokens >= 1.0
        _remember(self._buckets, about, (tokens - 1.0 if there else tokens, now))
        return there


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    if len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)
