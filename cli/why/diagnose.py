"""From all that is known of a Pod to what is wrong with it. PURE.

First comes what makes all else unimportant: whether it is there, is going, or has lost its node. Then what ended
it, what keeps it from a node, and its containers; in the end what is merely worth knowing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cli.printers.style import PLAIN, Paint
from cli.why import containers, places, waiting
from cli.why.evidence import Evidence, Finding, statuses_of
from vaina.api.core.v1 import pod_pb2
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
    """Say what is wrong with a Pod."""
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
    for whole in (places.terminating, places.misplaced, places.ended, waiting.unscheduled):
        finding = whole(given, pod)
        if finding is not None:
            return [finding]
    failed = [] if pod.status.phase == "Succeeded" else containers.troubles(given, pod)
    if failed:
        return failed
    late = waiting.starting(given, pod)
    return [late] if late is not None else waiting.unready(given, pod)


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
        return Finding("Nothing is known to be wrong", look=[given.describe()])
    if not pod.status.HasField("start_time"):
        return Finding("Nothing is wrong")
    return Finding(f"Nothing is wrong: it has run for {given.ago(pod.status.start_time)}")


def _history(given: Evidence, pod: pod_pb2.Pod) -> Iterator[str]:
    for status in statuses_of(pod):
        last = status.last_state.terminated
        if status.restart_count and status.last_state.HasField("terminated"):
            times = "once" if status.restart_count == 1 else f"{status.restart_count} times"
            look = given.command("logs", given.name, "-c", status.name, "--previous")
            yield (
                f"Container {status.name} was restarted {times}, last {given.ago(last.finished_at)} ago "
                f"({last.reason or 'Error'}, exit code {last.exit_code}): {look}"
            )


def _notes(pod: pod_pb2.Pod) -> list[str]:
    owned = any(owner.controller for owner in pod.metadata.owner_references)
    if owned or is_mirror(pod):
        return []
    return [
        "No controller owns it: nothing replaces it when it is deleted, evicted or its node fails. A ReplicaSet or a Deployment would."
    ]


def render_diagnosis(diagnosis: Diagnosis, paint: Paint = PLAIN) -> str:
    """Write a diagnosis: a line a finding, what says more of it indented, and the commands to go on with."""
    lines = [f"{paint('bold', diagnosis.head)}."]
    style = "green" if diagnosis.healthy else "red"
    for finding in diagnosis.findings:
        lines.append(paint(style, f"{finding.what}."))
        lines.extend(f"  {line}" for line in finding.details)
    commands = list(dict.fromkeys(command for finding in diagnosis.findings for command in finding.look))
    lines.extend(paint("dim", f"Note: {note}") for note in diagnosis.notes)
    if commands:
        lines.append("Look at:")
        lines.extend(f"  {paint('cyan', command)}" for command in commands)
    return "".join(f"{line}\n" for line in lines)
