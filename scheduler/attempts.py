"""Attempts: a Pod is taken off the queue, decided for, and placed, parked or tried again.

After a Pod that got a node, Pods of the same class that come next are placed together as a run (decision
191): their rows are drawn one at a time (`scheduler.decide.cycle`), and all the rest is done once for all of
them: counting, remembering, handing over. It is what one Pod at a time would have done, in the same order. A
run ends where the next Pod is another one, where what follows from a placement is not known, and where
anything else is to be done for a Pod: room that is kept for others, a condition that waits to be written,
details of a decision. There is no await in it. Called by `scheduler.scheduler`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from scheduler.bind.binding import Binder, PendingBinding
from scheduler.bind.binding_cycle import BindingCycles
from scheduler.bind.volume_binding import VolumeBinder
from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodClass
from scheduler.conditions import SCHEDULER_ERROR, ConditionWriter
from scheduler.debug.plugin_check import PluginCheck
from scheduler.decide.cycle import Cycles
from scheduler.decide.ranking import TieBreak
from scheduler.explain.decisions import DecisionLog
from scheduler.framework.binding_points import BindingPoints
from scheduler.framework.checked import WrongAnswer
from scheduler.framework.runtime import Frameworks
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.metrics import SchedulerMetrics
from scheduler.plugins.volume_places import VolumeBinding
from scheduler.preempting import Preempting
from scheduler.queue.places import QueuedPod
from scheduler.queue.scheduling_queue import SchedulingQueue
from scheduler.volumes.catalogue import Catalogue, Plan
from vaina.client.events import EventRecorder
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: a turn goes on for so long before others have one
BUDGET_SECONDS: Final = 0.005
#: Pods of one run at most: some hundreds of microseconds
MOST: Final = 64


class Attempts:
    """Decides for Pods of the queue. Owned by the scheduling task."""

    def __init__(  # noqa: PLR0913 - the parts, handed in by the scheduler
        self,
        clock: Clock,
        cache: Cache,
        queue: SchedulingQueue,
        binder: Binder,
        *,
        frameworks: Frameworks,
        cycles: Mapping[str, Cycles],
        tie_break: TieBreak,
        preempting: Preempting,
        conditions: ConditionWriter,
        decisions: DecisionLog,
        metrics: SchedulerMetrics,
        recorders: Mapping[str, EventRecorder],
        volume_binder: VolumeBinder,
        catalogue: Catalogue,
        points: Mapping[str, BindingPoints],
        binding: BindingCycles,
        plugin_check: PluginCheck | None,
    ) -> None:
        """Make it; `points` are the plugins after a decision, by scheduler name, which `binding` asks."""
        self._clock, self._cache, self._queue, self._binder = clock, cache, queue, binder
        self._frameworks, self._cycles, self._tie_break = frameworks, cycles, tie_break
        self._preempting, self._conditions, self._decisions = preempting, conditions, decisions
        self._metrics, self._recorders = metrics, recorders
        self._volume_binder, self._catalogue = volume_binder, catalogue
        self._points, self._binding, self._plugin_check = points, binding, plugin_check
        #: scheduler name -> what binds the volumes of its Pods
        self._volumes = {
            framework.profile.name: plugin
            for framework in frameworks
            for plugin in framework.profile.filters
            if isinstance(plugin, VolumeBinding)
        }
        #: seconds of the decisions of this turn that found a node
        self._decided: list[float] = []

    def turn(self) -> int:
        """Decide for Pods until there are none, or the time is up; returns for how many."""
        clock, queue, binder = self._clock, self._queue, self._binder
        now = clock.monotonic()
        deadline = now + BUDGET_SECONDS
        self._decided = []
        decided = 0
        #: of the Pod before, when that got a node
        last: PodClass | None = None
        while not binder.full:
            count = 0 if last is None else self._go_on(last, now)
            if not count:
                pod = queue.pop(now=now)
                if pod is None:
                    break
                last = pod.info.pod_class if self._schedule(pod, now) else None
                count = 1
            decided += count
            # Most take microseconds; the first of a class, or a search for victims, a hundred milliseconds.
            now = clock.monotonic()
            if now > deadline:
                break
        if self._decided:
            self._metrics.decided(self._decided)
        self._frameworks.flush()
        return decided

    def _go_on(self, pod_class: PodClass, now: float) -> int:
        """Place Pods of the class that was decided last, while they come next; returns how many."""
        cache, binder, conditions = self._cache, self._binder, self._conditions
        if (
            pod_class.asked.terms or len(cache.nominations) or not conditions.idle or self._decisions.may_look(now)
        ):  # fmt: skip
            return 0
        coming = self._queue.pop_like(pod_class, now=now, most=min(MOST, binder.room))
        placed = self._cycles[pod_class.scheduler_name].run(pod_class, coming, self._tie_break)
        if not placed:
            return 0
        cache.assume_all(pod_class, [(pod.info, where.row, where.node_name) for pod, where in placed])
        self._decisions.record_all(pod_class, placed, now)
        binder.submit_all([PendingBinding(pod, pod.info.uid, where, now) for pod, where in placed])
        self._decided += [(self._clock.monotonic() - now) / len(placed)] * len(placed)
        return len(placed)

    def _schedule(self, pod: QueuedPod, now: float) -> bool:
        name = pod.info.pod_class.scheduler_name
        self._decisions.look(pod.info.pod_class, now)
        started = self._clock.monotonic()
        try:
            decision = self._preempting.decide(pod.info, self._cycles[name], self._tie_break)
            volumes = self._volumes.get(name) if pod.info.pod_class.claims else None
            plan = None
            if volumes is not None and isinstance(decision, Scheduled):
                plan = volumes.plan(pod.info.pod_class, self._cache.table.snapshot(), decision.row)
        except Exception as error:
            # A bug of ours, met by one Pod: it is tried again after a back-off, the others go on (I20).
            log.exception("cycle failed", pod=pod.info.key)
            self._metrics.failed(name, "error", self._clock.monotonic() - now)
            self._tell_error(pod, error, now)
            self._queue.requeue(pod, now=now)
            return False
        self._decisions.record(pod, decision, now)
        if isinstance(decision, Scheduled):
            self._decided.append(self._clock.monotonic() - started)
            place = partial(self._cache.assume, pod.info, decision.node_name)
            if self._plugin_check is None:
                place()
            else:
                profile = self._frameworks.of(pod.info.pod_class).profile
                self._plugin_check.place(pod.info, profile, decision.row, place)
            self._conditions.drop(pod.info.uid)
            pending = PendingBinding(pod, pod.info.uid, decision, now)
            points = self._points.get(name)
            if points is not None:
                self._through_points(pending, points, volumes, plan)
                # Plugins are asked about one Pod after the other: no run of Pods that are alike.
                return False
            if volumes is None or plan is None:
                self._binder.submit(pending)
            else:
                self._volume_binder.begin(pending, plan, timeout_seconds=volumes.timeout_seconds)
            # In the checking mode each placement is looked at by itself.
            return self._plugin_check is None
        self._park(pod, decision, now)
        return False

    def _through_points(
        self, pending: PendingBinding, points: BindingPoints, volumes: VolumeBinding | None, plan: Plan | None
    ) -> None:
        """Ask Reserve and Permit, and go on from there; what its volumes need is promised to the Pod before."""
        bind_volumes = None
        if volumes is not None and plan:
            self._catalogue.promise(pending.uid, plan)
            bind_volumes = partial(
                self._volume_binder.begin, pending, plan, timeout_seconds=volumes.timeout_seconds
            )
        observer = self._frameworks.of(pending.pod.info.pod_class).observer
        self._binding.begin(pending, points, bind_volumes, observer)

    def _tell_error(self, pod: QueuedPod, error: Exception, now: float) -> None:
        """Say that an attempt ended in an error (upstream: `handleSchedulingFailure`, SchedulerError)."""
        words = str(error) if isinstance(error, WrongAnswer) else f"{type(error).__name__}: {error}"
        self._decisions.record_error(pod, words, now=now)
        self._conditions.unschedulable(pod.info, words, reason=SCHEDULER_ERROR)
        if pod.tell(words, now=now):
            name = pod.info.pod_class.scheduler_name
            self._recorders[name].event(pod.info.pod, "Warning", "FailedScheduling", words)

    def _park(self, pod: QueuedPod, decision: Unschedulable, now: float) -> None:
        name = pod.info.pod_class.scheduler_name
        self._queue.park(pod, self._preempting.begin(pod, decision), now=now)
        if decision.victims and self._cache.nominations.node_of(pod.info.uid) == decision.nominated:
            self._decisions.record_preemption(pod, decision.nominated, decision.victims, now=now)
        self._metrics.failed(name, "unschedulable", self._clock.monotonic() - now)
        if pod.tell(decision.message, now=now):
            self._recorders[name].event(pod.info.pod, "Warning", "FailedScheduling", decision.message)
