"""What is known of each container in a Pod's spec: its attempts, its images, what its end means. PURE.

Read by plan and status. A container whose record the runtime has lost is remembered from the status that was
reported last, so it never runs again because its record was removed (I12).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from kubelet.decide.actions import ContainerKind, PullPolicy, image_key
from kubelet.decide.observation import PodObservation, ProbeKind, ProbeResult
from kubelet.runtime.records import BACKOFF_STEP, ContainerPhase, ContainerState, SandboxState, Uid
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition

LOST_REASON = "ContainerStatusUnknown"
LOST_MESSAGE = "The container could not be located when the pod was terminated"
LOST_EXIT_CODE = 137

#: of a container whose record was removed by `kubelet.decide.termination`
RESTARTING_ALL_REASON = "RestartingAllContainers"
RESTARTING_ALL_MESSAGE = "The container is removed because RestartAllContainers in place"
#: the condition of a Pod while all its containers restart
ALL_RESTARTING = "AllContainersRestarting"


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container of the spec and its life so far."""

    spec: pod_pb2.Container
    kind: ContainerKind
    current: ContainerState | None
    #: the attempt before it, where its record is still there
    previous: ContainerState | None
    #: the newest attempt belongs to the sandbox that the Pod has now
    in_sandbox: bool

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def running(self) -> ContainerState | None:
        """The newest attempt, when it runs."""
        return self._in_phase(ContainerPhase.RUNNING)

    @property
    def exited(self) -> ContainerState | None:
        """The newest attempt, when it has ended."""
        return self._in_phase(ContainerPhase.EXITED)

    def _in_phase(self, phase: ContainerPhase) -> ContainerState | None:
        return self.current if self.current is not None and self.current.phase is phase else None

    @property
    def next_attempt(self) -> int:
        """The number of the attempt to start: a new one, or one that was created and never started."""
        if self.current is None:
            return 0
        unstarted = self.current.phase is ContainerPhase.CREATED and self.in_sandbox
        return self.current.attempt + (0 if unstarted else 1)

    @property
    def succeeded(self) -> bool:
        return self.exited is not None and self.exited.exit_code == 0


def kind_of_init(spec: pod_pb2.Container) -> ContainerKind:
    """Return INIT, or SIDECAR for one that keeps running (restartPolicy Always)."""
    return ContainerKind.SIDECAR if spec.restart_policy == "Always" else ContainerKind.INIT


def specs(pod: pod_pb2.Pod) -> Iterator[tuple[pod_pb2.Container, ContainerKind]]:
    """Give the Pod's containers in the order in which they start; ephemeral ones come last."""
    for spec in pod.spec.init_containers:
        yield spec, kind_of_init(spec)
    for spec in pod.spec.containers:
        yield spec, ContainerKind.MAIN
    for ephemeral in pod.spec.ephemeral_containers:
        # It has the fields of a container, with the same numbers.
        common = ephemeral.ephemeral_container_common
        yield pod_pb2.Container.FromString(common.SerializeToString()), ContainerKind.EPHEMERAL


def target_of(pod: pod_pb2.Pod, name: str) -> str:
    """Return the name of the container whose processes an ephemeral one sees; "": only its own."""
    for item in pod.spec.ephemeral_containers:
        if item.ephemeral_container_common.name == name:
            return str(item.target_container_name)
    return ""


def field_path(pod: pod_pb2.Pod, name: str) -> str:
    """Return the place of a container in the Pod, as events name it."""
    field = "containers"
    if any(spec.name == name for spec in pod.spec.init_containers):
        field = "initContainers"
    elif any(item.ephemeral_container_common.name == name for item in pod.spec.ephemeral_containers):
        field = "ephemeralContainers"
    return f"spec.{field}{{{name}}}"


def current_sandbox(observed: PodObservation) -> SandboxState | None:
    """Return the Pod's sandbox: the newest, if it is ready."""
    newest = max(observed.sandboxes, key=lambda sandbox: sandbox.attempt, default=None)
    return newest if newest is not None and newest.ready else None


