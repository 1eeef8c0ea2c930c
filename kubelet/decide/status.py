"""Step 7: the status of a Pod, given what is known of it. PURE.

Container states, reasons and messages are upstream's (convertToAPIContainerStatuses in
`pkg/kubelet/kubelet_pods.go`). Conditions are merged by type (docs/decisions/services.md, 003).
"""

from dataclasses import dataclass, replace

from kubelet.decide import containers
from kubelet.decide.actions import ContainerKind
from kubelet.decide.observation import ImageProgress, PodObservation, start_key
from kubelet.decide.phase import (
    TERMINAL,
    compute_conditions,
    compute_phase,
    resize_conditions,
    write_resources,
)
from kubelet.decide.termination import Ending, EndReason, may_restart_all, restarts_all
from kubelet.runtime.records import ContainerPhase, ContainerState
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.durations import go_duration
from vaina.objects.pods import qos_class
from vaina.quoting import go_quote

STATUS_MASK = (
    "phase", "conditions", "message", "reason", "host_ip", "host_ips", "pod_ip", "pod_ips", "start_time",
    "container_statuses", "init_container_statuses", "ephemeral_container_statuses", "qos_class", "observed_generation",
)  # fmt: skip

#: bytes of a Pod's termination messages, an equal share for each container (`pkg/kubelet/container/runtime.go`)
MAX_TERMINATION_MESSAGES = 12 * 1024

DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True, slots=True)
class NodeAddresses:
    """What a Pod's status says of its node."""

    host_ip: str
    #: "docker": container ids are "docker://<id>"
    runtime_name: str


def compute_pod_status(
    pod: pod_pb2.Pod,
    observed: PodObservation,
    *,
    node: NodeAddresses,
    ending: Ending | None,
    now: float,
    policy: containers.RestartPolicy,
) -> pod_pb2.PodStatus:
    """Return the kubelet's part of a Pod's status (the fields of `STATUS_MASK`).

    startTime and transition times are kept from what was said last (`observed.said`): the Pod's own status
    may be older, and a static Pod has none (updateStatusInternal in `pkg/kubelet/status/status_manager.go`).
    """
    return _Writer(pod, observed, node, ending, now, policy).write()


