"""PURE: which Pod is next, and where a Pod waits when it failed.

No clock and nothing to await: `now` is handed in (monotonic seconds).

    gated --an update, or a hint, and its plugin lets it in--> active --pop--> in flight --delete--> gone
    in flight --park--> unschedulable, or back-off when something that could help happened meanwhile
    in flight --requeue--> back-off --its time--> active
    unschedulable --a hint says so, or five minutes--> active, or back-off while that lasts

Follows upstream's `backend/queue`; called by `scheduler.scheduler` and `scheduler.cache.event_handlers`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog

from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.framework.binding_points import QueueSortPlugin
from scheduler.framework.checked import numbers
from scheduler.framework.events import Changed, ClusterEvent, Happened, Hint
from scheduler.plugins.queueing import PrioritySort
from scheduler.queue.places import MAX_EVENTS, GatedPods, InFlight, Place, PodHeap, QueuedPod
from scheduler.queue.unschedulable import RoomScreen, UnschedulablePods
from vaina.backoff import Backoff

log = structlog.stdlib.get_logger(__name__)

#: of Pods that failed: upstream's podInitialBackoffSeconds and podMaxBackoffSeconds
BACKOFF: Final = Backoff(base_seconds=1.0, cap_seconds=10.0, factor=2.0)
#: a Pod that nothing woke is tried again after this time (podMaxInUnschedulablePodsDuration)
MAX_UNSCHEDULABLE_SECONDS: Final = 300.0

#: labels of scheduler_queue_incoming_pods_total that are no cluster events
POD_ADD, POD_UPDATE = "PodAdd", "PodUpdate"
ATTEMPT_FAILURE, BACKOFF_COMPLETE = "ScheduleAttemptFailure", "BackoffComplete"
UNSCHEDULABLE_TIMEOUT, FORCE_ACTIVATE = "UnschedulableTimeout", "ForceActivate"

#: no plugin listens to an event
_NOBODY: Final[Mapping[str, Hint]] = {}


class SchedulingQueue:
    """All Pods that wait for a node. Owned by the scheduling task; every Pod is in exactly one place."""

    def __init__(  # noqa: PLR0913 - by keyword: what plugins say, and bounds
        self,
        *,
        hints: Mapping[ClusterEvent, Mapping[str, Hint]],
        gate: Callable[[PodClass], str] = lambda _pod: "",
        backoff: Backoff = BACKOFF,
        max_unschedulable_seconds: float = MAX_UNSCHEDULABLE_SECONDS,
        max_events: int = MAX_EVENTS,
        by_shape: frozenset[str] = frozenset(),
        by_class: frozenset[str] = frozenset(),
        screens: Mapping[str, RoomScreen] | None = None,
        sort: QueueSortPlugin | None = None,
    ) -> None:
        """Make an empty queue; `gate` returns the plugin that keeps a Pod out, or an empty text.

        `by_shape` are plugins whose hints do not look at a refused Pod's labels, `by_class` those whose hints
        look at nothing but the class of a Pod that came, changed or went.
        """
        self._hints, self._gate, self._backoff = hints, gate, backoff
        self._max_unschedulable = max_unschedulable_seconds
        self._sort = sort or PrioritySort()
        self._pods: dict[str, QueuedPod] = {}
        self._active: PodHeap[tuple[float, ...]] = PodHeap()
        #: by when they are due
        self._backing_off: PodHeap[float] = PodHeap()
        self._unschedulable = UnschedulablePods(by_shape, by_class, screens)
        self._gated = GatedPods()
        #: when all gates are asked again, whatever happened; None: nobody is gated
        self._gates_due: float | None = None
        self._in_flight = InFlight(max_events)
        #: (queue, event) -> Pods that came, since it was asked for
        self.incoming: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        """Return how many Pods wait; those in flight are not among them."""
        return len(self._pods) - len(self._in_flight)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    @property
    def ready(self) -> int:
        return len(self._active)

    def sizes(self) -> dict[str, int]:
        return {
            Place.ACTIVE: len(self._active),
            Place.BACKOFF: len(self._backing_off),
            Place.UNSCHEDULABLE: len(self._unschedulable),
            Place.GATED: len(self._gated),
        }

    def get(self, uid: str) -> QueuedPod | None:
        return self._pods.get(uid)

    def backoff_until(self, pod: QueuedPod) -> float:
        """Return when a Pod's back-off ends, had it one."""
        return pod.failed_at + self._backoff.delay(pod.attempts - 1) if pod.attempts else pod.failed_at

    def parked(self, limit: int) -> list[QueuedPod]:
        """Return Pods that wait for a hint, those that have waited longest first."""
        return self._unschedulable.first(limit)

    def uids(self) -> frozenset[str]:
        return frozenset(self._pods)

    def add(self, info: PodInfo, *, now: float) -> None:
        """Take in a Pod without a node, or what it is now; it is tried anew when it asks something else.

        A Pod in flight stays there: its new state counts when it fails.
        """
        known = self._pods.get(info.uid)
        if known is None:
            pod = self._pods[info.uid] = QueuedPod(info, added=now, since=now)
            self._enter(pod, POD_ADD)
            return
        same = known.info.pod_class is info.pod_class
        if same or known.place is Place.IN_FLIGHT:
            known.info = info
            return
        self._leave(known)
        known.info = info
        if known.place is not Place.ACTIVE:
            known.since = now
        self._wake(known, POD_UPDATE, now)

    def delete(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is not None:
            self._leave(pod)

    def pop(self, *, now: float) -> QueuedPod | None:
        """Take out the next Pod for an attempt. It is in flight until `park`, `requeue` or `delete`."""
        pod = self._active.pop()
        if pod is not None:
            _begin_attempt(pod, now)
            self._in_flight.began[pod.info.uid] = self._in_flight.position
        return pod

    def pop_like(self, pod_class: PodClass, *, now: float, most: int) -> Iterator[QueuedPod]:
        """Pop Pods as long as they are of a class. Nothing else may happen to the queue meanwhile."""
        active, began, position = self._active, self._in_flight.began, self._in_flight.position
        for _ in range(most):
            pod = active.pop(pod_class)
            if pod is None:
                return
            _begin_attempt(pod, now)
            began[pod.info.uid] = position
            yield pod

    def park(self, pod: QueuedPod, rejected_by: frozenset[str], *, now: float) -> None:
        """No node would take the Pod: wait for something that could help one of the plugins that refused it."""
        if not self._fail(pod, now):
            return
        events = self._in_flight.since(pod.info.uid)
        missed = events is None or any(
            self._helps(event, pod.info.pod_class, rejected_by) for event in events
        )
        self._leave(pod)
        pod.rejected_by = rejected_by
        gated = self._gate_of(pod)
        if gated:
            self._enter(pod, ATTEMPT_FAILURE)
        elif missed:
            self._back_off(pod, ATTEMPT_FAILURE)
        else:
            pod.place = Place.UNSCHEDULABLE
            self._unschedulable.add(pod)
            self.incoming[Place.UNSCHEDULABLE, ATTEMPT_FAILURE] += 1

    def requeue(self, pod: QueuedPod, *, now: float) -> None:
        """Its binding was refused, or something went wrong: try again after a back-off."""
        if not self._fail(pod, now):
            return
        self._leave(pod)
        pod.rejected_by = frozenset()
        self._back_off(pod, ATTEMPT_FAILURE)

    def on_event(
        self, event: ClusterEvent, before: Changed, after: Changed, *, now: float, but: str = ""
    ) -> int:
        """Something happened: wake the Pods it could help, but for one (uid); returns how many."""
        happened = (event, before, after)
        self._in_flight.note(happened)
        woken = self._ask_gates(happened, now) if len(self._gated) else 0
        if len(self._unschedulable):
            for pod in [*self._unschedulable.take(self._hints.get(event, _NOBODY), happened, self._helps)]:
                if pod.info.uid == but:
                    self._unschedulable.add(pod)
                    continue
                self._wake(pod, event, now)
                woken += 1
        return woken

    def activate(self, uid: str, *, now: float, at_once: bool = True) -> None:
        """Try a Pod again that was refused, whatever it waits for: at once, or when its back-off is over.

        For a Pod whose room was made for it (upstream's `Activate`). Others stay where they are.
        """
        pod = self._pods.get(uid)
        if pod is None or pod.place not in (Place.UNSCHEDULABLE, Place.BACKOFF):
            return
        self._leave(pod)
        pod.since = now
        if at_once:
            self._enter(pod, FORCE_ACTIVATE)
        else:
            self._wake(pod, FORCE_ACTIVATE, now)

    def advance(self, now: float) -> float | None:
        """Let due Pods go on; returns when the next one is due, None when none waits for time."""
        while (due := self._backing_off.first_key()) is not None and due <= now:
            pod = self._backing_off.pop()
            assert pod is not None
            pod.since = now
            self._enter(pod, BACKOFF_COMPLETE)
        for pod in self._unschedulable.take_older(now - self._max_unschedulable):
            pod.since = now
            self._wake(pod, UNSCHEDULABLE_TIMEOUT, now)
        if self._gates_due is not None and self._gates_due <= now:
            self._ask_gates(None, now)
            self._gates_due = None
        if not len(self._gated):
            self._gates_due = None
        elif self._gates_due is None:
            self._gates_due = now + self._max_unschedulable
        oldest = self._unschedulable.oldest()
        parked_until = None if oldest is None else oldest + self._max_unschedulable
        times = [self._backing_off.first_key(), parked_until, self._gates_due]
        return min((time for time in times if time is not None), default=None)

    def _fail(self, pod: QueuedPod, now: float) -> bool:
        """Note a failed attempt; False when the Pod has gone meanwhile."""
        if self._pods.get(pod.info.uid) is not pod or pod.place is not Place.IN_FLIGHT:
            return False
        pod.failed_at = pod.since = now
        return True

    def _helps(self, happened: Happened, pod: PodClass, rejected_by: frozenset[str]) -> bool:
        event, before, after = happened
        if not rejected_by:
            # Nobody said why (there was no node at all): anything may help.
            return True
        hints = self._hints.get(event, {})
        for plugin in rejected_by:
            hint = hints.get(plugin)
            if hint is None:
                continue
            try:
                if hint(pod, before, after):
                    return True
            except Exception:
                # A bug of a plugin must not stop the watches. As upstream: better one attempt too many.
                log.exception("queueing hint failed", plugin=plugin, cluster_event=event)
                return True
        return False

    def _ask_gates(self, happened: Happened | None, now: float) -> int:
        """Let Pods in that their plugin keeps out no longer; returns how many.

        Asked are plugins whose hint says that what happened may help, and all of them for None. Follows
        `moveEntitiesToActiveOrBackoffQueue` of upstream's `backend/queue/scheduling_queue.go`.
        """
        woken = 0
        listening = None if happened is None else self._hints.get(happened[0], _NOBODY)
        for plugin, pods in self._gated.groups(listening):
            first = pods[0]
            if happened is not None and not self._helps(happened, first.info.pod_class, frozenset((plugin,))):
                continue
            if self._gate_of(first) == plugin:
                continue
            for pod in pods:
                self._leave(pod)
                pod.since = now
                self._wake(pod, UNSCHEDULABLE_TIMEOUT if happened is None else happened[0], now)
            woken += len(pods)
        return woken

    def _gate_of(self, pod: QueuedPod) -> str:
        try:
            return self._gate(pod.info.pod_class)
        except Exception:
            # As with hints: one attempt too many is better than a Pod that nobody looks at.
            log.exception("gate failed", pod=pod.info.key)
            return ""

    def _wake(self, pod: QueuedPod, event: str, now: float) -> None:
        if self.backoff_until(pod) > now:
            self._back_off(pod, event)
        else:
            self._enter(pod, event)

    def _back_off(self, pod: QueuedPod, event: str) -> None:
        pod.place = Place.BACKOFF
        self._backing_off.push(self.backoff_until(pod), pod)
        self.incoming[Place.BACKOFF, event] += 1

    def _enter(self, pod: QueuedPod, event: str) -> None:
        if gate := self._gate_of(pod):
            pod.place, pod.gated_by = Place.GATED, gate
            self._gated.add(pod)
        else:
            pod.place = Place.ACTIVE
            self._active.push(self._sort_key(pod), pod)
        self.incoming[pod.place, event] += 1

    def _sort_key(self, pod: QueuedPod) -> tuple[float, ...]:
        """Return a Pod's place in the order; one about which the plugin fails goes last."""
        if type(self._sort) is PrioritySort:
            # Our own needs no look.
            return self._sort.sort_key(pod)
        try:
            return numbers(self._sort.name, "sort_key", self._sort.sort_key(pod))
        except Exception:
            log.exception("queue sort failed", plugin=self._sort.name, pod=pod.info.key)
            return (math.inf,)

    def _leave(self, pod: QueuedPod) -> None:
        uid, place = pod.info.uid, pod.place
        # By far the most: those that have got a node.
        if place is Place.IN_FLIGHT:
            del self._in_flight.began[uid]
            if not self._in_flight.began:
                self._in_flight.forget()
        elif place is Place.ACTIVE:
            self._active.discard(uid)
        elif place is Place.BACKOFF:
            self._backing_off.discard(uid)
        elif place is Place.UNSCHEDULABLE:
            self._unschedulable.discard(uid)
        else:
            self._gated.discard(pod)


def _begin_attempt(pod: QueuedPod, now: float) -> None:
    pod.place = Place.IN_FLIGHT
    pod.attempts += 1
    if pod.first_attempt is None:
        pod.first_attempt = now
