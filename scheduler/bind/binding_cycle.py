"""Takes a Pod that has its node through Reserve, Permit, PreBind, Bind and PostBind.

Called for profiles with such plugins only. It stands between those who decide, the binder and
`scheduler.bind.outcomes`: what is bound or refused passes by here, so that PostBind or Unreserve are called.
The order, and what a failure does, follow upstream's `bindingCycle` (`pkg/scheduler/schedule_one.go`): a Pod
that Reserve or Permit rejects is unschedulable, one that fails later is tried again after its back-off. An
exception of a plugin fails the Pod's attempt and nothing else.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import structlog

from scheduler.bind import binding
from scheduler.bind.binding import PendingBinding
from scheduler.columns.pod_info import PodInfo
from scheduler.framework import binding_points
from scheduler.framework.checked import WrongAnswer, text, truth
from scheduler.framework.interface import CycleState
from scheduler.framework.runtime import UNOBSERVED, Observer
from vaina.clock import Clock
from vaina.errors import ApiError, InternalError, NotFound, Timeout, TooManyRequests

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

#: Pods for which PreBind or Bind of plugins are under way; a further one is tried again after its back-off
MAX_RUNNING: Final = 1000
#: the time limits of Permit are looked at so often
TICK_SECONDS: Final = 1.0


class Outcome(binding.Outcome, Protocol):
    """Who is told how it ended; a Pod that failed is tried again after its back-off."""

    def rejected(self, pending: PendingBinding, plugin: str, reason: str) -> None:
        """This one was rejected by a plugin: it waits for something that could help."""


@dataclass(slots=True, eq=False)
class _Job:
    pending: PendingBinding
    info: PodInfo
    points: binding_points.BindingPoints
    #: what follows Permit: binding its volumes; None: it has none
    volumes: Callable[[], None] | None
    observer: Observer
    state: CycleState = field(default_factory=CycleState)

    @property
    def node_name(self) -> str:
        return self.pending.where.node_name


class _Point:
    """Takes the times of one extension point for one Pod, and of its plugins."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer, self._name = observer, name
        #: the plugin that is asked, and what the last one answered
        self.plugin, self.status = "", "Success"
        self._began = self._asked = observer.now()

    def ask(self, plugin: str) -> None:
        self.plugin, self._asked = plugin, self._observer.now()

    def answered(self, status: str = "Success") -> None:
        self.status = status
        self._observer.plugin(self.plugin, self._name, self._observer.now() - self._asked, status)

    def end(self) -> None:
        self._observer.extension_point(
            self._name, success=self.status == "Success", seconds=self._observer.now() - self._began,
            failed=self.status,
        )  # fmt: skip
        self._observer.flush()


