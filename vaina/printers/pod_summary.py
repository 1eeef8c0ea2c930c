"""One line's worth of a Pod: ready containers, status word, restarts. Follows kubectl's printPod."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from vaina.api.core.v1 import pod_pb2
from vaina.objects import pods
from vaina.objects.conditions import get_condition
from vaina.printers.cells import age


@dataclass(slots=True)
class PodSummary:
    """What READY, STATUS and RESTARTS show."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: Timestamp | None = None

    def count(self, container: pod_pb2.ContainerStatus) -> None:
        self.restarts += container.restart_count
        if container.last_state.HasField("terminated"):
            finished = container.last_state.terminated.finished_at
            if self.last_restart is None or finished.seconds > self.last_restart.seconds:
                self.last_restart = finished

    @property
    def ready_text(self) -> str:
        """How many containers of how many are ready: 1/2."""
        return f"{self.ready}/{self.total}"

    def restarts_text(self, now: float) -> str:
        if self.restarts and self.last_restart is not None and self.last_restart.seconds:
            return f"{self.restarts} ({age(self.last_restart, now)} ago)"
        return str(self.restarts)


def _terminated_word(state: pod_pb2.ContainerStateTerminated) -> str:
    if state.reason:
        return state.reason
    return f"Signal:{state.signal}" if state.signal else f"ExitCode:{state.exit_code}"


def _init_word(index: int, container: pod_pb2.ContainerStatus, total: int) -> str:
    state = container.state
    if state.HasField("terminated"):
        return f"Init:{_terminated_word(state.terminated)}"
    if state.HasField("waiting") and state.waiting.reason not in ("", "PodInitializing"):
        return f"Init:{state.waiting.reason}"
    return f"Init:{index}/{total}"


def _is_true(status: pod_pb2.PodStatus, condition_type: str) -> bool:
    condition = get_condition(status, condition_type)
    return condition is not None and condition.status == "True"


def _take_init(pod: pod_pb2.Pod, summary: PodSummary, sidecars: PodSummary) -> bool:
    """Look at the init containers; say whether one of them is still to end."""
    restartable = {c.name for c in pod.spec.init_containers if pods.is_restartable_init(c)}
    for index, container in enumerate(pod.status.init_container_statuses):
        summary.count(container)
        is_sidecar = container.name in restartable
        if is_sidecar:
            sidecars.count(container)
        terminated = container.state.HasField("terminated")
        if terminated and container.state.terminated.exit_code == 0:
            continue
        if is_sidecar and container.started:
            summary.ready += container.ready
            continue
        summary.status = _init_word(index, container, len(pod.spec.init_containers))
        return True
    return False


def _take_containers(pod: pod_pb2.Pod, summary: PodSummary) -> None:
    running, failure = False, ""
    for container in reversed(pod.status.container_statuses):
        summary.count(container)
        state = container.state
        if state.HasField("waiting") and state.waiting.reason:
            summary.status = state.waiting.reason
        elif state.HasField("terminated"):
            summary.status = _terminated_word(state.terminated)
            failure = summary.status if state.terminated.exit_code else failure
        elif container.ready and state.HasField("running"):
            running = True
            summary.ready += 1
    if summary.status != "Completed":
        return
    if running and _is_true(pod.status, "Ready"):
        summary.status = "Running"
    elif failure or running:
        summary.status = failure or "NotReady"


def summarise(pod: pod_pb2.Pod) -> PodSummary:
    """Return what a table shows of a Pod."""
    sidecar_count = sum(1 for c in pod.spec.init_containers if pods.is_restartable_init(c))
    summary = PodSummary(
        ready=0,
        total=len(pod.spec.containers) + sidecar_count,
        status=pod.status.reason or pod.status.phase,
        restarts=0,
    )
    scheduled = get_condition(pod.status, "PodScheduled")
    if scheduled is not None and scheduled.reason == "SchedulingGated":
        summary.status = scheduled.reason
    sidecars = PodSummary(0, 0, "", 0)
    initialising = _take_init(pod, summary, sidecars)
    if not initialising or _is_true(pod.status, "Initialized"):
        summary.restarts, summary.last_restart = sidecars.restarts, sidecars.last_restart
        _take_containers(pod, summary)
    if pod.metadata.HasField("deletion_timestamp"):
        if pod.status.reason == "NodeLost":
            summary.status = "Unknown"
        elif not pods.is_terminal(pod):
            summary.status = "Terminating"
    return summary
