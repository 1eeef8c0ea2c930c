"""From all that is known of a Pod to what is wrong with it. PURE.

First comes what makes all else unimportant: whether it is there, is going, or has lost its node. Then what ended
it, what keeps it from a node, and its containers; in the end what is merely worth knowing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import seconds_of
from vaina.objects import pods
from vaina.objects.conditions import get_condition
from vaina.printers.cells import human_duration
from vaina.steps import PodStep
from vaina.texts import Text, counted, say, sentence
from vaina.traces import step_rows
from vaina.why import containers, waiting
from vaina.why.evidence import Evidence, Finding, event_time, said, shortened, statuses_of


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
    place = f"{given.namespace}/{given.name}"
    if pod is None:
        return Diagnosis(say("Pod {place}", place=place), [gone(given)])
    findings = _findings(given, pod)
    head = say("Pod {place} is {state}", place=place, state=_state(pod))
    if findings:
        return Diagnosis(head, findings, _notes(pod))
    return Diagnosis(head, [_well(given, pod)], [*_history(given, pod), *_notes(pod)], healthy=True)


def _findings(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    for whole in (terminating, misplaced, ended, waiting.unscheduled):
        finding = whole(given, pod)
        if finding is not None:
            return [finding]
    failed = [] if pod.status.phase == "Succeeded" else containers.troubles(given, pod)
    if failed:
        return failed
    if pod.status.phase == "Failed":
        return [_unexplained(given, pod)]
    late = waiting.starting(given, pod)
    return [late] if late is not None else waiting.unready(given, pod)


def _state(pod: pod_pb2.Pod) -> str:
    if pod.metadata.HasField("deletion_timestamp"):
        return "Terminating"
    ready = get_condition(pod.status, "Ready")
    if pod.status.phase == "Running" and ready is not None:
        return say("Running and ready") if ready.status == "True" else say("Running and not ready")
    return str(pod.status.phase) or "Pending"


def _well(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    if pod.status.phase == "Succeeded":
        return Finding(say("Nothing is wrong: it has done its work and ended"))
    if pod.status.phase != "Running":
        return Finding(say("Nothing is known to be wrong"), look=[given.describe()])
    if not pod.status.HasField("start_time"):
        return Finding(say("Nothing is wrong"))
    return Finding(say("Nothing is wrong: it has run for {time}", time=given.ago(pod.status.start_time)))


def _history(given: Evidence, pod: pod_pb2.Pod) -> Iterator[str]:
    for status in statuses_of(pod):
        last = status.last_state.terminated
        if status.restart_count and status.last_state.HasField("terminated"):
            look = given.command("logs", given.name, "-c", status.name, "--previous")
            yield counted(
                "Container {name} was restarted once, last {ago} ago ({reason}, exit code {code}): {look}",
                "Container {name} was restarted {count} times, last {ago} ago ({reason}, exit code {code}): {look}",
                status.restart_count, name=status.name, ago=given.ago(last.finished_at),
                reason=last.reason or "Error", code=last.exit_code, look=look,
            )  # fmt: skip


def _notes(pod: pod_pb2.Pod) -> list[str]:
    owned = any(owner.controller for owner in pod.metadata.owner_references)
    if owned or pods.is_mirror(pod):
        return []
    return [
        say(
            "No controller owns it: nothing replaces it when it is deleted, evicted or its node fails. A ReplicaSet or a Deployment would."
        )
    ]


#: events of a gone Pod that are shown
_EVENTS: Final = 5
#: reasons of a Failed Pod, and what they mean
_ENDS: Final = {
    "Evicted": say("Its node was short of something and evicted it"),
    "DeadlineExceeded": say("It ran longer than its activeDeadlineSeconds allow"),
    "NodeLost": say("Its node is lost"),
    "NodeAffinity": say("Its node refused it: the Pod's node affinity or nodeSelector does not match"),
    "Preempting": say("It had to make room for a critical Pod"),
    "Terminated": say("Its node was shut down"),
    "NodeShutdown": say("Its node was shut down"),
    "UnexpectedAdmissionError": say("Its node refused it"),
    "PodGone": say("Its node no longer knew it"),
}


def gone(given: Evidence) -> Finding:
    """Tell of a Pod that is not there what outlived it."""
    trace = given.trace
    details: list[str] = []
    what = say("It is gone")
    if trace is not None:
        if trace.status.HasField("pod_deleted_time"):
            what = say("It is gone for {time}", time=given.ago(trace.status.pod_deleted_time))
        done = [row for row in step_rows(trace) if row.done]
        if done:
            last = done[-1].step
            details.append(_came_to(last, trace.status.node_name))
    for event in given.events[-_EVENTS:]:
        ago = human_duration(given.now - event_time(event))
        what_was = f"{event.type} {event.reason}: {shortened(event.message, 200)}"
        details.append(say("{ago} ago  {event}", ago=ago, event=what_was))
    look = [given.command("trace", given.name)] if trace is not None else []
    return Finding(what, details, [*look, given.command("events", f"--for pod/{given.name}")])


def _came_to(step: PodStep, node: str) -> Text:
    if not node:
        return say("It came as far as step {number} of 7, {step}.", number=step.number, step=step.value)
    return say(
        "It came as far as step {number} of 7, {step} on node {node}.",
        number=step.number, step=step.value, node=node,
    )  # fmt: skip


def terminating(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Say what a Pod that is being deleted waits for; None when it is not being deleted."""
    meta = pod.metadata
    if not meta.HasField("deletion_timestamp"):
        return None
    late = given.now - seconds_of(meta.deletion_timestamp)
    force = given.command("delete", f"pod {meta.name} --grace-period=0 --force")
    if meta.finalizers and (pods.is_terminal(pod) or not pod.spec.node_name):
        patch = f"""pod {meta.name} --type=merge -p '{{"metadata":{{"finalizers":null}}}}'"""
        return Finding(
            say(
                "It has ended and cannot go: it waits for its finalizers {names}",
                names=", ".join(meta.finalizers),
            ),
            [
                say(
                    "Whoever put them there has to take them away: that is a controller, which may not be running."
                )
            ],
            [given.command("get", f"pod {meta.name} -o yaml"), given.command("patch", patch)],
        )
    trouble = _node_trouble(given, pod)
    if trouble:
        return Finding(
            say("It cannot end: {trouble}", trouble=trouble),
            [
                say(
                    "Only its node knows whether its containers still run. Delete it by force when the node will not come back."
                )
            ],
            [f"vaina describe node {pod.spec.node_name}", force],
        )
    if late <= 0:
        return Finding(
            say(
                "It is ending: its containers have {time} left of their grace period",
                time=human_duration(-late),
            ),
            look=[given.command("get", f"pod {meta.name} -w")],
        )
    running = [item.name for item in statuses_of(pod) if item.state.HasField("running")]
    ago = human_duration(late)
    what = say("It should have ended {ago} ago", ago=ago)
    if running:
        what = counted(
            "It should have ended {ago} ago: {names} still runs",
            "It should have ended {ago} ago: {names} still run",
            len(running), ago=ago, names=", ".join(running),
        )  # fmt: skip
    return Finding(
        what,
        [say("Its node is there: it may be slow to stop containers or to unmount volumes.")],
        [given.describe(), f"vaina describe node {pod.spec.node_name}", force],
    )


