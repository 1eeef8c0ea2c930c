"""How bindings end: what follows for cache and queue, and who is told.

Called by `scheduler.bind.binding` and those who look bindings up.

acknowledged -> the Pod is done; Event Scheduled, step SCHEDULED, metrics
refused      -> its room is free again, and it waits a little
lost         -> acknowledged, and not bound after all: its room is free again, and it waits like a new one
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from scheduler.bind.binding import PendingBinding
from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodInfo
from scheduler.explain.decisions import DecisionLog
from scheduler.framework.events import ClusterEvent
from scheduler.framework.status import Unschedulable, fit_message
from scheduler.metrics import SchedulerMetrics
from scheduler.preempting import Preempting
from scheduler.queue.scheduling_queue import SchedulingQueue
from vaina.api.core.v1 import pod_pb2
from vaina.client.events import EventRecorder
from vaina.client.steps import StepReporter
from vaina.clock import Clock
from vaina.errors import ApiError
from vaina.steps import PodStep, may_have_trace

log = structlog.stdlib.get_logger(__name__)


class Listener(Protocol):
    """Who decides."""

    def happened(self, event: ClusterEvent, before: PodInfo | None) -> None:
        """Something did that the watch does not show."""
        ...

    def wake(self) -> None:
        """There may be something to decide."""
        ...


class Outcomes:
    """Takes in how bindings ended. Owned by the scheduling task."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        *,
        cache: Cache,
        queue: SchedulingQueue,
        preempting: Preempting,
        decisions: DecisionLog,
        metrics: SchedulerMetrics,
        recorders: Mapping[str, EventRecorder],
        reporter: StepReporter,
        clock: Clock,
        listener: Listener,
    ) -> None:
        """Make it.

        Args:
            cache: of nodes and Pods.
            queue: of Pods that wait.
            preempting: is told where room is kept, or free again.
            decisions: the ring, for refusals.
            metrics: what is counted.
            recorders: of events about Pods, by the name of the scheduler.
            reporter: of the step SCHEDULED.
            clock: the time.
            listener: is told what may help other Pods.
        """
        self._cache, self._queue, self._preempting = cache, queue, preempting
        self._decisions, self._metrics, self._recorders = decisions, metrics, recorders
        self._reporter, self._clock, self._listener = reporter, clock, listener

    def bound(self, bindings: Sequence[PendingBinding]) -> None:
        """Bindings were acknowledged."""
        now, wall = self._clock.monotonic(), self._clock.now()
        uids = [pending.uid for pending in bindings]
        self._cache.all_acknowledged(uids, now=now)
        self._queue.delete_all(uids)
        by_profile: dict[str, list[PendingBinding]] = {}
        for pending in bindings:
            name = pending.pod.info.pod_class.scheduler_name
            own = by_profile.get(name)
            if own is None:
                own = by_profile[name] = []
            own.append(pending)
            if may_have_trace(pending.uid):
                self._report(pending, wall, waited=now - pending.pod.added)
        for name, own in by_profile.items():
            self._recorders[name].events(
                [
                    (pod.info.pod, f"Successfully assigned {pod.info.key} to {where.node_name}")
                    for pod, where in [(pending.pod, pending.where) for pending in own]
                ],
                "Normal", "Scheduled",
            )  # fmt: skip
            self._metrics.scheduled(
                name,
                [now - pending.started for pending in own],
                [(now - pending.pod.added, pending.pod.attempts) for pending in own],
            )
        self._metrics.bind_batch.observe(len(bindings))
        if len(bindings) == 1:
            first = bindings[0]
            log.info("pod bound", pod=first.pod.info.key, node=first.where.node_name, step=PodStep.SCHEDULED)
        else:
            log.info("pods bound", pods=len(bindings), step=PodStep.SCHEDULED)
        self._listener.wake()

    def _report(self, pending: PendingBinding, wall: float, *, waited: float) -> None:
        where = pending.where
        self._reporter.report(
            pending.pod.info.pod.metadata, PodStep.SCHEDULED, wall - waited, wall,
            f"{where.node_name}, {where.feasible} of {where.evaluated} nodes fit", where.node_name,
        )  # fmt: skip

    def refused(self, pending: PendingBinding, error: ApiError) -> None:
        """A binding was refused: its room is free again, and the Pod has to wait a little."""
        now = self._clock.monotonic()
        info = self._cache.forget(pending.uid)
        name = pending.pod.info.pod_class.scheduler_name
        self._metrics.failed(name, "error", now - pending.started)
        if info is not None:
            node_name = pending.where.node_name
            self._preempting.unplaced(info, node_name)
            self._listener.happened(ClusterEvent.ASSIGNED_POD_DELETE, info.at(node_name))
        self._decisions.record_refused(pending.pod, pending.where.node_name, error.message, now=now)
        self._queue.requeue(pending.pod, now=now)
        log.info(
            "binding refused", pod=pending.pod.info.key, node=pending.where.node_name, error=error.message
        )
        if pending.uid in self._queue:
            self._recorders[name].event(
                pending.pod.info.pod, "Warning", "FailedScheduling", f"binding rejected: {error.message}"
            )
        self._listener.wake()

    def rejected(self, pending: PendingBinding, plugin: str, reason: str) -> None:
        """A plugin (Reserve, Permit) rejected the Pod on its node.

        Its room is free again, and it waits for what could help.

        As upstream (`handleBindingCycleError`), what it gives back wakes others, and not the Pod itself.
        """
        now, node_name = self._clock.monotonic(), pending.where.node_name
        info = self._cache.forget(pending.uid)
        name = pending.pod.info.pod_class.scheduler_name
        words = fit_message(1, {reason: 1})
        decision = Unschedulable(1, {reason: 1}, frozenset({plugin}), words)
        if info is not None:
            self._preempting.unplaced(info, node_name)
        self._decisions.record(pending.pod, decision, now)
        self._metrics.failed(name, "unschedulable", now - pending.started)
        self._queue.park(pending.pod, self._preempting.begin(pending.pod, decision), now=now)
        if info is not None:
            self._queue.on_event(
                ClusterEvent.ASSIGNED_POD_DELETE, info.at(node_name), None, now=now, but=pending.uid
            )
        log.info("pod rejected", pod=pending.pod.info.key, node=node_name, plugin=plugin, reason=reason)
        if pending.uid in self._queue and pending.pod.tell(words, now=now):
            self._recorders[name].event(pending.pod.info.pod, "Warning", "FailedScheduling", words)
        self._listener.wake()

    def lost(self, info: PodInfo, node_name: str, pod: pod_pb2.Pod | None) -> None:
        """A Pod is not bound after all, though its binding was acknowledged.

        Its room is free, and it waits again.
        """
        now = self._clock.monotonic()
        self._listener.happened(ClusterEvent.ASSIGNED_POD_DELETE, info.at(node_name))
        self._preempting.room_on(node_name)
        if pod is not None and not pod.metadata.HasField("deletion_timestamp"):
            self._queue.add(info, now=now)
        self._listener.wake()
