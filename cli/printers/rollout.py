"""How far a rollout is, in the words of `kubectl/pkg/polymorphichelpers/rollout_status.go`, and why it waits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.failures import Failure
from cli.printers.table import one_line
from vaina.objects.conditions import get_condition
from vaina.objects.pods import is_ready, is_terminal
from vaina.objects.rollouts import replicas_of, revision_of
from vaina.traces import waiting_for


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is: a line, and whether it is over, well or not."""

    text: str
    done: bool = False
    failed: bool = False


def deployment_progress(found: Any, revision: int = 0) -> Progress:
    """Say how far a Deployment is. With a revision it fails when another one is running."""
    name, status = found.metadata.name, found.status
    if found.metadata.generation > status.observed_generation:
        return Progress("Waiting for deployment spec update to be observed...")
    running = revision_of(found.metadata)
    if revision and running != revision:
        words = f"desired revision ({revision}) is different from the running revision ({running})"
        return Progress(words, failed=True)
    condition = get_condition(status, "Progressing")
    if condition is not None and condition.reason == "ProgressDeadlineExceeded":
        return Progress(f'deployment "{name}" exceeded its progress deadline', failed=True)
    begin = f'Waiting for deployment "{name}" rollout to finish:'
    wished, updated = replicas_of(found), status.updated_replicas
    if updated < wished:
        return Progress(f"{begin} {updated} out of {wished} new replicas have been updated...")
    if status.replicas > updated:
        return Progress(f"{begin} {status.replicas - updated} old replicas are pending termination...")
    if status.available_replicas < updated:
        return Progress(f"{begin} {status.available_replicas} of {updated} updated replicas are available...")
    return Progress(f'deployment "{name}" successfully rolled out', done=True)


def replicas_progress(found: Any) -> Progress:
    """Say how far a ReplicaSet or ReplicationController is."""
    name, status = found.metadata.name, found.status
    what = found.DESCRIPTOR.name.lower()
    if found.metadata.generation > status.observed_generation:
        return Progress(f"Waiting for {what} spec update to be observed...")
    wished = found.spec.replicas
    if status.replicas == status.available_replicas == wished:
        return Progress(f'{what} "{name}" has its {wished} replicas', done=True)
    return Progress(
        f'Waiting for {what} "{name}": {status.available_replicas} of {wished} replicas are available...'
    )


def pod_progress(found: Any) -> Progress:
    """Say how far a Pod is: ready, or ended well."""
    name = found.metadata.name
    if found.status.phase == "Failed":
        return Progress(f'pod "{name}" failed', failed=True)
    if found.status.phase == "Succeeded" or is_ready(found):
        word = "done" if found.status.phase == "Succeeded" else "ready"
        return Progress(f'pod "{name}" is {word}', done=True)
    return Progress(f'Waiting for pod "{name}" to be ready...')


def stateful_set_progress(found: Any) -> Progress:
    """Say how far a StatefulSet is. Raises Failure when nothing is rolled out by itself."""
    spec, status = found.spec, found.status
    if spec.update_strategy.type != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")
    if not status.observed_generation or found.metadata.generation > status.observed_generation:
        return Progress("Waiting for statefulset spec update to be observed...")
    wished = replicas_of(found)
    if status.ready_replicas < wished:
        return Progress(f"Waiting for {wished - status.ready_replicas} pods to be ready...")
    partition = spec.update_strategy.rolling_update.partition
    if partition:
        if status.updated_replicas < wished - partition:
            return Progress(
                f"Waiting for partitioned roll out to finish: {status.updated_replicas} out of {wished - partition} new pods "
                "have been updated..."
            )
        return Progress(
            f"partitioned roll out complete: {status.updated_replicas} new pods have been updated...",
            done=True,
        )
    if status.update_revision != status.current_revision:
        return Progress(
            f"waiting for statefulset rolling update to complete {status.updated_replicas} pods at revision "
            f"{status.update_revision}..."
        )
    return Progress(
        f"statefulset rolling update complete {status.current_replicas} pods at revision {status.current_revision}...",
        done=True,
    )


def daemon_set_progress(found: Any) -> Progress:
    """Say how far a DaemonSet is. Raises Failure when nothing is rolled out by itself."""
    name, status = found.metadata.name, found.status
    if found.spec.update_strategy.type != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")
    if found.metadata.generation > status.observed_generation:
        return Progress("Waiting for daemon set spec update to be observed...")
    begin, wished = f'Waiting for daemon set "{name}" rollout to finish:', status.desired_number_scheduled
    if status.updated_number_scheduled < wished:
        return Progress(
            f"{begin} {status.updated_number_scheduled} out of {wished} new pods have been updated..."
        )
    if status.number_available < wished:
        return Progress(f"{begin} {status.number_available} of {wished} updated pods are available...")
    return Progress(f'daemon set "{name}" successfully rolled out', done=True)


#: kinds that can be waited for
PROGRESS: Final[Mapping[str, Callable[..., Progress]]] = {
    "Deployment": deployment_progress,
    "StatefulSet": stateful_set_progress,
    "DaemonSet": daemon_set_progress,
    "ReplicaSet": replicas_progress,
    "ReplicationController": replicas_progress,
    "Pod": pod_progress,
}


def reasons(pods: Iterable[Any], owners: Iterable[Any] = (), events: Sequence[Any] = ()) -> list[str]:
    """Say why Pods are not ready, each reason once.

    `owners` make the Pods, and say when they may not; of a failing probe tell `events` alone.
    """
    found: dict[str, None] = {}
    for owner in owners:
        failure = get_condition(owner.status, "ReplicaFailure")
        if failure is not None and failure.status == "True":
            name = f"{owner.DESCRIPTOR.name.lower()}/{owner.metadata.name}"
            found[f"{name}: {failure.reason}: {failure.message}"] = None
    # Of Pods that wait for the same one speaks for all.
    by_words: dict[str, list[str]] = {}
    for pod in pods:
        words = _pod_reason(pod, events)
        if words:
            by_words.setdefault(words, []).append(pod.metadata.name)
    for words, names in by_words.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        found[f"pod/{min(names)}{more}: {words}"] = None
    return list(found)


def _pod_reason(pod: Any, events: Sequence[Any]) -> str:
    if pod.metadata.HasField("deletion_timestamp") or is_ready(pod):
        return ""
    if is_terminal(pod):
        return one_line(f"{pod.status.phase}: {pod.status.reason}: {pod.status.message}".rstrip(": "))
    words = waiting_for(pod)
    if words:
        return one_line(words)
    told = [
        event for event in events if event.involved_object.uid == pod.metadata.uid and event.reason in _PROBES
    ]
    if told:
        last = max(told, key=lambda event: (event.last_timestamp.seconds, event.event_time.seconds))
        return one_line(f"{last.reason}: {last.message}")
    return ""


#: of events that tell why a Pod that runs is not ready, or does not run
_PROBES: Final = frozenset({"Unhealthy", "FailedMount", "FailedCreatePodSandBox", "Failed"})
