"""The worker of one Pod: observe, report, decide, act, until nothing of the Pod is left. Shell.

Every pass looks at the runtime anew, so a worker that begins over (a restarted kubelet) does what is missing
and nothing else.
"""

import asyncio
from collections.abc import Callable

import structlog

from kubelet.decide.actions import Action, ContainerKind, PodPlan
from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import view_containers
from kubelet.decide.observation import VOLUMES_KEY, PodObservation, ProbeKind
from kubelet.decide.phase import TERMINAL
from kubelet.decide.resize import DEFERRED, Pending, desired, first_allocation, message, with_allocated
from kubelet.decide.status import DEADLINE_MESSAGE, is_same_wish
from kubelet.decide.termination import Ending, EndReason, Verdict, natural_ending, next_ending
from kubelet.pod.execute import ActionError, PodExecutor
from kubelet.pod.observe import PodMemory, observe
from kubelet.pod.report import PodReporter, StepWaits
from kubelet.pod.tools import PodTools
from kubelet.probes.http import Outcome
from kubelet.probes.prober import Prober
from kubelet.runtime.interface import RuntimeFailure
from kubelet.runtime.records import Uid
from kubelet.tasks import Children, wait_at_most
from kubelet.volumes.interface import VolumeFailed
from vaina.api.core.v1 import pod_pb2
from vaina.errors import ApiError
from vaina.objects.meta import key_of
from vaina.steps import PodStep

log = structlog.stdlib.get_logger(__name__)

WAITING_MESSAGE = "Waiting for the end of Pods on this node that were deleted by force"

_LOOK, _ROOM = "look", "room"