class BindingCycles:
    """Pods on their way from a decision to their binding.

    Owned by the scheduling task; `run` is its own task on the same loop.
    """

    def __init__(
        self,
        clock: Clock,
        waiting: binding_points.WaitingPods,
        outcome: Outcome,
        *,
        submit: Callable[[PendingBinding], None],
        forget_volumes: Callable[[str], None],
    ) -> None:
        """Make it; `submit` takes a Pod that DefaultBinder is to bind."""
        self._clock, self._waiting, self._outcome, self._submit = clock, waiting, outcome, submit
        self._forget_volumes = forget_volumes
        self._jobs: dict[str, _Job] = {}
        self._new: list[_Job] = []
        self._running = 0
        self._wake = asyncio.Event()
        waiting.wake = self._wake.set

    def begin(
        self,
        pending: PendingBinding,
        points: binding_points.BindingPoints,
        volumes: Callable[[], None] | None = None,
        observer: Observer = UNOBSERVED,
    ) -> None:
        """Take a Pod that was assumed on its node: Reserve and Permit are asked at once."""
        job = _Job(pending, pending.pod.info, points, volumes, observer)
        self._jobs[pending.uid] = job
        with self._at(job, "Reserve") as point:
            for reserve in points.reserve:
                point.ask(reserve.name)
                why = text(reserve.name, "reserve", reserve.reserve(job.state, job.info, job.node_name))
                point.answered("Unschedulable" if why else "Success")
                if why:
                    self._reject(job, reserve.name, why)
                    return
        if pending.uid in self._jobs:
            self._permit(job)

    def _permit(self, job: _Job) -> None:
        waits: dict[str, tuple[float, float]] = {}
        now = self._clock.monotonic()
        with self._at(job, "Permit") as point:
            for permit in job.points.permit:
                point.ask(permit.name)
                result = _ask_permit(permit, job)
                if result.rejected:
                    point.answered("Unschedulable")
                    self._reject(job, permit.name, result.rejected)
                    return
                point.answered("Wait" if result.wait_seconds else "Success")
                if result.wait_seconds:
                    seconds = min(result.wait_seconds, binding_points.MAX_WAIT_SECONDS)
                    waits[permit.name] = (now + seconds, seconds)
            if waits:
                point.status = "Wait"
        if job.pending.uid not in self._jobs:
            # It failed, which was told.
            return
        if not waits:
            self._go_on(job)
        elif len(self._waiting) >= binding_points.MAX_WAITING:
            self.refused(
                job.pending, TooManyRequests(f"{binding_points.MAX_WAITING} pods are waiting at Permit")
            )
        else:
            self._waiting.add(job.info, job.node_name, waits)

    def volumes_bound(self, pending: PendingBinding) -> None:
        """The volumes of a Pod are bound: PreBind of the other plugins, or the binding, is next."""
        job = self._jobs.get(pending.uid)
        if job is None or not (job.points.pre_bind or job.points.bind or not job.points.default_binder):
            self._submit(pending)
        elif self._running >= MAX_RUNNING:
            self.refused(pending, TooManyRequests(f"plugins are binding {MAX_RUNNING} pods"))
        else:
            self._running += 1
            self._new.append(job)
            self._wake.set()

    def bound(self, bindings: Sequence[PendingBinding]) -> None:
        self._outcome.bound(bindings)
        for pending in bindings:
            job = self._jobs.pop(pending.uid, None)
            if job is not None:
                self._tell(job, "PostBind", [(item.name, item.post_bind) for item in job.points.post_bind])

    def refused(self, pending: PendingBinding, error: ApiError) -> None:
        self._unreserve(pending)
        self._outcome.refused(pending, error)

    def settle(self, uid: str, node_name: str) -> None:
        """The watch shows a Pod on a node, or gone (no node): it waits no longer (RejectWaitingPod)."""
        if self._waiting.get(uid) is not None:
            self._waiting.discard(uid)
            pending = self._jobs[uid].pending
            words = f"is on {node_name}" if node_name else "has gone"
            self.refused(pending, NotFound(f"pod {pending.pod.info.key} {words}"))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ticks(), name="permit-ticks")
            while True:
                await self._wake.wait()
                self._wake.clear()
                for waited in self._waiting.take_decided():
                    self._decided(waited)
                new, self._new = self._new, []
                for job in new:
                    group.create_task(self._bind(job), name=f"plugins-{job.info.key}")

    async def _ticks(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            if len(self._waiting):
                self._waiting.expire(self._clock.monotonic())

    def _decided(self, waited: binding_points.WaitingPod) -> None:
        job = self._jobs.get(waited.pod.uid)
        if job is None:
            return
        if waited.rejected is None:
            self._go_on(job)
        else:
            self._reject(job, *waited.rejected)

    def _go_on(self, job: _Job) -> None:
        if job.volumes is None:
            self.volumes_bound(job.pending)
        else:
            job.volumes()

    def _reject(self, job: _Job, plugin: str, reason: str) -> None:
        self._unreserve(job.pending)
        self._outcome.rejected(job.pending, plugin, reason)

    def _unreserve(self, pending: PendingBinding) -> None:
        job = self._jobs.pop(pending.uid, None)
        if job is None:
            return
        if job.volumes is not None:
            self._forget_volumes(pending.uid)
        reserved = reversed(job.points.reserve)
        self._tell(job, "Unreserve", [(plugin.name, plugin.unreserve) for plugin in reserved])

    def _tell(
        self, job: _Job, name: str, tells: Iterable[tuple[str, Callable[[CycleState, PodInfo, str], None]]]
    ) -> None:
        """Tell plugins what has happened; one that fails at it keeps nobody else from hearing it."""
        point = _Point(job.observer, name)
        for plugin, tell in tells:
            point.ask(plugin)
            try:
                tell(job.state, job.info, job.node_name)
            except Exception:
                log.exception("plugin failed", plugin=plugin, point=name, pod=job.info.key)
            point.answered()
        point.end()

    @contextmanager
    def _at(self, job: _Job, name: str) -> Iterator[_Point]:
        """Take the times of an extension point; what a plugin raises there fails the Pod's attempt."""
        point = _Point(job.observer, name)
        try:
            yield point
        except Exception as error:  # noqa: BLE001 - told with the name of the plugin
            point.answered("Error")
            self._fail(job, name, point.plugin, error)
        point.end()

    async def _bind(self, job: _Job) -> None:
        try:
            bound = await self._pre_bind(job) and await self._bind_by_plugin(job)
        finally:
            self._running -= 1
        if bound:
            self.bound([job.pending])
        elif job.pending.uid not in self._jobs:
            # It failed, which was told.
            return
        elif job.points.default_binder:
            self._submit(job.pending)
        else:
            self.refused(job.pending, InternalError("no bind plugin took the pod"))

    async def _pre_bind(self, job: _Job) -> bool:
        with self._at(job, "PreBind") as point:
            for plugin in job.points.pre_bind:
                point.ask(plugin.name)
                answer = await self._within(plugin, plugin.pre_bind(job.state, job.info, job.node_name))
                if why := text(plugin.name, "pre_bind", answer):
                    raise InternalError(why)
                point.answered()
        return point.status == "Success"

    async def _bind_by_plugin(self, job: _Job) -> bool:
        """Ask the binders in their order; say whether one of them bound the Pod."""
        with self._at(job, "Bind") as point:
            for plugin in job.points.bind:
                point.ask(plugin.name)
                answer = await self._within(plugin, plugin.bind(job.state, job.info, job.node_name))
                bound = truth(plugin.name, "bind", answer)
                point.answered("Success" if bound else "Skip")
                if bound:
                    return True
        return False

    def _fail(self, job: _Job, point: str, plugin: str, error: Exception) -> None:
        log.error("plugin failed", plugin=plugin, point=point, pod=job.info.key, exc_info=error)
        self.refused(job.pending, _failure(point, plugin, error))

    async def _within(self, plugin: object, answer: Awaitable[T]) -> T:
        """Wait for an answer as long as the plugin may take. Raises Timeout."""
        seconds = float(getattr(plugin, "timeout_seconds", binding_points.TIMEOUT_SECONDS))
        answers: list[T] = []
        errors: list[Exception] = []

        async def ask() -> None:
            try:
                answers.append(await answer)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises; it is told, with its name
                errors.append(error)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask()), group.create_task(self._clock.sleep(seconds))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        if errors:
            raise errors[0]
        if not answers:
            raise Timeout(f"no answer within {seconds:g}s")
        return answers[0]


def _ask_permit(plugin: binding_points.PermitPlugin, job: _Job) -> binding_points.PermitResult:
    result: object = plugin.permit(job.state, job.info, job.node_name)
    if result is binding_points.APPROVE:
        return binding_points.APPROVE
    if not isinstance(result, binding_points.PermitResult):
        words = f"answers permit with {type(result).__name__}, it should be a PermitResult"
        raise WrongAnswer(f'plugin "{plugin.name}" {words}')
    text(plugin.name, "rejected of permit", result.rejected)
    seconds: object = result.wait_seconds
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        words = f"answers wait_seconds of permit with {seconds!r}, it should be 0 or more seconds"
        raise WrongAnswer(f'plugin "{plugin.name}" {words}')
    return result


def _failure(point: str, plugin: str, error: Exception) -> InternalError:
    words = str(error) if isinstance(error, ApiError | WrongAnswer) else f"{type(error).__name__}: {error}"
    return InternalError(f'running {point} plugin "{plugin}": {words}')
