"""How bindings end: what follows for cache and queue, and who is told.

Called by `scheduler.bind.binding` and those who look bindings up.

acknowledged -> the Pod is done; Event Scheduled, step SCHEDULED, metrics
refused      -> its room is free again, and it waits a little
lost         -> acknowledged, and not bound after all: its room is free again, and it waits like a new one
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

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
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import ApiError, NotFound
from vaina.steps import PodStep, may_have_trace

log = structlog.stdlib.get_logger(__name__)


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
        happened: Callable[[ClusterEvent, PodInfo], None],
        wake: Callable[[], None],
    ) -> None:
        """Make it; `happened` is told what may help other Pods, `wake` lets decisions go on."""
        self._cache, self._queue, self._preempting = cache, queue, preempting
        self._decisions, self._metrics, self._recorders = decisions, metrics, recorders
        self._reporter, self._clock, self._happened, self._wake = reporter, clock, happened, wake

    def bound(self, bindings: Sequence[PendingBinding]) -> None:
        now, wall = self._clock.monotonic(), self._clock.now()
        by_profile: dict[str, list[PendingBinding]] = {}
        for pending in bindings:
            self._cache.acknowledged(pending.uid, now=now)
            self._queue.delete(pending.uid)
            by_profile.setdefault(pending.pod.info.pod_class.scheduler_name, []).append(pending)
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
        self._wake()

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
            self._happened(ClusterEvent.ASSIGNED_POD_DELETE, info.at(node_name))
        self._decisions.record_refused(pending.pod, pending.where.node_name, error.message, now=now)
        self._queue.requeue(pending.pod, now=now)
        log.info(
            "binding refused", pod=pending.pod.info.key, node=pending.where.node_name, error=error.message
        )
        if pending.uid in self._queue:
            self._recorders[name].event(
                pending.pod.info.pod, "Warning", "FailedScheduling", f"binding rejected: {error.message}"
            )
        self._wake()

    def rejected(self, pending: PendingBinding, plugin: str, reason: str) -> None:
        """A plugin (Reserve, Permit) rejected the Pod: its room is free, it waits for what could help.

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
        self._wake()

    def lost(self, info: PodInfo, node_name: str, pod: pod_pb2.Pod | None) -> None:
        """A Pod is not bound though its binding was acknowledged: its room is free, and it waits again."""
        now = self._clock.monotonic()
        self._happened(ClusterEvent.ASSIGNED_POD_DELETE, info.at(node_name))
        self._preempting.room_on(node_name)
        if pod is not None and not pod.metadata.HasField("deletion_timestamp"):
            self._queue.add(info, now=now)
        self._wake()


log = structlog.stdlib.get_logger(__name__)

#: between two looks
TICK_SECONDS: Final = 1.0
#: Pods that are looked up in one
LOOK_UPS: Final = 10

#: told of a Pod that is not bound after all: what was assumed, where, and the Pod as it is (None: it is gone)
Lost = Callable[[PodInfo, str, pod_pb2.Pod | None], None]


class OverdueBindings:
    """Looks up bindings that were acknowledged long ago and that the watch has not shown: they would take room.

    Owned by the scheduling task; `run` is a task of its own on the same loop, so that an apiserver that does not
    answer holds up nobody's back-off.
    """

    def __init__(self, client: PodClient, clock: Clock, cache: Cache, lost: Lost) -> None:
        self._client, self._clock, self._cache, self._lost = client, clock, cache, lost

    async def run(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            for info in self._cache.overdue(now=self._clock.monotonic())[:LOOK_UPS]:
                await self._look_up(info)

    async def _look_up(self, info: PodInfo) -> None:
        pod: pod_pb2.Pod | None
        try:
            pod = await self._client.get(info.name, info.namespace)
        except NotFound:
            pod = None
        except ApiError as error:
            log.debug("assumed pod not looked up", pod=info.key, uid=info.uid, error=error.message)
            return
        held = self._cache.get(info.uid)
        if held is None or not held.assumed:
            return
        log.warning("the watch has not shown a binding", pod=info.key, uid=info.uid, node=held.node_name)
        if pod is not None and pod.metadata.uid != info.uid:
            pod = None
        if pod is not None and pod.spec.node_name:
            self._cache.acknowledged(info.uid, now=self._clock.monotonic())
            return
        self._cache.forget(info.uid)
        self._lost(info, held.node_name, pod)