def view_containers(pod: pod_pb2.Pod, observed: PodObservation) -> tuple[ContainerView, ...]:
    """Return a view of each container of the spec, in the order in which they start."""
    by_name: dict[str, list[ContainerState]] = {}
    for container in observed.containers:
        by_name.setdefault(container.name, []).append(container)
    for attempts in by_name.values():
        attempts.sort(key=lambda state: state.attempt, reverse=True)
    sandbox = current_sandbox(observed)
    remembered = _remembered(pod, observed)
    return tuple(
        _view(spec, kind, by_name.get(spec.name, []), remembered.get(spec.name), sandbox)
        for spec, kind in specs(pod)
    )


def _view(
    spec: pod_pb2.Container,
    kind: ContainerKind,
    attempts: list[ContainerState],
    remembered: ContainerState | None,
    sandbox: SandboxState | None,
) -> ContainerView:
    if remembered is not None and (not attempts or attempts[0].attempt < remembered.attempt):
        attempts = [remembered, *attempts]
    current = attempts[0] if attempts else None
    # Its record may be gone: the status remembers it until the next attempt has begun.
    older = remembered if remembered is not None and current is not remembered else None
    ended = (state for state in attempts[1:] if state.phase is ContainerPhase.EXITED)
    in_sandbox = current is not None and sandbox is not None and current.sandbox_id == sandbox.id
    if older is not None and current is not None and older.attempt >= current.attempt:
        older = None
    return ContainerView(spec, kind, current, next(ended, older), in_sandbox)


def _remembered(pod: pod_pb2.Pod, observed: PodObservation) -> Mapping[str, ContainerState]:
    status = observed.previous
    if status is None:
        return {}
    uid = Uid(pod.metadata.uid)
    condition = get_condition(status, ALL_RESTARTING)
    restarting = condition is not None and condition.status == "True"
    debugs = {item.name for item in status.ephemeral_container_statuses}
    found = {}
    for item in (
        *status.init_container_statuses,
        *status.container_statuses,
        *status.ephemeral_container_statuses,
    ):
        state = _from_status(item, uid, observed.observed_at)
        if state is not None:
            state = replace(state, annotations={BACKOFF_STEP: observed.steps.get(item.name, "0")})
            if restarting and item.name not in debugs:
                state = replace(
                    state, exit_code=LOST_EXIT_CODE, reason=RESTARTING_ALL_REASON, message=RESTARTING_ALL_MESSAGE
                )  # fmt: skip
            found[item.name] = state
    return found


def _from_status(item: pod_pb2.ContainerStatus, uid: Uid, now: float) -> ContainerState | None:
    attempt = item.restart_count
    if item.state.HasField("terminated"):
        ended = item.state.terminated
    elif item.state.HasField("running"):
        started = item.state.running.started_at
        ended = pod_pb2.ContainerStateTerminated(
            exit_code=LOST_EXIT_CODE, reason=LOST_REASON, message=LOST_MESSAGE, started_at=started
        )
        ended.finished_at.seconds = int(now)
    elif item.last_state.HasField("terminated"):
        ended = item.last_state.terminated
        # The next attempt may have been created, and its number reported, without having begun.
        attempt -= ended.container_id != item.container_id
    else:
        return None
    _, _, container_id = (ended.container_id or item.container_id).rpartition("://")
    return ContainerState(
        id=container_id,
        sandbox_id="",
        pod_uid=uid,
        name=item.name,
        attempt=max(attempt, 0),
        phase=ContainerPhase.EXITED,
        image=item.image,
        image_id=item.image_id,
        created_at=seconds_of(ended.started_at),
        started_at=seconds_of(ended.started_at),
        finished_at=seconds_of(ended.finished_at),
        exit_code=ended.exit_code,
        reason=ended.reason,
        message=ended.message,
    )


def is_started(view: ContainerView, observed: PodObservation) -> bool:
    """Say whether a container runs, its postStart hook is done and its startup probe, if any, has succeeded."""
    running = view.running
    if running is None or running.id in observed.post_start_pending:
        return False
    has_probe = view.spec.HasField("startup_probe")
    return not has_probe or observed.probes.get((running.id, ProbeKind.STARTUP)) is ProbeResult.SUCCESS


def is_ready(view: ContainerView, observed: PodObservation) -> bool:
    """Say whether a container is ready: started, and its readiness probe, if any, has succeeded."""
    running = view.running
    if running is None or not is_started(view, observed):
        return False
    has_probe = view.spec.HasField("readiness_probe")
    return not has_probe or observed.probes.get((running.id, ProbeKind.READINESS)) is ProbeResult.SUCCESS


