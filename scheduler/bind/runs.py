"""A run: Pods of one class that come one after the other, decided as ever and then placed together.

Deciding stays one Pod at a time, because a random tie depends on how many rows are left in it; but where the
next decision was computed in advance (`scheduler.decide.ahead`), no column is read in between. So the
rows are chosen first, and all that a placement means for columns, cache, ring and binder is done once for all
of them. Whatever is not the common case ends the run, and is dealt with by `scheduler.scheduler`, which calls
this after each Pod that got a node.
"""

from collections.abc import Mapping
from typing import Final

from scheduler.bind.binding import Binder, PendingBinding
from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodClass
from scheduler.conditions import ConditionWriter
from scheduler.decide.cycles import Cycles
from scheduler.decide.ranking import TieBreak
from scheduler.explain.decisions import DecisionLog
from scheduler.queue.scheduling_queue import SchedulingQueue

#: Pods of one run at most: some hundreds of microseconds
MOST: Final = 64


class Runs:
    """Decides for Pods that are like the one before. Owned by the scheduling task."""

    def __init__(
        self,
        queue: SchedulingQueue,
        cache: Cache,
        binder: Binder,
        *,
        cycles: Mapping[str, Cycles],
        conditions: ConditionWriter,
        decisions: DecisionLog,
        tie_break: TieBreak,
    ) -> None:
        """Make it.

        Args:
            queue: of Pods that wait.
            cache: of nodes and Pods.
            binder: is handed the bindings.
            cycles: the classes that were lately decided, by scheduler name.
            conditions: nothing of what it has to write may be about these Pods.
            decisions: the ring.
            tie_break: chooses among equally good nodes.
        """
        self._queue, self._cache, self._binder, self._cycles = queue, cache, binder, cycles
        self._conditions, self._decisions, self._tie_break = conditions, decisions, tie_break

    def go_on(self, pod_class: PodClass, now: float) -> int:
        """Place Pods of the class that was decided last, as long as they come next and their rows are known.

        Returns how many.
        """
        cache, binder = self._cache, self._binder
        if pod_class.asked.terms:
            return 0
        if len(cache.nominations) or not self._conditions.idle or self._decisions.may_look(now):
            return 0
        coming = self._queue.pop_like(pod_class, now=now, most=min(MOST, binder.room))
        chosen = self._cycles[pod_class.scheduler_name].run(pod_class, coming, self._tie_break)
        if chosen:
            cache.assume_all(pod_class, [(pod.info, where.row, where.node_name) for pod, where in chosen])
            self._decisions.record_all(pod_class, chosen, now)
            binder.submit_all([PendingBinding(pod, pod.info.uid, where, now) for pod, where in chosen])
        return len(chosen)
