"""What is wrong with where a Pod is, or how it goes: its node, its end, its deletion, its absence. PURE."""

from typing import Final

from cli.printers.cells import human_duration
from cli.printers.steps import step_rows
from cli.why.evidence import Evidence, Finding, capitalised, event_time, said, shortened, statuses_of
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import seconds_of
from vaina.objects import pods
from vaina.objects.conditions import get_condition

#: events of a gone Pod that are shown
_EVENTS: Final = 5
#: reasons of a Failed Pod, and what they mean
_ENDS: Final = {
    "Evicted": "Its node was short of something and evicted it",
    "DeadlineExceeded": "It ran longer than its activeDeadlineSeconds allow",
    "NodeLost": "Its node is lost",
    "NodeAffinity": "Its node refused it: the Pod's node affinity or nodeSelector does not match",
    "Preempting": "It had to make room for a critical Pod",
    "Terminated": "Its node was shut down",
    "NodeShutdown": "Its node was shut down",
    "UnexpectedAdmissionError": "Its node refused it",
    "PodGone": "Its node no longer knew it",
}


def gone(given: Evidence) -> Finding:
    """Tell of a Pod that is not there what outlived it."""
    trace = given.trace
    details: list[str] = []
    what = "It is gone"
    if trace is not None:
        if trace.status.HasField("pod_deleted_time"):
            what += f" for {given.ago(trace.status.pod_deleted_time)}"
        done = [row for row in step_rows(trace) if row.done]
        if done:
            last = done[-1].step
            where = f" on node {trace.status.node_name}" if trace.status.node_name else ""
            details.append(f"It came as far as step {last.number} of 7, {last.value}{where}.")
    for event in given.events[-_EVENTS:]:
        ago = human_duration(given.now - event_time(event))
        details.append(f"{ago} ago  {event.type} {event.reason}: {shortened(event.message, 200)}")
    look = [given.command("trace", given.name)] if trace is not None else []
    return Finding(what, details, [*look, given.command("events", f"--for pod/{given.name}")])


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
            f"It has ended and cannot go: it waits for its finalizers {', '.join(meta.finalizers)}",
            ["Whoever put them there has to take them away: that is a controller, which may not be running."],
            [given.command("get", f"pod {meta.name} -o yaml"), given.command("patch", patch)],
        )
    trouble = _node_trouble(given, pod)
    if trouble:
        return Finding(
            f"It cannot end: {trouble}",
            [
                "Only its node knows whether its containers still run. Delete it by force when the node will not come back."
            ],
            [f"vaina describe node {pod.spec.node_name}", force],
        )
    if late <= 0:
        return Finding(
            f"It is ending: its containers have {human_duration(-late)} left of their grace period",
            look=[given.command("get", f"pod {meta.name} -w")],
        )
    running = [item.name for item in statuses_of(pod) if item.state.HasField("running")]
    still = f": {', '.join(running)} still {'run' if len(running) > 1 else 'runs'}" if running else ""
    return Finding(
        f"It should have ended {human_duration(late)} ago{still}",
        ["Its node is there: it may be slow to stop containers or to unmount volumes."],
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
        f"{owner.kind} {owner.name} makes another one when this one is evicted."
        if owner is not None
        else "It is evicted after a while (five minutes unless its tolerations say otherwise); nothing replaces it."
    )
    return Finding(
        capitalised(trouble), [*_node_words(given.node), after],
        [f"vaina describe node {pod.spec.node_name}", given.command("get", f"pod {name} -o wide")],
    )  # fmt: skip


def ended(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Say why a Pod as a whole has failed; None when it has not, or when its containers say it."""
    if pod.status.phase != "Failed" or not pod.status.reason:
        return None
    reason = pod.status.reason
    what = _ENDS.get(reason, "It has failed")
    if reason.startswith("OutOf"):
        what = f"Its node had not enough {reason.removeprefix('OutOf')} left for it"
    look = [given.describe()]
    if reason in {"Evicted", "NodeAffinity", "Preempting"} or reason.startswith("OutOf"):
        look.append(f"vaina describe node {pod.spec.node_name}")
    if reason == "DeadlineExceeded":
        look = [given.command("logs", pod.metadata.name), *look]
    return Finding(f"{what} ({reason})", said(pod.status.message), look)


def _node_trouble(given: Evidence, pod: pod_pb2.Pod) -> str:
    """Return what is wrong with the Pod's node, or nothing."""
    name = pod.spec.node_name
    if not name:
        return ""
    if given.node is None:
        return f"its node {name} is gone"
    ready = get_condition(given.node.status, "Ready")
    if ready is not None and ready.status == "True":
        return ""
    if ready is None or ready.status == "Unknown":
        known = ready is not None and ready.last_transition_time.seconds
        for_long = f" for {given.ago(ready.last_transition_time)}" if ready is not None and known else ""
        return f"its node {name} does not answer{for_long}"
    return f"its node {name} is not ready"


def _node_words(node: node_pb2.Node | None) -> list[str]:
    ready = get_condition(node.status, "Ready") if node is not None else None
    return [f"{ready.reason}: {shortened(ready.message)}"] if ready is not None and ready.message else []
