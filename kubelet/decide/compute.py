"""The heart of the kubelet: what to do next for a Pod, given what is known of it. PURE.

It plans steps 4 (sandbox), 5 (volumes) and 6 (init containers one by one, sidecars in order, main containers
together), restarts with back-off, and what liveness and startup probes ask for. Follows computePodActions
(`pkg/kubelet/kuberuntime/kuberuntime_manager.go`) and SyncPod (`pkg/kubelet/kubelet.go`): no sandbox is made
before all is there that the volumes need.
"""

from dataclasses import dataclass, field

from kubelet.decide import actions, containers
from kubelet.decide.observation import (
    SANDBOX_KEY,
    VOLUMES_KEY,
    HookProgress,
    ImageObservation,
    ImageProgress,
    PodObservation,
    ProbeKind,
    ProbeResult,
    resize_key,
    start_key,
)
from kubelet.decide.resize import needs_restart, sizes_of
from kubelet.decide.termination import (
    Ending,
    active_deadline,
    compute_restart_all,
    compute_termination,
    grace_seconds,
    natural_ending,
    restarts_all,
    stop_container,
)
from kubelet.runtime.records import ContainerPhase, ContainerState
from vaina.api.core.v1 import pod_pb2


def compute_pod_plan(
    pod: pod_pb2.Pod,
    observed: PodObservation,
    *,
    ending: Ending | None,
    now: float,
    policy: containers.RestartPolicy,
) -> actions.PodPlan:
    """Return what to do now for a Pod; empty when nothing is to be done until something changes.

    `observed` is newer than the end of the last action, or a start would be done twice.
    """
    ending = ending or natural_ending(pod, observed, now)
    if ending is not None:
        return compute_termination(pod, observed, ending, now)
    if restarts_all(pod, observed):
        return compute_restart_all(pod, observed, now)
    planner = _Planner(pod, observed, containers.view_containers(pod, observed), now, policy)
    planner.plan()
    return actions.PodPlan(
        tuple(planner.due), actions.earliest(planner.wake_at, active_deadline(pod, observed.said))
    )


