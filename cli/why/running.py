"""What keeps a Pod that is on its node from running, or from being ready, though no container failed.

PURE.
"""

import re
from typing import Final

from cli.printers.duration import human_duration
from cli.printers.steps import step_rows
from cli.why.evidence import Evidence, Finding, event_time, shortened
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects import pods
from vaina.objects.conditions import get_condition

#: an event that says why a Pod does not start counts for so long after it came last
_FRESH_SECONDS: Final = 600.0
_OBJECT: Final = re.compile(r'(configmap|secret)s? "([^"]+)" not found')
_CLAIM: Final = re.compile(r'persistentvolumeclaim "([^"]+)"')


def starting(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Say what a Pending Pod with a node waits for; None when it is not Pending."""
    if pod.status.phase != "Pending" or not pod.spec.node_name:
        return None
    return (
        _not_mounted(given, pod)
        or _no_sandbox(given, pod)
        or _initialising(given, pod)
        or _on_its_way(given, pod)
    )


def _fresh(given: Evidence, *reasons: str) -> str:
    event = given.last(*reasons)
    return event.message if event is not None and given.now - event_time(event) < _FRESH_SECONDS else ""


def _not_mounted(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    message = _fresh(given, "FailedMount", "FailedAttachVolume")
    if not message or _has_started(pod):
        return None
    missing, claim = _OBJECT.search(message), _CLAIM.search(message)
    if missing is not None:
        kind = "ConfigMap" if missing[1] == "configmap" else "Secret"
        return Finding(
            f"A volume needs the {kind} {missing[2]}, which does not exist", [shortened(message)],
            [given.command("get", f"{missing[1]}s")],
        )  # fmt: skip
    name = pod.metadata.name
    look = [given.command("describe", f"pod {name}")]
    if claim is not None:
        look.insert(0, given.command("describe", "pvc", claim[1]))
    return Finding("A volume cannot be mounted", [shortened(message)], look)


def _no_sandbox(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    message = _fresh(given, "FailedCreatePodSandBox")
    if not message or pod.status.pod_ip:
        return None
    return Finding(
        "Its sandbox cannot be made", [shortened(message)],
        [f"vaina describe node {pod.spec.node_name}"],
    )  # fmt: skip


def _initialising(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Tell of an init container that runs: the others wait for its end."""
    through = sum(1 for item in pod.status.init_container_statuses if item.state.HasField("terminated"))
    sidecars = {spec.name for spec in pod.spec.init_containers if pods.is_restartable_init(spec)}
    for status in pod.status.init_container_statuses:
        if status.state.HasField("running") and not (status.name in sidecars and status.started):
            began = status.state.running.started_at
            since = f" for {human_duration(given.now - seconds_of(began))}" if began.seconds else ""
            return Finding(
                f"It waits for its init container {status.name}, which has run{since}"
                f" ({through} of {len(pod.spec.init_containers)} are through)",
                [f"  {shortened(line, 200)}" for line in given.logs.get(status.name, ())[-3:]],
                [given.command("logs", pod.metadata.name, "-c", status.name, "-f")],
            )
    return None


def _has_started(pod: pod_pb2.Pod) -> bool:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return any(item.container_id for item in statuses)


def _on_its_way(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    pulling = given.last("Pulling")
    name = pod.metadata.name
    if pulling is not None and given.last("Pulled") is None:
        ago = human_duration(given.now - event_time(pulling))
        return Finding(
            f"It is still starting: an image has been pulled for {ago}", [shortened(pulling.message)],
            [given.command("get", f"pod {name} -w")],
        )  # fmt: skip
    done = [row for row in step_rows(given.trace) if row.done] if given.trace is not None else []
    reached = f": step {done[-1].step.number} of 7, {done[-1].step.value}, is done" if done else ""
    look = [given.command("trace", f"{name} --watch"), f"vaina describe node {pod.spec.node_name}"]
    return Finding(f"It is still starting on node {pod.spec.node_name}{reached}", look=look)


def unready(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    """Say why a Pod that runs gets no work: startup and readiness probes, readiness gates."""
    ready = get_condition(pod.status, "Ready")
    if pod.status.phase != "Running" or ready is None or ready.status == "True":
        return []
    found: list[Finding] = []
    specs = {spec.name: spec for spec in (*pod.spec.containers, *pod.spec.init_containers)}
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if status.ready or not status.state.HasField("running") or status.name not in specs:
            continue
        finding = _probed(given, pod, specs[status.name], status)
        if finding is not None:
            found.append(finding)
    return found or _gated(given, pod)


def _probed(
    given: Evidence, pod: pod_pb2.Pod, spec: pod_pb2.Container, status: pod_pb2.ContainerStatus
) -> Finding | None:
    which = "startup" if spec.HasField("startup_probe") and not status.started else "readiness"
    if which == "readiness" and not spec.HasField("readiness_probe"):
        return None
    name = pod.metadata.name
    look = [given.command("describe", f"pod {name}"), given.command("logs", name, "-c", spec.name)]
    event = given.last("Unhealthy", words=f"{which.capitalize()} probe", container=spec.name)
    if event is None:
        began = given.now - seconds_of(status.state.running.started_at)
        return Finding(
            f"Container {spec.name} runs for {human_duration(began)} and has not passed its {which} probe yet",
            look=look,
        )
    return Finding(
        f"Container {spec.name} runs and fails its {which} probe",
        [f"Its last answer: {shortened(event.message)}"], look,
    )  # fmt: skip


def _gated(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    missing: list[str] = []
    for gate in pod.spec.readiness_gates:
        condition = get_condition(pod.status, gate.condition_type)
        if condition is None or condition.status != "True":
            said = (
                "nobody has said anything of it"
                if condition is None
                else (condition.message or f"it is {condition.status}")
            )
            missing.append(f"{gate.condition_type}: {said}")
    if not missing:
        return []
    return [
        Finding(
            "Its containers are ready, and its readiness gates are not",
            missing,
            [given.command("get", f"pod {pod.metadata.name} -o jsonpath={{.status.conditions}}")],
        )
    ]
