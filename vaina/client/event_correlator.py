"""PURE: what becomes of something that is said about an object: a new Event, a count on one, part of a combined one, or nothing.

Follows client-go's EventCorrelator (tools/record/events_cache.go), numbers and order included:

1. what is said about one object with one reason in ten or more different messages, none of them ten minutes after the one before,
   becomes one Event, "(combined from similar events): ..." with the latest message;
2. the same again is a count on the Event that there is;
3. a source may say 25 things about an object at once, and one more each five minutes; what is more is counted, and not sent.

Called by `vaina.client.events`. Bounded: 4,096 entries each, the one not used for longest goes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a component says. One correlator has one source, which is in no key therefore."""

    #: kind, apiVersion, namespace, name, uid
    about: tuple[str, ...]
    field_path: str
    type: str
    reason: str
    message: str


#: which Event: two things said with the same key are one Event
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correlated:
    """What to write down."""

    key: Key
    message: str
    #: how often it was said, this time included
    count: int
    #: when it was said first
    first: float
    #: whether to send it; otherwise it is only counted
    send: bool


class EventCorrelator:
    """Remembers what was said. Owned by one recorder."""

    def __init__(self) -> None:
        self._similar: _Memory[Key, _Similar] = _Memory()
        self._counts: _Memory[Key, tuple[int, float]] = _Memory()
        self._buckets: _Memory[Key, _Bucket] = _Memory()

    def correlate(self, said: Said, *, now: float) -> Correlated:
        """Return what to do with something said at `now` (seconds, any clock that mostly goes forward)."""
        key, message = self._combine(said, now)
        count, first = self._counts.get(key) or (0, now)
        self._counts.put(key, (count + 1, first))
        bucket = self._buckets.get(said.about) or _Bucket(now)
        self._buckets.put(said.about, bucket)
        return Correlated(key, message, count + 1, first, send=bucket.take(now))

    def _combine(self, said: Said, now: float) -> tuple[Key, str]:
        group = (*said.about, said.type, said.reason)
        similar = self._similar.get(group)
        if similar is None or now - similar.last > COMBINE_SECONDS:
            similar = _Similar()
        similar.last = now
        # Hashes: ten messages of a kilobyte for each of so many groups would be megabytes.
        similar.messages[hash(said.message)] = None
        self._similar.put(group, similar)
        if len(similar.messages) < COMBINE_FROM:
            return (*said.about, said.field_path, said.type, said.reason, said.message), said.message
        similar.messages.popitem()
        return group, COMBINED + said.message


@dataclass(slots=True)
class _Similar:
    last: float = 0.0
    messages: dict[int, None] = field(default_factory=dict[int, None])


class _Bucket:
    """A token bucket; full at first."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, now: float) -> None:
        self._tokens, self._at = float(SPAM_BURST), now

    def take(self, now: float) -> bool:
        grown = max(now - self._at, 0.0) / SPAM_REFILL_SECONDS
        self._tokens, self._at = min(self._tokens + grown, float(SPAM_BURST)), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class _Memory(Generic[K, V]):
    """A dict that forgets what was not used for longest."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_REMEMBERED:
            self._entries.popitem(last=False)
