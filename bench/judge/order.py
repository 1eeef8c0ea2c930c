"""PURE: was a Pod decided while one waited that goes before it.

Of a higher priority, or of the same one and longer in the queue?

A Pod that waited is judged when it is bound, by the node that it got. Where nothing became free on that node
and nothing of it changed since the Pod came, and other nodes' Pods are nothing to it, it would have fitted
there all the time: each attempt would have placed it, so it was in no back-off, and it was not attempted.
Then every Pod that goes after it and was decided meanwhile was decided in the wrong order. A Pod that becomes
another one while it waits (its gates go, it tolerates more) came when it became so. Decisions on their way
are allowed for: twice as many as there may be, and the changes that may not have been seen.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bench.judge.doubt import Doubt
from vaina.api.core.v1 import pod_pb2

#: seconds: both times are whole ones, of the same clock
_APART: Final = 2
#: where decisions may be on their way: of the Pods that could be judged more than this share, and so many at
#: least
SHARE: Final = 0.1
LEAST: Final = 3
#: of equally important Pods one of so many is judged where decisions may be on their way
_EVERY: Final = 37


@dataclass
class _Bound:
    """Bindings of one priority, in their order."""

    ticks: list[int] = field(default_factory=list)
    #: when each Pod was created: its tick, where that was seen, otherwise its second
    came: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Waiting:
    pod: pod_pb2.Pod
    #: tick at which it was first seen, with gates or without: by that it may stand in the queue, whatever it
    #: becomes
    first: int
    #: tick since which it asks what it asks, and is active
    since: int


@dataclass
class Order:
    """Judges the order of decisions. A tick is the number of an event."""

    wrong: Callable[[str], None]
    doubt: Doubt
    #: Pods that could be judged
    judged: int = 0
    #: that were seen only when they had a node, and had become others before: when is not known
    changed: int = 0

    def __post_init__(self) -> None:
        self._allowed = 2 * self.doubt.in_flight + self.doubt.lag
        self._by_priority: dict[int, _Bound] = {}
        #: of all bindings whose second is known
        self._seconds: list[int] = []
        self._second_ticks: list[int] = []
        #: by uid
        self._waiting: dict[str, _Waiting] = {}
        #: node -> tick at which something became free there, or it changed
        self._freed: dict[str, int] = {}
        self._late: list[str] = []
        self._number = 0

    def came(self, pod: pod_pb2.Pod, tick: int) -> None:
        """A Pod is seen that waits."""
        known = self._waiting.get(pod.metadata.uid)
        if known is None or not _asks_the_same(known.pod, pod):
            first = tick if known is None else known.first
            self._waiting[pod.metadata.uid] = _Waiting(pod, first, tick)

    def gone(self, uid: str) -> None:
        """A Pod waits no longer."""
        self._waiting.pop(uid, None)

    def freed(self, node: str, tick: int) -> None:
        """Something became free on a node, or it changed."""
        self._freed[node] = tick

    def bound(self, pod: pod_pb2.Pod, node: str, tick: int, *, simple: bool) -> None:
        """A Pod is bound. Args: simple: other nodes' Pods, volumes and nodes in view have nothing to do with
        it.
        """
        second = _bound_at(pod)
        created = pod.metadata.creation_timestamp.seconds
        known = self._waiting.pop(pod.metadata.uid, None)
        if simple:
            if known is not None:
                self._judge(pod, node, known.since, known.since, tick)
            elif pod.metadata.generation > 1:
                # Each change of the spec counts there, a binding does not (pkg/registry/core/pod/strategy.go,
                # updatePodGeneration).
                self.changed += 1
            elif created and self._seconds:
                surely = bisect_left(self._seconds, created + _APART)
                before = bisect_left(self._seconds, created) - 1
                if surely < len(self._seconds):
                    since = self._second_ticks[before] if before >= 0 else 0
                    self._judge(pod, node, since, self._second_ticks[surely], tick)
        mine = self._by_priority.setdefault(pod.spec.priority, _Bound())
        mine.ticks.append(tick)
        mine.came.append(float(created if known is None else known.first))
        if second and (not self._seconds or second >= self._seconds[-1]):
            self._seconds.append(second)
            self._second_ticks.append(tick)

    def end(self) -> None:
        """Nothing comes any more."""
        if self._late and len(self._late) >= LEAST and len(self._late) > SHARE * self.judged:
            self.wrong(
                f"of {self.judged:,} Pods {len(self._late):,} waited and fitted while others were decided that go after them; the "
                f"first: {self._late[0]}"
            )

    def _judge(self, pod: pod_pb2.Pod, node: str, since: int, surely: int, tick: int) -> None:
        """Judge one. Args: since: nothing may have become free from this tick on.

        Surely: from here on it was there.
        """
        if self._freed.get(node, -1) >= since:
            return
        self._number += 1
        after, what = self._less_important(pod.spec.priority, surely, tick), "of a lower priority"
        if after <= self._allowed and (self.doubt.is_none or not self._number % _EVERY):
            after, what = self._later(pod, surely, tick), "of the same priority that came later"
        self.judged += 1
        if after > self._allowed:
            words = (
                f"{pod.metadata.namespace}/{pod.metadata.name} (priority {pod.spec.priority}) waited and fitted on {node} while "
                f"{after:,} Pods {what} were decided"
            )
            if self.doubt.is_none:
                self.wrong(words)
            else:
                self._late.append(words)

    def _less_important(self, priority: int, start: int, end: int) -> int:
        return sum(
            bisect_left(bound.ticks, end) - bisect_right(bound.ticks, start)
            for other, bound in self._by_priority.items()
            if other < priority
        )

    def _later(self, pod: pod_pb2.Pod, start: int, end: int) -> int:
        """Return how many equally important Pods that came later were bound.

        One whose coming was seen by its second only: surely later.
        """
        bound = self._by_priority.get(pod.spec.priority)
        if bound is None:
            return 0
        created = pod.metadata.creation_timestamp.seconds
        first = bisect_right(bound.ticks, start)
        if self.doubt.is_none:
            return sum(came > start for came in bound.came[first:])
        return sum(came >= created + _APART for came in bound.came[first:])


def _asks_the_same(before: pod_pb2.Pod, after: pod_pb2.Pod) -> bool:
    return before.spec == after.spec and before.metadata.labels == after.metadata.labels


def _bound_at(pod: pod_pb2.Pod) -> int:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "True":
            return int(condition.last_transition_time.seconds)
    return 0
