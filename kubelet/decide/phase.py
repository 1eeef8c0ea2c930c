"""The Pod's phase and conditions, from the statuses of its containers (rows B14, A7). PURE.

Follows getPhase (`pkg/kubelet/kubelet_pods.go`) and `pkg/kubelet/status/generate.go`, words included.
"""

from collections.abc import Iterable, Mapping, Set

from kubelet.decide.actions import ContainerKind
from kubelet.decide.containers import ALL_RESTARTING, ContainerView, kind_of_init, view_containers
from kubelet.decide.observation import PodObservation, resize_key
from kubelet.decide.resize import ERROR, IN_PROGRESS, Sizes, sizes_of, write_sizes
from kubelet.decide.resize import PENDING as RESIZE_PENDING
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.quoting import go_quote

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
TERMINAL = frozenset({SUCCEEDED, FAILED})


def compute_phase(
    pod: pod_pb2.Pod, status: pod_pb2.PodStatus, *, again: Set[str], ended: bool, ending: bool = False
) -> str:
    """Return the phase, given the container statuses; `again` has the ended containers that will run again.

    `ended`: the Pod ends and no container runs, so its phase is final. `ending`: it was asked to end, so
    nothing is final while anything runs.
    """
    if pod.status.phase in TERMINAL:
        return str(pod.status.phase)
    initializing, failed = _initialization(pod, status, again)
    if failed:
        return FAILED
    if ended:
        codes = [
            item.state.terminated.exit_code if item.state.HasField("terminated") else None
            for item in status.container_statuses
        ]
        return SUCCEEDED if codes and not initializing and set(codes) == {0} else FAILED
    if initializing:
        return PENDING
    found = {_progress(item, again) for item in status.container_statuses}
    if "waiting" in found or not found:
        return PENDING
    # While a sidecar runs the phase is not final, but the Pod may end (KEP-753).
    beside = [*status.init_container_statuses, *(status.ephemeral_container_statuses if ending else ())]
    if "running" in found or any(item.state.HasField("running") for item in beside):
        return RUNNING
    return FAILED if "failed" in found else SUCCEEDED


def _initialization(pod: pod_pb2.Pod, status: pod_pb2.PodStatus, again: Set[str]) -> tuple[bool, bool]:
    """Return (some are still to be done, one has failed for good)."""
    if any(_has_started(item) for item in status.container_statuses):
        return False, False
    statuses = {item.name: item for item in status.init_container_statuses}
    pending = failed = False
    for spec in pod.spec.init_containers:
        item = statuses.get(spec.name)
        if kind_of_init(spec) is ContainerKind.SIDECAR:
            pending |= item is None or not item.started
            continue
        code = item.state.terminated.exit_code if item and item.state.HasField("terminated") else None
        pending |= code != 0 or spec.name in again
        failed |= bool(code) and spec.name not in again
    return pending, failed


def _has_started(item: pod_pb2.ContainerStatus) -> bool:
    return (
        item.state.HasField("running")
        or item.state.HasField("terminated")
        or item.last_state.HasField("terminated")
    )


def _progress(item: pod_pb2.ContainerStatus, again: Set[str]) -> str:
    """Return running (or about to run again), succeeded, failed, or waiting: it never ran."""
    if item.state.HasField("running") or item.name in again:
        return "running"
    if item.state.HasField("terminated"):
        return "failed" if item.state.terminated.exit_code else "succeeded"
    return "running" if item.last_state.HasField("terminated") else "waiting"


def compute_conditions(
    pod: pod_pb2.Pod,
    status: pod_pb2.PodStatus,
    *,
    before: pod_pb2.PodStatus,
    sandbox_ready: bool,
    now: float,
    restarts_all: bool | None = None,
) -> list[pod_pb2.PodCondition]:
    """Return the kubelet's conditions; transition times are kept from `before` where the status is the same.

    The Pod has the conditions of its readiness gates, which others write. `restarts_all` says whether all
    containers are about to start again; None: no rule could ask for it.
    """
    known = {condition.type: condition for condition in before.conditions}
    gates = {condition.type: condition for condition in pod.status.conditions}
    ready_to_start = pod_pb2.PodCondition(type="PodReadyToStartContainers", status=str(sandbox_ready))
    containers_ready = _containers_ready(pod, status)
    conditions = [
        ready_to_start,
        _initialized(pod, status),
        _ready(pod, containers_ready, gates),
        containers_ready,
        pod_pb2.PodCondition(type="PodScheduled", status="True"),
    ]
    if restarts_all is not None:
        conditions.append(_all_restarting(status.phase, restarts_all=restarts_all))
    for condition in conditions:
        condition.observed_generation = pod.metadata.generation
        old = known.get(condition.type)
        same = old is not None and old.status == condition.status
        condition.last_transition_time.CopyFrom(old.last_transition_time if old and same else timestamp(now))
    return conditions


def _false(kind: str, reason: str, message: str = "") -> pod_pb2.PodCondition:
    return pod_pb2.PodCondition(type=kind, status="False", reason=reason, message=message)