def is_initialized(pod: pod_pb2.Pod, views: tuple[ContainerView, ...], observed: PodObservation) -> bool:
    """Say whether main containers may run: one has already, or init containers are done and sidecars started."""
    if any(view.kind is ContainerKind.MAIN and view.in_sandbox for view in views):
        return True
    return all(
        is_started(view, observed) if view.kind is ContainerKind.SIDECAR else init_done(pod, view)
        for view in views
        if view.kind in {ContainerKind.INIT, ContainerKind.SIDECAR}
    )


def init_done(pod: pod_pb2.Pod, view: ContainerView) -> bool:
    """Say whether an init container is done for the Pod's present sandbox: a new one runs them all again.

    With restartPolicy Never nothing may start twice, so a success that is only remembered counts.
    """
    remembered = view.current is not None and not view.current.sandbox_id
    return view.succeeded and (view.in_sandbox or (remembered and pod.spec.restart_policy == "Never"))


def restart_wanted(view: ContainerView, pod: pod_pb2.Pod, observed: PodObservation) -> bool:
    """Say whether an ended container runs again, by its policy; liveness and startup kills are failures."""
    ended = view.exited
    if ended is None:
        return view.current is None
    if view.kind is ContainerKind.EPHEMERAL:
        return False
    # The container's own policy, where it has one, goes before the Pod's (KEP-5307).
    policy = view.spec.restart_policy or pod.spec.restart_policy or "Always"
    stopping = observed.stopping.get(ended.id)
    failed = ended.exit_code != 0 or (stopping is not None and stopping.is_failure)
    if rule_action(view.spec, ended) or ended.reason == RESTARTING_ALL_REASON:
        return True
    if view.kind is ContainerKind.INIT:
        return failed and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and failed)


def rule_action(spec: pod_pb2.Container, ended: ContainerState) -> str:
    """Return the action of the first rule that matches the container's exit code (KEP-5307); "": none does."""
    for rule in spec.restart_policy_rules:
        listed = ended.exit_code in rule.exit_codes.values
        if listed if rule.exit_codes.operator == "In" else not listed:
            return str(rule.action)
    return ""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The back-off between restarts: upstream's numbers; tests take shorter ones."""

    backoff: Backoff = field(default_factory=lambda: Backoff(base_seconds=10.0, cap_seconds=300.0))
    #: a container that ran this long starts with a clean record when it ends
    reset_seconds: float = 600.0


def backoff_step(ended: ContainerState, policy: RestartPolicy) -> int:
    """Return how many restarts in a row led to this end: 0 for the first, and after a long good run."""
    if ended.started_at and ended.finished_at - ended.started_at >= policy.reset_seconds:
        return 0
    step = ended.annotations.get(BACKOFF_STEP, "0")
    return int(step) if step.isdecimal() else 0


def backoff_delay(ended: ContainerState, policy: RestartPolicy) -> float:
    """Return the seconds between an end and the next start: 0 at first, then 10 s, 20 s and so on to 5 min."""
    step = backoff_step(ended, policy)
    return policy.backoff.delay(step - 1) if step else 0.0


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image that a container needs."""

    reference: str
    policy: PullPolicy
    #: the attempt that needs it; always 0 for a volume's image, which stays the same as long as its Pod lives
    attempt: int
    key: str
    #: the volume that shows it; "": it is the container's own
    volume: str = ""


def wanted_images(pod: pod_pb2.Pod, spec: pod_pb2.Container, attempt: int) -> Iterator[WantedImage]:
    """Give the images that an attempt needs: its volumes' (getImageVolumes, kuberuntime_manager.go), its own."""
    mounted = {mount.name for mount in spec.volume_mounts}
    for volume in pod.spec.volumes:
        source = plugin_of(volume).image(volume) if volume.name in mounted else None
        if source is not None:
            policy = PullPolicy(source.pull_policy or PullPolicy.IF_NOT_PRESENT)
            yield WantedImage(source.reference, policy, 0, image_key(spec.name, volume.name), volume.name)
    policy = PullPolicy(spec.image_pull_policy or PullPolicy.IF_NOT_PRESENT)
    yield WantedImage(spec.image, policy, attempt, image_key(spec.name))
