"""From all that is known of a Pod to what is wrong with it: the order in which things are looked at. PURE.

What makes everything else unimportant comes first: whether it is there, whether it is going, whether its node
is. Then what ended it, what keeps it from a node, and its containers; in the end what is merely worth
knowing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cli.printers.duration import human_duration
from cli.why import containers, places, running, scheduling
from cli.why.evidence import Evidence, Finding
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition
from vaina.objects.pods import is_mirror


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What there is to say of a Pod."""

    #: the Pod and its state, in a line
    head: str
    findings: Sequence[Finding]
    #: worth knowing though nothing is wrong with it
    notes: Sequence[str] = field(default=())
    #: nothing is wrong
    healthy: bool = False


def diagnose(given: Evidence) -> Diagnosis:
    """Say what is wrong with a Pod.

    Args:
        given: what is known; the same gives the same.
    """
    pod = given.pod
    where = f"Pod {given.namespace}/{given.name}"
    if pod is None:
        return Diagnosis(where, [places.gone(given)])
    findings = _findings(given, pod)
    head = f"{where} is {_state(pod)}"
    if findings:
        return Diagnosis(head, findings, _notes(pod))
    return Diagnosis(head, [_well(given, pod)], [*_history(given, pod), *_notes(pod)], healthy=True)


def _findings(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    for whole in (places.terminating, places.misplaced, places.ended, scheduling.unscheduled):
        finding = whole(given, pod)
        if finding is not None:
            return [finding]
    failed = [] if pod.status.phase == "Succeeded" else containers.troubles(given, pod)
    if failed:
        return failed
    late = running.starting(given, pod)
    return [late] if late is not None else running.unready(given, pod)


def _state(pod: pod_pb2.Pod) -> str:
    if pod.metadata.HasField("deletion_timestamp"):
        return "Terminating"
    ready = get_condition(pod.status, "Ready")
    if pod.status.phase == "Running" and ready is not None:
        return "Running and ready" if ready.status == "True" else "Running and not ready"
    return str(pod.status.phase) or "Pending"


def _well(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    if pod.status.phase == "Succeeded":
        return Finding("Nothing is wrong: it has done its work and ended")
    if pod.status.phase != "Running":
        return Finding("Nothing is known to be wrong", look=[given.command("describe", f"pod {given.name}")])
    since = (
        human_duration(given.now - seconds_of(pod.status.start_time))
        if pod.status.HasField("start_time")
        else ""
    )
    return Finding("Nothing is wrong" + (f": it has run for {since}" if since else ""))


def _history(given: Evidence, pod: pod_pb2.Pod) -> list[str]:
    """Tell of restarts that are over."""
    told: list[str] = []
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        last = status.last_state.terminated
        if not status.restart_count or not status.last_state.HasField("terminated"):
            continue
        ago = human_duration(given.now - seconds_of(last.finished_at))
        reason = last.reason or "Error"
        times = "once" if status.restart_count == 1 else f"{status.restart_count} times"
        look = given.command("logs", given.name, "-c", status.name, "--previous")
        told.append(
            f"Container {status.name} was restarted {times}, last {ago} ago ({reason}, exit code {last.exit_code}): {look}"
        )
    return told


def _notes(pod: pod_pb2.Pod) -> list[str]:
    owned = any(owner.controller for owner in pod.metadata.owner_references)
    if owned or is_mirror(pod):
        return []
    return [
        "No controller owns it: nothing replaces it when it is deleted, evicted or its node fails. A ReplicaSet or a Deployment would."
    ]
