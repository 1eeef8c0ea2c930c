"""Preemption around the cycle: who has a node in view, what is begun for a Pod that fits nowhere, and when it
is tried again.

    no node would do, victims found -> nominated, victims handed to `eviction`, parked
    parked, its victims are gone (or the node would do before) -> tried again at once, that node first
    placed elsewhere, deleted, or the node will not do any more -> nomination given back

A Pod that waits for its victims is not woken by what happens on other nodes, unless there is room for it
where nobody else is to come: otherwise each victim that ends would wake everybody. Called by
`scheduler.scheduler` and `scheduler.cache.event_handlers`.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from scheduler.cache.cache import Cache
from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.conditions import ConditionWriter
from scheduler.decide.cycle import Cycles
from scheduler.decide.ranking import TieBreak
from scheduler.eviction import Evictor, Preemption
from scheduler.framework.events import Changed, ClaimsChanged, ClusterEvent, Hint
from scheduler.framework.interface import Reach
from scheduler.framework.status import Decision, Scheduled, Unschedulable
from scheduler.metrics import PreemptionMetrics
from scheduler.plugins.default_preemption import DefaultPreemption, PreemptionContext, is_preempted
from scheduler.queue.places import QueuedPod
from scheduler.queue.scheduling_queue import SchedulingQueue
from vaina.clock import Clock
from vaina.errors import ApiError

log = structlog.stdlib.get_logger(__name__)

#: what refused a Pod that waits for its victims
WAITING: Final = DefaultPreemption.name
#: victims that are named in the log
NAMED: Final = 10
#: events after which there may be room on one node that was not there before
ROOM: Final = (
    ClusterEvent.NODE_ADD,
    ClusterEvent.NODE_UPDATE_ALLOCATABLE,
    ClusterEvent.NODE_UPDATE_LABEL,
    ClusterEvent.NODE_UPDATE_TAINT,
    ClusterEvent.ASSIGNED_POD_SCALE_DOWN,
    ClusterEvent.ASSIGNED_POD_DELETE,
)


class Preempting:
    """Nominations and what follows from them. Owned by the scheduling task."""

    def __init__(
        self,
        cache: Cache,
        *,
        context: PreemptionContext,
        clock: Clock,
        metrics: PreemptionMetrics,
        conditions: ConditionWriter,
        reaches: Mapping[str, Reach],
        wake: Callable[[], None],
    ) -> None:
        """Make it; `begins` is called before the first decision, `reaches` are those of the filters."""
        self._cache, self._context, self._clock = cache, context, clock
        self._metrics, self._conditions, self._wake = metrics, conditions, wake
        self._far = frozenset(name for name, reach in reaches.items() if reach > Reach.ROW)
        self._queue: SchedulingQueue
        self._evictor: Evictor

    def begins(self, queue: SchedulingQueue, evictor: Evictor) -> None:
        """Take what is made with this: the queue has its hints, the evictor tells it how preemptions end."""
        self._queue, self._evictor = queue, evictor

    def decide(self, info: PodInfo, cycles: Cycles, tie_break: TieBreak) -> Decision:
        nominations = self._cache.nominations
        lifted = nominations.lift(info.uid)
        if lifted is None:
            return cycles.decide(info.pod_class, tie_break)
        keep = True
        try:
            decision = cycles.decide(info.pod_class, tie_break, lifted.node_name)
            keep = isinstance(decision, Unschedulable) and decision.waits
        finally:
            if keep:
                nominations.restore(lifted)
        if not keep and not (isinstance(decision, Scheduled) and decision.node_name == lifted.node_name):
            self._given_back(info, lifted.node_name)
        return decision

    def begin(self, pod: QueuedPod, decision: Unschedulable) -> frozenset[str]:
        """No node would do: begin what was found, and say why; returns what the Pod is parked by."""
        self._metrics.attempts.inc()
        info, nominations = pod.info, self._cache.nominations
        if decision.nominated and not self._evictor.full:
            self._begin(info, decision)
            self._conditions.unschedulable(info, decision.message, decision.nominated)
        elif decision.waits:
            self._conditions.unschedulable(info, decision.message)
        else:
            nominations.remove(info.uid)
            self._conditions.unschedulable(info, decision.message, "")
        if not nominations.node_of(info.uid):
            return decision.rejected_by
        return (decision.rejected_by & self._far) | {WAITING}

    def _begin(self, info: PodInfo, decision: Unschedulable) -> None:
        nominations, node = self._cache.nominations, decision.nominated
        for other in nominations.on(node):
            if other.pod_class.priority < info.pod_class.priority:
                # It may not fit there any more; it looks for another place at once.
                nominations.remove(other.uid)
                self._conditions.nominate(other, "")
                self._queue.activate(other.uid, now=self._clock.monotonic())
        nominations.put(info, node)
        self._metrics.victims.observe(len(decision.victims))
        victims = tuple(victim for victim in decision.victims if not self._is_leaving(victim))
        log.info(
            "preempting", pod=info.key, uid=info.uid, node=node, victims=len(victims),
            first=[f"{victim.key} {victim.uid}" for victim in victims[:NAMED]],
        )  # fmt: skip
        if victims:
            self._context.evicting.update(victim.uid for victim in victims)
            self._evictor.submit(Preemption(info, node, victims))

    def ended(self, preemption: Preemption, error: ApiError | None) -> None:
        """Victims are on their way out, or one could not be evicted: then the Pod decides afresh."""
        if error is None:
            return
        for victim in preemption.victims:
            self._context.evicting.discard(victim.uid)
        log.warning("preemption failed", pod=preemption.preemptor.key, error=error.message)
        self._queue.activate(preemption.preemptor.uid, now=self._clock.monotonic(), at_once=False)
        self._wake()

    def observe(self, info: PodInfo) -> None:
        if not len(self._cache.nominations) and not info.nominated_node_name:
            # By far the most.
            return
        if self._cache.get(info.uid) is not None:
            # One that is placed already has its room; what it had in view before is no news.
            return
        nominations = self._cache.nominations
        before = nominations.node_of(info.uid)
        nominations.observe(info)
        if before and nominations.node_of(info.uid) != before:
            # Somebody else has changed it: what it is parked for may never come.
            self._given_back(info, before)
            self._queue.activate(info.uid, now=self._clock.monotonic())

    def placed(self, uid: str, node_name: str) -> None:
        known = self._cache.nominations.lift(uid)
        if known is not None and known.node_name != node_name:
            self._given_back(known.info, known.node_name)

    def unplaced(self, info: PodInfo, node_name: str) -> None:
        """A binding was refused: the Pod has in view what its status says, and there is room again."""
        self._cache.nominations.observe(info)
        self.room_on(node_name)

    def gone(self, uid: str) -> None:
        self._context.evicting.discard(uid)
        known = self._cache.nominations.lift(uid)
        if known is not None:
            self._given_back(known.info, known.node_name)

    def _given_back(self, info: PodInfo, node_name: str) -> None:
        """Room is kept for a Pod no longer: for others that is as if one had gone."""
        now = self._clock.monotonic()
        self._queue.on_event(ClusterEvent.ASSIGNED_POD_DELETE, info.at(node_name), None, now=now)
        self.room_on(node_name)

    def room_on(self, node_name: str) -> None:
        """Something changed on a node: who waits for it is tried again if nothing more is to be waited for."""
        nominations = self._cache.nominations
        for info in nominations.on(node_name):
            if not self._is_waited_for(info, node_name) or self._has_room(info.pod_class, node_name, info):
                self._queue.activate(info.uid, now=self._clock.monotonic())

    def node_gone(self, node_name: str) -> None:
        for info in self._cache.nominations.on(node_name):
            self._cache.nominations.remove(info.uid)
            self._conditions.nominate(info, "")
            self._queue.activate(info.uid, now=self._clock.monotonic())

    def hints(self, others: Mapping[ClusterEvent, Mapping[str, Hint]]) -> dict[ClusterEvent, dict[str, Hint]]:
        found = {event: dict(hints) for event, hints in others.items()}
        for event in ROOM:
            found.setdefault(event, {})[WAITING] = self._could_go
        return found

    def _could_go(self, pod: PodClass, before: Changed, after: Changed) -> bool:
        """Say whether there is room for a waiting Pod on a node that changed, and that nobody has in view."""
        changed = after or before
        if changed is None or isinstance(changed, ClaimsChanged):
            return False
        node_name = changed.name if isinstance(changed, NodeInfo) else changed.node_name
        return not self._cache.nominations.on(node_name) and self._has_room(pod, node_name)

    def _has_room(self, pod: PodClass, node_name: str, but: PodInfo | None = None) -> bool:
        table = self._cache.table
        row = table.rows.get(node_name)
        if row is None:
            return False
        return table.has_room(row, pod, but=but.pod_class if but else None)

    def _is_waited_for(self, info: PodInfo, node_name: str) -> bool:
        priority = info.pod_class.priority
        return any(
            other.pod_class.priority < priority and self._is_leaving(other)
            for other in self._cache.on(node_name)
        )

    def _is_leaving(self, pod: PodInfo) -> bool:
        return pod.uid in self._context.evicting or is_preempted(pod)