@dataclass
class _Writer:
    """Fills in one status. Lives for one call."""

    pod: pod_pb2.Pod
    observed: PodObservation
    node: NodeAddresses
    ending: Ending | None
    now: float
    policy: containers.RestartPolicy

    def __post_init__(self) -> None:
        pod, observed = self.pod, self.observed
        self.before = pod.status if observed.said is None else observed.said
        self.sandbox = containers.current_sandbox(observed)
        self.restarts_all = self.ending is None and restarts_all(pod, observed)
        self.status = pod_pb2.PodStatus()
        previous = observed.previous or pod_pb2.PodStatus()
        #: by container name and attempt: the lastState that was reported, whose record may be gone
        self.said = {
            (item.name, item.restart_count): item.last_state
            for item in (*previous.init_container_statuses, *previous.container_statuses)
            if item.last_state.HasField("terminated")
        }
        #: containers whose newest attempt has ended, and which run again
        self.again: set[str] = set()

    def write(self) -> pod_pb2.PodStatus:
        status, pod = self.status, self.pod
        for view in containers.view_containers(pod, self.observed):
            if self._will_restart(view):
                self.again.add(view.name)
            match view.kind:
                case ContainerKind.MAIN:
                    target = status.container_statuses
                case ContainerKind.EPHEMERAL:
                    target = status.ephemeral_container_statuses
                case _:
                    target = status.init_container_statuses
            target.append(self._container(view))
        running = any(item.phase is ContainerPhase.RUNNING for item in self.observed.containers)
        asked = self.ending is not None and self.ending.reason is not EndReason.FINISHED
        ended = self.ending is not None and not running
        status.phase = compute_phase(pod, status, again=self.again, ended=ended, ending=asked)
        status.qos_class = qos_class(pod)
        status.observed_generation = pod.metadata.generation
        if pod.status.phase in TERMINAL:
            status.reason, status.message = pod.status.reason, pod.status.message
        elif self.ending is not None and self.ending.reason is EndReason.DEADLINE_EXCEEDED:
            status.phase, status.reason, status.message = "Failed", "DeadlineExceeded", DEADLINE_MESSAGE
        elif self.ending is not None and self.ending.verdict is not None:
            # It fails once nothing of it runs: until then no other may be started in its place.
            status.reason, status.message = self.ending.verdict.reason, self.ending.verdict.message
            status.phase = status.phase if running else "Failed"
        if self.before.HasField("start_time"):
            status.start_time.CopyFrom(self.before.start_time)
        else:
            status.start_time.CopyFrom(timestamp(self.observed.first_seen or self.now))
        self._addresses()
        ready = self.sandbox is not None
        status.conditions.extend(compute_conditions(
            pod, status, before=self.before, sandbox_ready=ready, now=self.now,
            restarts_all=self.restarts_all if may_restart_all(pod) else None,
        ))  # fmt: skip
        if self.ending is None and status.phase not in TERMINAL:
            status.conditions.extend(resize_conditions(pod, self.observed, now=self.now))
        self._disruption()
        return status

    def _disruption(self) -> None:
        verdict = self.ending.verdict if self.ending is not None else None
        if verdict is not None and verdict.disrupted_at is not None:
            condition = self.status.conditions.add(
                type="DisruptionTarget", status="True", reason="TerminationByKubelet", message=verdict.message,
                observed_generation=self.pod.metadata.generation,
            )  # fmt: skip
            condition.last_transition_time.CopyFrom(timestamp(verdict.disrupted_at))

    def _addresses(self) -> None:
        status, before = self.status, self.observed.previous
        if self.node.host_ip:
            status.host_ip = self.node.host_ip
            status.host_ips.add(ip=self.node.host_ip)
        if self.pod.spec.host_network:
            address = self.node.host_ip
        elif self.sandbox is not None:
            address = self.sandbox.ip
        else:
            # A Pod that has ended keeps its address in the status.
            address = (
                before.pod_ip if before is not None and (self.ending or status.phase in TERMINAL) else ""
            )
        if address:
            status.pod_ip = address
            status.pod_ips.add(ip=address)

    def _container(self, view: containers.ContainerView) -> pod_pb2.ContainerStatus:
        item = pod_pb2.ContainerStatus(name=view.name, image=view.spec.image)
        current = view.current
        if view.kind is not ContainerKind.EPHEMERAL:
            item.started = containers.is_started(view, self.observed)
            item.ready = containers.is_ready(view, self.observed)
            write_resources(item, view, self.observed)
        if view.kind is ContainerKind.INIT:
            item.ready, item.started = containers.init_done(self.pod, view), view.running is not None
        if current is not None:
            item.restart_count = current.attempt
            if current.phase is not ContainerPhase.CREATED:
                item.image = current.image or view.spec.image
                item.image_id = current.image_id
                item.container_id = self._id(current)
                if view.spec.lifecycle.stop_signal:
                    item.stop_signal = view.spec.lifecycle.stop_signal
        self._state(item, view)
        return item

    def _state(self, item: pod_pb2.ContainerStatus, view: containers.ContainerView) -> None:
        last = view.previous
        if view.running is not None and view.running.id not in self.observed.post_start_pending:
            item.state.running.started_at.CopyFrom(timestamp(view.running.started_at))
        elif view.exited is not None and (view.name not in self.again or self._shows_its_end(view)):
            item.state.terminated.CopyFrom(self._terminated(view.exited))
        else:
            last = view.exited or view.previous
            starting = "PodInitializing" if self.pod.spec.init_containers else "ContainerCreating"
            reason, message = self._why_waiting(view) or (starting, "")
            item.state.waiting.reason, item.state.waiting.message = reason, message
        if last is not None:
            item.last_state.terminated.CopyFrom(self._terminated(last))
        elif (said := self.said.get((view.name, item.restart_count))) is not None:
            item.last_state.CopyFrom(said)

    def _shows_its_end(self, view: containers.ContainerView) -> bool:
        """Say whether a container that runs again at once is shown as terminated.

        Not if only a probe makes it run again (it exited with 0): the API refuses a status by which such a
        container goes on, and upstream kills and starts it in one step.
        """
        if self._why_waiting(view) is not None:
            return False
        by_its_code = containers.restart_wanted(view, self.pod, replace(self.observed, stopping={}))
        return by_its_code or view.kind is ContainerKind.INIT

    def _will_restart(self, view: containers.ContainerView) -> bool:
        if self.ending is not None or self.pod.status.phase in TERMINAL or view.exited is None:
            return False
        if self.restarts_all and view.kind is not ContainerKind.EPHEMERAL:
            return True
        if view.kind is ContainerKind.INIT and containers.init_done(self.pod, view):
            return False
        if view.kind is ContainerKind.INIT and view.succeeded:
            return not view.in_sandbox and not self._past_initialization()
        return containers.restart_wanted(view, self.pod, self.observed)

    def _past_initialization(self) -> bool:
        return any(
            view.in_sandbox
            for view in containers.view_containers(self.pod, self.observed)
            if view.kind is ContainerKind.MAIN
        )

    def _why_waiting(self, view: containers.ContainerView) -> tuple[str, str] | None:
        """Return the reason and message for which a container waits; None: it is about to start."""
        if self.restarts_all:
            return containers.RESTARTING_ALL_REASON, containers.RESTARTING_ALL_MESSAGE
        for wanted in containers.wanted_images(self.pod, view.spec, view.next_attempt):
            image = self.observed.images.get(wanted.key)
            if image is not None and image.reason and image.progress is not ImageProgress.READY:
                if image.reason == "ErrImagePull" and self.now >= image.backoff_from:
                    words = (
                        f"Back-off pulling image {go_quote(wanted.reference)}: ErrImagePull: {image.message}"
                    )
                    return "ImagePullBackOff", words
                return image.reason, image.message
        failure = self.observed.failures.get(start_key(view.name))
        if failure is not None:
            return failure.reason, failure.message
        if view.exited is not None and (delay := containers.backoff_delay(view.exited, self.policy)):
            meta = self.pod.metadata
            return "CrashLoopBackOff", (
                f"back-off {go_duration(delay)} restarting failed container={view.name} "
                f"pod={meta.name}_{meta.namespace}({meta.uid})"
            )
        if view.exited is not None and view.exited.reason == "StartError":
            return "RunContainerError", view.exited.message
        if view.exited is not None and view.exited.reason == containers.RESTARTING_ALL_REASON:
            return containers.RESTARTING_ALL_REASON, containers.RESTARTING_ALL_MESSAGE
        return None

    def _terminated(self, state: ContainerState) -> pod_pb2.ContainerStateTerminated:
        ended = pod_pb2.ContainerStateTerminated(
            exit_code=state.exit_code,
            reason=state.reason,
            message=self._last_words(state),
            container_id=self._id(state),
        )
        ended.started_at.CopyFrom(timestamp(state.started_at))
        ended.finished_at.CopyFrom(timestamp(state.finished_at))
        return ended

    def _last_words(self, state: ContainerState) -> str:
        """Return the messages of an end, the runtime's and its own, cut to the container's share.

        Follows `kuberuntime_container.go`, and normalizeStatus in `pkg/kubelet/status/status_manager.go`.
        """
        parts = (state.message, self.observed.termination_messages.get(state.id, ""))
        words = ": ".join(part for part in parts if part)
        spec = self.pod.spec
        number = len(spec.containers) + len(spec.init_containers) + len(spec.ephemeral_containers)
        share = MAX_TERMINATION_MESSAGES // max(number, 1)
        return words.encode()[:share].decode(errors="ignore")

    def _id(self, state: ContainerState) -> str:
        return f"{self.node.runtime_name}://{state.id}" if state.id else ""


def is_same_wish(before: pod_pb2.Pod, after: pod_pb2.Pod, reported: pod_pb2.PodStatus | None) -> bool:
    """Say whether only what the worker does not act on has changed: version, or the status reported last."""
    if reported is None:
        return False
    if after.status.phase in TERMINAL and after.status.phase != reported.phase:
        # The apiserver has it as ended.
        return False
    if after.spec.readiness_gates or after.spec.HasField("active_deadline_seconds"):
        return False
    old, new = before.metadata, after.metadata
    return (
        old.deletion_timestamp == new.deletion_timestamp
        and old.deletion_grace_period_seconds == new.deletion_grace_period_seconds
        and old.labels == new.labels
        and old.annotations == new.annotations
        and before.spec == after.spec
    )