class PodWorker:
    """Owns one Pod: its memory, its probes and its tasks. All methods are called on one event loop."""

    def __init__(
        self,
        pod: pod_pb2.Pod,
        tools: PodTools,
        *,
        adopted: bool,
        judge: Callable[[pod_pb2.Pod], Pending | None],
        on_room: Callable[[], None],
        must_wait: Callable[[pod_pb2.Pod], bool],
    ) -> None:
        """Make a worker for the first wish.

        `adopted`: the runtime had something of the Pod before this kubelet began. `judge` says whether this
        node has room for a Pod that is resized, `must_wait` whether the Pod waits for the end of others
        before it starts; `on_room` is called when the Pod takes less of the node than before.
        """
        self.uid = Uid(pod.metadata.uid)
        #: the newest wish (the last one, when the Pod is gone)
        self.pod = pod
        #: no source has the Pod any more: the rest of it ends
        self.is_gone = False
        self._tools, self._adopted = tools, adopted
        self._judge, self._on_room, self._must_wait = judge, on_room, must_wait
        #: it has room on the node: nothing of it is started before
        self.may_start = adopted
        self._told_wait = False
        self._held_resources = True
        self._rejection: tuple[str, str] | None = None
        self._verdict: Verdict | None = None
        self._memory = PodMemory(first_seen=tools.clock.now())
        if adopted:
            # Objects in volumes may have changed while there was no kubelet.
            self._memory.refreshed_at = 0.0
        self._ending: Ending | None = None
        #: the ending of a Pod that has come to its end by itself, since that was first seen
        self._natural: Ending | None = None
        self._wake = asyncio.Event()
        #: its end is asked for: an action that takes long is given up
        self._ends = asyncio.Event()
        self._prober = Prober(
            tools.runtime, tools.clock, poke=self.poke, on_unhealthy=self._unhealthy, metrics=tools.metrics,
            rng=tools.rng,
        )  # fmt: skip
        self._step_waits = StepWaits(tools.steps, tools.node, tools.clock, over=adopted)
        self._reporter = PodReporter(tools, self._step_waits, started=adopted)
        self._failing = 0

    @property
    def allocated_pod(self) -> pod_pb2.Pod:
        """The newest wish, with the CPU and memory that this node has granted."""
        allocated = self._memory.allocated
        return self.pod if allocated is None else with_allocated(self.pod, allocated)

    @property
    def waits_for_room(self) -> bool:
        """Whether the Pod's start, or a resize, was put off because the node is full."""
        resized = self._memory.resize is not None and self._memory.resize.reason == DEFERRED
        return resized or not self.may_start

    @property
    def has_sandbox(self) -> bool:
        return self._memory.sandbox is not None

    @property
    def reported(self) -> pod_pb2.PodStatus:
        """The status that was reported last; before there is one, that of the newest wish."""
        return self._memory.reported if self._memory.reported is not None else self.pod.status

    @property
    def holds_resources(self) -> bool:
        """Whether the Pod counts against the node's allocatable: it is not known to have ended."""
        return self._rejection is None and self.reported.phase not in TERMINAL

    def wish(self, pod: pod_pb2.Pod | None) -> None:
        """Have the Pod so from now on; None: no source has it any more, and nothing of it may stay."""
        before, was_gone = self.pod, self.is_gone
        if pod is None or pod.metadata.HasField("deletion_timestamp"):
            self._ends.set()
        elif self._verdict is None:
            self._ends.clear()
        if pod is None:
            self.is_gone = True
        else:
            self.pod, self.is_gone = pod, False
            # The watch shows what was just reported.
            if not was_gone and is_same_wish(before, pod, self._memory.reported):
                return
            old, new = before.metadata, pod.metadata
            if old.labels != new.labels or old.annotations != new.annotations:
                # Files in volumes may show them.
                self._memory.refreshed_at = 0.0
        self._wake.set()

    def reject(self, reason: str, message: str) -> None:
        """Never run the Pod: it fails with this reason (`kubelet.admit`)."""
        self._rejection = reason, message
        self._wake.set()

    def evict(self, verdict: Verdict) -> bool:
        """End the Pod, which fails (`kubelet.eviction`). False: it ends already, or has ended."""
        if self._verdict is not None or self._ending is not None or not self.holds_resources:
            return False
        self._verdict = verdict
        self._ends.set()
        self._wake.set()
        return True

    def poke(self) -> None:
        """Look again: the runtime, a probe, a pull or a hook has something new."""
        self._wake.set()

    def retry_volumes(self) -> None:
        """Look again at volumes that failed: an object that they wait for has changed."""
        if self._memory.failures.pop(VOLUMES_KEY, None) is not None:
            self._wake.set()

    def restart(self) -> None:
        """Forget everything that is not in the runtime, as a restarted kubelet does."""
        self._memory = PodMemory(first_seen=self._memory.first_seen)
        self._adopted = True

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = Children(group)
            executor = PodExecutor(self._tools, self._memory, self._step_waits, tasks, self.poke, self._ends)
            try:
                await self._loop(tasks, executor)
            finally:
                self._prober.stop(self.pod)
                tasks.cancel()
        await self._tools.files.remove(self.uid)
        self._tools.cgroups.remove(self.uid)

    async def _loop(self, tasks: Children, executor: PodExecutor) -> None:
        before: tuple[Action, ...] = ()
        repeated = 0
        while True:
            plan = await self.sync_once(tasks, executor)
            if plan.terminal:
                return
            if not plan.actions:
                before, repeated = (), 0
                await self._wait(plan.wake_at)
                continue
            # The same actions are due again, so they changed nothing: try again later.
            repeated = repeated + 1 if plan.actions == before else 0
            before = plan.actions
            if repeated:
                delay = self._tools.settings.retry_backoff.delay(repeated - 1)
                await self._wait(self._tools.clock.now() + delay)

    async def _wait(self, until: float | None) -> None:
        clock = self._tools.clock
        seconds = self._tools.settings.resync_seconds
        if until is not None:
            seconds = min(seconds, until - clock.now())
        if seconds <= 0 or self._wake.is_set():
            await clock.sleep(0)
            return
        await wait_at_most(self._wake, clock, seconds)

    async def sync_once(self, tasks: Children, executor: PodExecutor) -> PodPlan:
        """Make one pass; return the plan, carried out as far as it went."""
        self._wake.clear()
        clock, settings = self._tools.clock, self._tools.settings
        pod, was_to_end = self._effective_pod(), self._ends.is_set()
        kind = "terminate" if self._ending else "sync" if self._memory.reported is not None else "create"
        begun = clock.monotonic()
        if kind == "create":
            self._tools.metrics.worker_start.observe(max(clock.now() - self._memory.first_seen, 0.0))
        try:
            self._decide_ending(pod)
            pod = self._allocate(pod)
            self._adopt_probes(pod)
            observed = await observe(
                pod, self._tools, self._memory, self._prober.results(), ending=self._ending is not None
            )
        except (RuntimeFailure, VolumeFailed, ApiError) as error:
            self._failing += 1
            log.warning("pod cannot be observed", pod=pod.metadata.name, uid=self.uid, error=str(error))
            step = PodStep.SANDBOXED if self._memory.sandbox is None else PodStep.STARTED
            self._step_waits.begin(pod, _LOOK, step, f"a look at it: {error}")
            return PodPlan(wake_at=clock.now() + settings.retry_backoff.delay(self._failing - 1))
        self._failing = 0
        self._step_waits.end(pod, _LOOK)
        now = clock.now()
        self._natural = natural_ending(pod, observed, now, before=self._natural)
        ending = self._ending or self._natural
        self._report(pod, observed, ending)
        self._attend(tasks, pod, observed, ending)
        if ending is None and not self._has_room(pod):
            return PodPlan()
        plan = compute_pod_plan(pod, observed, ending=ending, now=now, policy=settings.restarts)
        if ending is None and now - self._memory.refreshed_at >= settings.resync_seconds:
            self._memory.refreshed_at = now
            await executor.refresh_volumes(pod)
        for action in plan.actions:
            if self._ends.is_set() and not was_to_end:
                # Its end was asked for since: nothing of this plan holds any more.
                break
            try:
                await executor.execute(pod, action)
            except ActionError as error:
                log.warning(
                    "action failed", pod=pod.metadata.name, uid=self.uid,
                    action=type(error.action).__name__, error=str(error),
                )  # fmt: skip
                break
        if plan.stopped and ending is not None and ending.reason is EndReason.DELETED:
            self._tools.status.finish(pod)
        self._tools.metrics.worker.labels(kind).observe(clock.monotonic() - begun)
        return plan

    def _has_room(self, pod: pod_pb2.Pod) -> bool:
        """Say whether the Pod may start; from then on it may."""
        self.may_start = self.may_start or not self._must_wait(pod)
        if not self.may_start and not self._told_wait:
            self._told_wait = True
            self._tools.event(pod, "Normal", "WaitingForRoom", WAITING_MESSAGE)
            self._step_waits.begin(pod, _ROOM, PodStep.SANDBOXED, "Pods that were deleted by force to end")
            log.info("pod waits for room", pod=pod.metadata.name, uid=self.uid)
        if self.may_start:
            self._step_waits.end(pod, _ROOM)
        return self.may_start

    def _effective_pod(self) -> pod_pb2.Pod:
        if self._rejection is None:
            return self.pod
        pod = pod_pb2.Pod()
        pod.CopyFrom(self.pod)
        pod.status.phase = "Failed"
        pod.status.reason, pod.status.message = self._rejection
        return pod

    def _decide_ending(self, pod: pod_pb2.Pod) -> None:
        first_look = self._memory.reported is None
        before, tools = self._ending, self._tools
        said = self._memory.reported if self._memory.reported is not None else tools.status.shown(pod)
        self._ending = next_ending(
            before, pod, gone=self.is_gone, now=tools.clock.now(), adopted=self._adopted and first_look,
            verdict=self._verdict, said=said,
        )  # fmt: skip
        if before is None and self._ending is not None:
            if self._ending.reason is EndReason.DEADLINE_EXCEEDED:
                self._tools.event(pod, "Normal", "DeadlineExceeded", DEADLINE_MESSAGE)
            log.info("pod ends", pod=key_of(pod.metadata), uid=self.uid, reason=self._ending.reason)

    def _adopt_probes(self, pod: pod_pb2.Pod) -> None:
        if not self._adopted or self._memory.reported is not None:
            return
        for item in (*pod.status.init_container_statuses, *pod.status.container_statuses):
            _, _, container_id = item.container_id.rpartition("://")
            if container_id:
                self._prober.adopt(container_id, ready=item.ready, started=item.started)

    def _report(self, pod: pod_pb2.Pod, observed: PodObservation, ending: Ending | None) -> None:
        if self.is_gone:
            return
        self._reporter.report(self.pod, pod, observed, ending, self._memory)
        if self._held_resources and not self.holds_resources:
            self._held_resources = False
            self._on_room()

    def _allocate(self, pod: pod_pb2.Pod) -> pod_pb2.Pod:
        """Give the Pod the CPU and memory that it asks for, if the node has them; return it with what it has."""
        memory, event = self._memory, self._tools.event
        if memory.allocated is None:
            memory.allocated = first_allocation(pod)
        wished, before = desired(pod), memory.resize
        memory.resize = None
        if self._ending is None and wished != memory.allocated:
            memory.resize = self._judge(pod)
            if memory.resize is None:
                memory.allocated = wished
                event(pod, "Normal", "ResizeStarted", message("Pod resize started", pod))
                self._on_room()
            elif before != memory.resize:
                reason = memory.resize.reason
                words = message(f"Pod resize {reason}", pod, memory.resize.message)
                event(pod, "Warning", f"Resize{reason}", words)
        return with_allocated(pod, memory.allocated)

    def _unhealthy(self, spec: pod_pb2.Container, kind: ProbeKind, outcome: Outcome) -> None:
        reason, what = ("ProbeWarning", "warning") if outcome.succeeded else ("Unhealthy", "failed")
        words = f"{kind.value} probe {what}: {outcome.message}"
        self._tools.event(self.pod, "Warning", reason, words, spec.name)

    def _attend(
        self, tasks: Children, pod: pod_pb2.Pod, observed: PodObservation, ending: Ending | None
    ) -> None:
        running = {
            view.running.id: (view.spec, view.running)
            for view in view_containers(pod, observed)
            if view.running is not None
            and view.kind in {ContainerKind.SIDECAR, ContainerKind.MAIN}
            and view.running.id not in observed.post_start_pending
        }
        address = self._tools.node.pod_ip(pod, self._memory.sandbox)
        self._prober.sync(tasks, pod, running, address, ending=ending is not None)