def _all_restarting(phase: str, *, restarts_all: bool) -> pod_pb2.PodCondition:
    if phase in TERMINAL:
        return _false(ALL_RESTARTING, "PodCompleted" if phase == SUCCEEDED else "PodFailed")
    if not restarts_all:
        return _false(ALL_RESTARTING, "")
    words = "container exited with restart policy rule"
    return pod_pb2.PodCondition(
        type=ALL_RESTARTING, status="True", reason="RestartAllContainersStarted", message=words
    )


def _names(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"


def _containers_ready(pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> pod_pb2.PodCondition:
    if status.phase == FAILED:
        return _false("ContainersReady", "PodFailed")
    if status.phase == SUCCEEDED:
        return _false("ContainersReady", "PodCompleted")
    sidecars = {spec.name for spec in pod.spec.init_containers if kind_of_init(spec) is ContainerKind.SIDECAR}
    relevant = [item for item in status.init_container_statuses if item.name in sidecars]
    unready = [item.name for item in (*relevant, *status.container_statuses) if not item.ready]
    if unready:
        message = f"containers with unready status: {_names(unready)}"
        return _false("ContainersReady", "ContainersNotReady", message)
    return pod_pb2.PodCondition(type="ContainersReady", status="True")


def _ready(
    pod: pod_pb2.Pod, containers_ready: pod_pb2.PodCondition, gates: Mapping[str, pod_pb2.PodCondition]
) -> pod_pb2.PodCondition:
    if containers_ready.status != "True":
        return _false("Ready", containers_ready.reason, containers_ready.message)
    messages = []
    for gate in pod.spec.readiness_gates:
        condition = gates.get(gate.condition_type)
        if condition is None:
            messages.append(
                f"corresponding condition of pod readiness gate {go_quote(gate.condition_type)} does not exist."
            )
        elif condition.status != "True":
            messages.append(
                f'the status of pod readiness gate {go_quote(gate.condition_type)} is not "True", but {condition.status}'
            )
    if messages:
        return _false("Ready", "ReadinessGatesNotReady", ", ".join(messages))
    return pod_pb2.PodCondition(type="Ready", status="True")


def _initialized(pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> pod_pb2.PodCondition:
    if status.phase == SUCCEEDED:
        return pod_pb2.PodCondition(type="Initialized", status="True", reason="PodCompleted")
    if any(_has_started(item) for item in status.container_statuses):
        return pod_pb2.PodCondition(type="Initialized", status="True")
    kinds = {spec.name: kind_of_init(spec) for spec in pod.spec.init_containers}
    incomplete = [
        item.name
        for item in status.init_container_statuses
        if not (item.started if kinds.get(item.name) is ContainerKind.SIDECAR else item.ready)
    ]
    if incomplete:
        message = f"containers with incomplete status: {_names(incomplete)}"
        return _false("Initialized", "ContainersNotInitialized", message)
    return pod_pb2.PodCondition(type="Initialized", status="True")


def _old_sizes(view: ContainerView, observed: PodObservation) -> Sizes | None:
    """Return the sizes of a running container while they differ from its allocated ones; None: they do not."""
    have = observed.sizes.get(view.running.id) if view.running is not None else None
    return have if have != sizes_of(view.spec.resources) else None


def write_resources(item: pod_pb2.ContainerStatus, view: ContainerView, observed: PodObservation) -> None:
    """Write what the container was allocated, and what it has."""
    item.resources.CopyFrom(view.spec.resources)
    for name in view.spec.resources.requests:
        item.allocated_resources[name].CopyFrom(view.spec.resources.requests[name])
    if (sizes := _old_sizes(view, observed)) is not None:
        write_sizes(sizes, item.resources)


def resize_conditions(
    pod: pod_pb2.Pod, observed: PodObservation, *, now: float
) -> list[pod_pb2.PodCondition]:
    """Return the conditions of a resize in place (KEP-1287).

    A condition that no longer holds has no status: the apiserver takes it away (decision 122).
    """
    there = {condition.type for condition in pod.status.conditions}
    # What was said last may still be on its way: its times are kept, and a removal is said with each status.
    said = pod.status if observed.said is None else observed.said
    before = {condition.type: condition for condition in said.conditions}
    wanted: dict[str, pod_pb2.PodCondition] = {}
    if observed.resize is not None:
        wanted[RESIZE_PENDING] = pod_pb2.PodCondition(
            type=RESIZE_PENDING, reason=observed.resize.reason, message=observed.resize.message
        )
    views = view_containers(pod, observed)
    resized = [view for view in views if _old_sizes(view, observed) is not None]
    if resized:
        failure = next(
            (found for view in resized if (found := observed.failures.get(resize_key(view.name)))), None
        )
        wanted[IN_PROGRESS] = pod_pb2.PodCondition(
            type=IN_PROGRESS, reason=ERROR if failure else "", message=failure.message if failure else ""
        )
    for name in (RESIZE_PENDING, IN_PROGRESS):
        old = before.get(name)
        condition = wanted.get(name)
        if condition is None:
            if old is not None or name in there:
                wanted[name] = pod_pb2.PodCondition(type=name)
            continue
        condition.status, condition.observed_generation = "True", pod.metadata.generation
        kept = old is not None and old.status == "True" and old.HasField("last_transition_time")
        condition.last_transition_time.CopyFrom(
            old.last_transition_time if kept and old is not None else timestamp(now)
        )
    return [*wanted.values()]
