"""PURE: decides whether a message about an object is a new Event, raises the count of one, or is not sent.

Follows client-go's EventCorrelator (tools/record/events_cache.go), numbers and order included:

1. ten or more different messages about one object with one reason, each less than ten minutes after the one
   before, become one Event: "(combined from similar events): ..." with the latest message;
2. a repeated message raises the count of its Event;
3. a source may send 25 Events about an object at once, and one more every five minutes; the correlator counts
   further ones and does not send them.

Each memory holds 4,096 entries, and drops the one that was used least recently.
"""

from collections import OrderedDict
from typing import NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: entries of each memory
MAX_REMEMBERED = 4096
#: so many different messages about one object with one reason are combined
COMBINE_FROM = 10
#: a message that comes this long after the one before starts a new group
COMBINE_SECONDS = 600.0
#: Events that a source may send about an object at once, and the seconds until it may send one more
SPAM_BURST = 25
SPAM_REFILL_SECONDS = 300.0

COMBINED = "(combined from similar events): "


class Said(NamedTuple):
    """A message of a component about an object. A correlator has one source, so no key contains the source.

    This and `Correlated` are tuples, because the scheduler makes one for each Pod that it binds, and a frozen
    dataclass costs ten times as much.
    """

    #: the uid of the object, or something else that identifies it
    about: str
    field_path: str
    type: str
    reason: str
    message: str


#: identifies an Event: messages with the same key are one Event
Key = tuple[str, ...]


class Correlated(NamedTuple):
    """The Event to write."""

    key: Key
    message: str
    #: how often it was recorded, this time included
    times: int
    #: when it was recorded first
    first: float
    #: whether to send it; otherwise it is only counted
    send: bool


class EventCorrelator:
    """Remembers messages. Owned by one recorder."""

    def __init__(self) -> None:
        #: object, type and reason -> time of the last message, hashes of the messages (texts would be 10 KB)
        self._similar: OrderedDict[Key, tuple[float, tuple[int, ...]]] = OrderedDict()
        #: Event -> how often, and when first
        self._counts: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        #: object -> tokens left, as of when
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def correlate(self, said: Said, *, now: float) -> Correlated:
        """Return what to do with a message of `now` (seconds, by any clock that mostly goes forward)."""
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
        # Leave room for one more hash: the next message is combined too, whether it is new or not.
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