def misplaced(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Say that a Pod's node is lost; None when it is there, or the Pod has none."""
    trouble = "" if pods.is_terminal(pod) else _node_trouble(given, pod)
    if not trouble:
        return None
    name = pod.metadata.name
    owner = next((item for item in pod.metadata.owner_references if item.controller), None)
    after = (
        say("{kind} {name} makes another one when this one is evicted.", kind=owner.kind, name=owner.name)
        if owner is not None
        else say(
            "It is evicted after a while (five minutes unless its tolerations say otherwise); nothing replaces it."
        )
    )
    return Finding(
        sentence("{trouble}", trouble=trouble), [*_node_words(given.node), after],
        [f"vaina describe node {pod.spec.node_name}", given.command("get", f"pod {name} -o wide")],
    )  # fmt: skip


def ended(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Say why a Pod as a whole has failed; None when it has not, or when its containers say it."""
    if pod.status.phase != "Failed" or not pod.status.reason:
        return None
    reason = pod.status.reason
    what = _ENDS.get(reason, say("It has failed"))
    if reason.startswith("OutOf"):
        what = say("Its node had not enough {resource} left for it", resource=reason.removeprefix("OutOf"))
    look = [given.describe()]
    if reason in {"Evicted", "NodeAffinity", "Preempting"} or reason.startswith("OutOf"):
        look.append(f"vaina describe node {pod.spec.node_name}")
    if reason == "DeadlineExceeded":
        look = [given.command("logs", pod.metadata.name), *look]
    return Finding(say("{what} ({reason})", what=what, reason=reason), said(pod.status.message), look)


def _unexplained(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    """Say of a Pod that has failed that neither a reason nor a container tells why."""
    message = said(pod.status.message)
    what = say("It has failed") if message else say("It has failed, and its status does not say why")
    return Finding(what, message, [given.describe(), given.command("events", f"--for pod/{given.name}")])


def _node_trouble(given: Evidence, pod: pod_pb2.Pod) -> str:
    """Return what is wrong with the Pod's node, or nothing."""
    name = pod.spec.node_name
    if not name:
        return ""
    if given.node is None:
        return say("its node {name} is gone", name=name)
    ready = get_condition(given.node.status, "Ready")
    if ready is not None and ready.status == "True":
        return ""
    if ready is None or ready.status == "Unknown":
        known = ready is not None and ready.last_transition_time.seconds
        if ready is not None and known:
            since = given.ago(ready.last_transition_time)
            return say("its node {name} does not answer for {time}", name=name, time=since)
        return say("its node {name} does not answer", name=name)
    return say("its node {name} is not ready", name=name)


def _node_words(node: node_pb2.Node | None) -> list[str]:
    ready = get_condition(node.status, "Ready") if node is not None else None
    return [f"{ready.reason}: {shortened(ready.message)}"] if ready is not None and ready.message else []
