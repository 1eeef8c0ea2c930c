"""The Pods of the queue and the places that keep them: by key, gated by plugin and class, or in flight.

Events that come while a Pod is in flight are kept and looked at when it fails: otherwise it would sleep through
the one that mattered. Upstream's `inFlightEvents` of `backend/queue/active_queue.go`.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, TypeVar

from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.framework.events import Happened

#: the same reason is told again after this time. As many retries as come in it cost no Event: ten thousand
#: Pods that are tried every ten seconds would be a thousand writes a second
TOLD_AGAIN_SECONDS: Final = 300.0


class Place(StrEnum):
    """Where a Pod is. The first four are the labels of scheduler_pending_pods."""

    ACTIVE = "active"
    BACKOFF = "backoff"
    UNSCHEDULABLE = "unschedulable"
    GATED = "gated"
    #: popped: its cycle or its binding is under way
    IN_FLIGHT = "in_flight"


@dataclass(slots=True, eq=False)
class QueuedPod:
    """One Pod. Times are monotonic seconds.

    Owned by the queue; the scheduler may read it while it is in flight.
    """

    info: PodInfo
    #: when it came to the queue for the first time
    added: float
    #: when it came to the queue this time: among equals of one priority the earlier goes first
    since: float
    place: Place = Place.ACTIVE
    attempts: int = 0
    #: when it was popped for the first time
    first_attempt: float | None = None
    #: the plugins that refused it last time
    rejected_by: frozenset[str] = field(default=frozenset())
    #: the plugin that keeps it out of the queue, of a gated Pod
    gated_by: str = ""
    #: when it was parked or sent to back-off last time: where the back-off is counted from
    failed_at: float = 0.0
    #: what the last Event said of why it fits nowhere, and when
    told: str = ""
    told_at: float = 0.0

    def tell(self, message: str, *, now: float) -> bool:
        """Say whether an Event is due: the same sentence is told again after five minutes, another at once."""
        if message == self.told and now - self.told_at < TOLD_AGAIN_SECONDS:
            return False
        self.told, self.told_at = message, now
        return True


class GatedPods:
    """Gated Pods. Owned by the scheduling queue."""

    def __init__(self) -> None:
        #: plugin -> class -> uid -> Pod
        self._by_plugin: dict[str, dict[PodClass, dict[str, QueuedPod]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, pod: QueuedPod) -> None:
        by_class = self._by_plugin.setdefault(pod.gated_by, {})
        by_class.setdefault(pod.info.pod_class, {})[pod.info.uid] = pod
        self._count += 1

    def discard(self, pod: QueuedPod) -> None:
        """Take a Pod out. Its class and `gated_by` are still those with which it was put in."""
        by_class = self._by_plugin[pod.gated_by]
        pods = by_class[pod.info.pod_class]
        del pods[pod.info.uid]
        if not pods:
            del by_class[pod.info.pod_class]
        if not by_class:
            del self._by_plugin[pod.gated_by]
        self._count -= 1

    def groups(self, plugins: Iterable[str] | None = None) -> list[tuple[str, list[QueuedPod]]]:
        """Return the Pods of each class that one of these plugins keeps out (None: that anyone does)."""
        wanted = (
            [*self._by_plugin] if plugins is None else [name for name in plugins if name in self._by_plugin]
        )
        return [(name, [*pods.values()]) for name in wanted for pods in self._by_plugin[name].values()]


#: events kept; a Pod that has been in flight for longer than these go back is tried again
MAX_EVENTS: Final = 10_000
#: events of which nobody looks whether they are still needed
_EVENT_SLACK: Final = 256


class InFlight:
    """Pods in flight. Owned by the scheduling queue."""

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._max_events = max_events
        #: uid -> how many events there had been when it was popped; in the order of popping
        self.began: dict[str, int] = {}
        self._events: list[Happened] = []
        #: number of the first event kept
        self._first = 0
        #: so many events, and it is looked which are still needed
        self._look_at = min(_EVENT_SLACK, max_events) + 1

    def __len__(self) -> int:
        return len(self.began)

    @property
    def position(self) -> int:
        return self._first + len(self._events)

    def note(self, happened: Happened) -> None:
        if self.began:
            self._events.append(happened)
            if len(self._events) >= self._look_at:
                self.forget()

    def since(self, uid: str) -> Sequence[Happened] | None:
        """Return what happened since a Pod was popped; None: more than is kept."""
        start = self.began[uid] - self._first
        return None if start < 0 else self._events[start:]

    def forget(self) -> None:
        """Drop events that happened before the first Pod in flight was popped, and the older half of too many.

        Not for each Pod that gets its node: to find the first of those in flight, and to move what stays,
        takes time.
        """
        events = self._events
        dropped = max(next(iter(self.began.values()), self.position) - self._first, 0)
        if len(events) - dropped > self._max_events:
            dropped += (len(events) - dropped) // 2
        if dropped:
            del events[:dropped]
            self._first += dropped
        self._look_at = min(2 * len(events) + _EVENT_SLACK, self._max_events) + 1


Key = TypeVar("Key", float, tuple[float, ...])

#: dead entries are left alone up to this many
_ENTRY_SLACK: Final = 64


class PodHeap(Generic[Key]):
    """Pods by key, smallest first; among equal keys in the order of their coming.

    Owned by the scheduling task.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[Key, int, QueuedPod]] = []
        #: uid -> number of the entry that counts
        self._live: dict[str, int] = {}
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, uid: str) -> bool:
        return uid in self._live

    def push(self, key: Key, pod: QueuedPod) -> None:
        """Put a Pod in; an entry that it had before counts no longer."""
        live, entries = self._live, self._entries
        number = self._numbers = self._numbers + 1
        live[pod.info.uid] = number
        # No two have the same number: the Pods themselves are never compared.
        heapq.heappush(entries, (key, number, pod))
        if len(entries) > 2 * len(live) + _ENTRY_SLACK:
            self._entries = [entry for entry in entries if live.get(entry[2].info.uid) == entry[1]]
            heapq.heapify(self._entries)

    def pop(self, pod_class: PodClass | None = None) -> QueuedPod | None:
        """Take out the first Pod, if it is of a class (None: of any)."""
        found = self._first()
        if found is None or (pod_class is not None and found[1].info.pod_class is not pod_class):
            return None
        heapq.heappop(self._entries)
        del self._live[found[1].info.uid]
        return found[1]

    def first_key(self) -> Key | None:
        found = self._first()
        return None if found is None else found[0]

    def discard(self, uid: str) -> None:
        self._live.pop(uid, None)

    def _first(self) -> tuple[Key, QueuedPod] | None:
        """Return the first entry that counts; those before it are dropped."""
        while self._entries:
            key, number, pod = self._entries[0]
            if self._live.get(pod.info.uid) == number:
                return key, pod
            heapq.heappop(self._entries)
        return None