@dataclass(slots=True)
class _Planner:
    """Collects the actions of one plan. Lives for one call and changes nothing outside."""

    pod: pod_pb2.Pod
    observed: PodObservation
    views: tuple[containers.ContainerView, ...]
    now: float
    policy: containers.RestartPolicy
    due: list[actions.Action] = field(default_factory=list)
    wake_at: float | None = None

    def plan(self) -> None:
        self._collect_garbage()
        if self._sandbox() and self._for_volumes(actions.MountVolumes):
            self._containers()

    def _wake(self, at: float) -> None:
        self.wake_at = actions.earliest(self.wake_at, at)

    def _backing_off(self, key: str) -> bool:
        failure = self.observed.failures.get(key)
        if failure is None or failure.retry_at <= self.now:
            return False
        self._wake(failure.retry_at)
        return True

    def _collect_garbage(self) -> None:
        # Of each container the newest attempt is kept, and one before it for lastState and the previous log.
        kept = {
            state.id for view in self.views for state in (view.current, view.previous) if state is not None
        }
        holding = {state.sandbox_id for state in self.observed.containers if state.id in kept}
        newest = max((sandbox.attempt for sandbox in self.observed.sandboxes), default=0)
        surplus = {
            sandbox.id
            for sandbox in self.observed.sandboxes
            if sandbox.attempt < newest and not self.observed.holds(sandbox) and sandbox.id not in holding
        }
        self.due.extend(actions.RemoveSandbox(sandbox_id) for sandbox_id in sorted(surplus))
        self.due.extend(
            actions.RemoveContainer(state.id)
            for state in self.observed.containers
            if state.id not in kept
            and state.sandbox_id not in surplus
            and state.phase is ContainerPhase.EXITED
        )

    def _sandbox(self) -> bool:
        """Plan for exactly one sandbox; say whether the same pass may go on."""
        newest = containers.current_sandbox(self.observed)
        old = [sandbox for sandbox in self.observed.sandboxes if newest is None or sandbox.id != newest.id]
        running = [
            state
            for state in self.observed.containers
            if state.phase is ContainerPhase.RUNNING and (newest is None or state.sandbox_id != newest.id)
        ]
        specs = {view.name: view.spec for view in self.views}
        for state in running:
            # A container outside the sandbox has lost its network: it is ended first (I2, I3).
            action, again = stop_container(
                state, specs.get(state.name), self.observed, actions.KillReason.SANDBOX_CHANGED,
                deadline=self.now + grace_seconds(self.pod), now=self.now,
            )  # fmt: skip
            if action is not None:
                self.due.append(action)
            self._wake(again)
        if running:
            return False
        self.due.extend(actions.StopSandbox(sandbox.id) for sandbox in old if self.observed.holds(sandbox))
        if newest is not None:
            return True
        if self._backing_off(SANDBOX_KEY) or not self._for_volumes(actions.PrepareVolumes):
            return False
        attempt = max((sandbox.attempt for sandbox in self.observed.sandboxes), default=-1) + 1
        self.due.append(actions.CreateSandbox(attempt))
        return True

    def _for_volumes(self, action: type[actions.PrepareVolumes] | type[actions.MountVolumes]) -> bool:
        """Plan an action for the volumes that are not mounted; say whether the same pass may go on."""
        mounted = self.observed.mounted
        missing = tuple(volume.name for volume in self.pod.spec.volumes if volume.name not in mounted)
        if missing:
            if self._backing_off(VOLUMES_KEY):
                return False
            self.due.append(action(missing))
        return True

    def _containers(self) -> None:
        for view in self.views:
            if view.kind is actions.ContainerKind.EPHEMERAL and view.exited is None and not view.running:
                # An ephemeral container starts once, whatever the others do.
                self._start(view)
        if not containers.is_initialized(self.pod, self.views, self.observed):
            self._initialize()
            return
        for view in self.views:
            if view.kind in {actions.ContainerKind.SIDECAR, actions.ContainerKind.MAIN}:
                self._keep_running(view)

    def _initialize(self) -> None:
        """Plan for the init containers up to the first that is not done, and for sidecars that run."""
        waits = False
        for view in self.views:
            if view.kind is actions.ContainerKind.MAIN:
                return
            if view.kind is actions.ContainerKind.SIDECAR:
                if not waits:
                    self._keep_running(view)
                elif view.running is not None and view.in_sandbox:
                    self._check_health(view, view.running)
                waits = waits or not containers.is_started(view, self.observed)
            elif not waits and not containers.init_done(self.pod, view):
                waits = True
                if not (view.running and view.in_sandbox):
                    self._start(view)

    def _keep_running(self, view: containers.ContainerView) -> None:
        if view.running is not None and view.in_sandbox:
            self._check_health(view, view.running)
        elif view.exited is None or containers.restart_wanted(view, self.pod, self.observed):
            self._start(view)

    def _check_health(self, view: containers.ContainerView, running: ContainerState) -> None:
        stopping = self.observed.stopping.get(running.id)
        reason = (
            self._fault(running.id) or self._resize(view, running.id) if stopping is None else stopping.reason
        )
        if reason is None:
            return
        action, again = stop_container(
            running, view.spec, self.observed, reason,
            deadline=self.now + self._kill_grace(view, reason), now=self.now,
        )  # fmt: skip
        if action is not None:
            self.due.append(action)
        self._wake(again)

    def _fault(self, container_id: str) -> actions.KillReason | None:
        if self.observed.post_start.get(container_id) is HookProgress.FAILED:
            return actions.KillReason.POST_START
        if self.observed.probes.get((container_id, ProbeKind.STARTUP)) is ProbeResult.FAILURE:
            return actions.KillReason.STARTUP
        if self.observed.probes.get((container_id, ProbeKind.LIVENESS)) is ProbeResult.FAILURE:
            return actions.KillReason.LIVENESS
        return None

    def _resize(self, view: containers.ContainerView, container_id: str) -> actions.KillReason | None:
        """Plan that a running container gets what it was allocated; say whether that takes a restart."""
        have, want = self.observed.sizes.get(container_id), sizes_of(view.spec.resources)
        if have is None or have == want:
            return None
        if needs_restart(view.spec, have, want):
            return actions.KillReason.RESIZE
        if not self._backing_off(resize_key(view.name)):
            self.due.append(actions.ResizeContainer(container_id, view.name))
        return None

    def _kill_grace(self, view: containers.ContainerView, reason: actions.KillReason) -> float:
        probe = view.spec.startup_probe if reason is actions.KillReason.STARTUP else view.spec.liveness_probe
        if reason in {actions.KillReason.STARTUP, actions.KillReason.LIVENESS} and probe.HasField(
            "termination_grace_period_seconds"
        ):
            return float(probe.termination_grace_period_seconds)
        return grace_seconds(self.pod)

    def _start(self, view: containers.ContainerView) -> None:
        """Plan to start the container's next attempt, once its back-off is over and its images are there."""
        step = 0
        # An attempt that was created and never started (the kubelet was killed) changes no back-off.
        ended = view.exited or view.previous
        if ended is not None and not self._was_resized(ended):
            restart_at = ended.finished_at + containers.backoff_delay(ended, self.policy)
            if self.now < restart_at:
                self._wake(restart_at)
                return
            step = containers.backoff_step(ended, self.policy) + 1
        if self._backing_off(start_key(view.name)):
            return
        images = [
            (wanted.volume, self._image(view, wanted))
            for wanted in containers.wanted_images(self.pod, view.spec, view.next_attempt)
        ]
        if all(image_id for _, image_id in images):
            target = self._target_of(view) if view.kind is actions.ContainerKind.EPHEMERAL else None
            *of_volumes, (_, own) = images
            self.due.append(actions.StartContainer(
                view.name, view.kind, view.next_attempt, own, step, target, tuple(of_volumes)
            ))  # fmt: skip

    def _target_of(self, view: containers.ContainerView) -> str | None:
        wanted = containers.target_of(self.pod, view.name)
        if not wanted:
            return None
        running = (item.running for item in self.views if item.name == wanted and item.in_sandbox)
        return next((state.id for state in running if state is not None), "")

    def _was_resized(self, ended: ContainerState) -> bool:
        stopping = self.observed.stopping.get(ended.id)
        return stopping is not None and stopping.reason is actions.KillReason.RESIZE

    def _image(self, view: containers.ContainerView, wanted: containers.WantedImage) -> str:
        """Return the id of an image; "": it is not there, and is pulled if it may be."""
        image = self.observed.images.get(wanted.key, ImageObservation())
        if image.progress is ImageProgress.READY:
            return image.image_id
        if image.progress is ImageProgress.PULLING:
            return ""
        if image.progress is ImageProgress.FAILED and self.now < image.retry_at:
            # A moment after the failure its reason becomes ImagePullBackOff: look again then.
            self._wake(image.retry_at if self.now >= image.backoff_from else image.backoff_from)
            return ""
        if not any(isinstance(action, actions.PullImage) and action.key == wanted.key for action in self.due):
            self.due.append(
                actions.PullImage(view.name, wanted.attempt, wanted.reference, wanted.policy, wanted.volume)
            )
        return ""
