"""The containers of a Pod: how each is, how it was before, and what its probes say. PURE."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dashboard.texts import cut
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.clock import seconds_of
from vaina.objects import pods
from vaina.printers.probes import show_probe
from vaina.why.evidence import event_time

#: containers that are shown
MAX_CONTAINERS: Final = 64
_PROBES: Final = ("startup", "liveness", "readiness")


def containers_of(pod: pod_pb2.Pod, events: Sequence[event_pb2.Event]) -> list[dict[str, Any]]:
    """Return the containers in the order in which they start; `events` are the Pod's, the oldest first."""
    return [_container(*one, events) for one in [*_declared(pod)][:MAX_CONTAINERS]]


def _declared(pod: pod_pb2.Pod) -> Iterator[tuple[str, Any, pod_pb2.ContainerStatus | None]]:
    spec, status = pod.spec, pod.status
    for role, containers, statuses in (
        ("init", spec.init_containers, status.init_container_statuses),
        ("container", spec.containers, status.container_statuses),
        ("ephemeral", spec.ephemeral_containers, status.ephemeral_container_statuses),
    ):
        by_name = {one.name: one for one in statuses}
        container: Any
        for container in containers:
            # An ephemeral container's fields are in a message of their own.
            own = container.ephemeral_container_common if role == "ephemeral" else container
            sidecar = role == "init" and pods.is_restartable_init(container)
            yield "sidecar" if sidecar else role, own, by_name.get(own.name)


def _container(
    role: str, spec: Any, status: pod_pb2.ContainerStatus | None, events: Sequence[event_pb2.Event]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": spec.name, "role": role, "image": cut(spec.image, 300)}
    if status is not None:
        shown |= {"restarts": status.restart_count, "ready": status.ready, "state": _state(status.state)}
        if status.last_state.HasField("terminated"):
            shown["last"] = _state(status.last_state)
    if role != "ephemeral":
        shown["probes"] = [
            _probe(which, spec, status, events) for which in _PROBES if spec.HasField(f"{which}_probe")
        ]
    return shown


def _state(state: pod_pb2.ContainerState) -> dict[str, Any]:
    if state.HasField("running"):
        return {"is": "running", "since": seconds_of(state.running.started_at)}
    if state.HasField("terminated"):
        ended = state.terminated
        return {
            "is": "terminated", "reason": cut(ended.reason, 100), "message": cut(ended.message), "exitCode": ended.exit_code,
            "since": seconds_of(ended.finished_at), "began": seconds_of(ended.started_at),
        }  # fmt: skip
    waiting = state.waiting
    return {"is": "waiting", "reason": cut(waiting.reason, 100), "message": cut(waiting.message)}


def _probe(
    which: str, spec: Any, status: pod_pb2.ContainerStatus | None, events: Sequence[event_pb2.Event]
) -> dict[str, Any]:
    """Return a probe: what it asks, whether it is passed (None: nobody knows), and its last failure."""
    shown: dict[str, Any] = {"which": which, "asks": cut(show_probe(getattr(spec, f"{which}_probe")), 400)}
    passed: bool | None = None
    if status is not None and status.state.HasField("running"):
        # What a liveness probe says is not in the status: it ends the container, or is silent.
        passed = status.started if which == "startup" else status.ready if which == "readiness" else None
    failure = _last_failure(which, spec.name, events)
    if failure is not None:
        shown |= {"failed": cut(failure.message), "failedAt": event_time(failure)}
    return {**shown, "passed": passed}


def _last_failure(which: str, container: str, events: Sequence[event_pb2.Event]) -> event_pb2.Event | None:
    """Return the newest Event in which the kubelet tells of a failure (`kubelet/probes/prober.py`)."""
    words, place = f"{which.capitalize()} probe", f"{{{container}}}"
    failures = (
        event
        for event in reversed(events)
        if event.reason == "Unhealthy"
        and event.message.startswith(words)
        and event.involved_object.field_path.endswith(place)
    )
    return next(failures, None)
