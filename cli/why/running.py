"""What keeps a Pod that is on its node from running, or from being ready, though no container failed. PURE."""

import re
from collections.abc import Iterator
from typing import Final

from cli.printers.duration import human_duration
from cli.printers.steps import step_rows
from cli.why.evidence import Evidence, Finding, event_time, shortened, statuses_of
from vaina.api.core.v1 import pod_pb2
from vaina.objects import pods
from vaina.objects.conditions import get_condition

#: an event that says why a Pod does not start counts for so long after it came last
_FRESH_SECONDS: Final = 600.0
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
    if not message or any(item.container_id for item in statuses_of(pod)):
        return None
    claim = _CLAIM.search(message)
    look = [given.command("describe", "pvc", claim[1])] if claim is not None else []
    return given.missing_object("A volume", message) or Finding(
        "A volume cannot be mounted", [shortened(message)], [*look, given.describe()]
    )


def _no_sandbox(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    message = _fresh(given, "FailedCreatePodSandBox")
    if not message or pod.status.pod_ip:
        return None
    look = [f"vaina describe node {pod.spec.node_name}"]
    return Finding("Its sandbox cannot be made", [shortened(message)], look)


def _initialising(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Tell of an init container that runs: the others wait for its end."""
    through = sum(1 for item in pod.status.init_container_statuses if item.state.HasField("terminated"))
    sidecars = {spec.name for spec in pod.spec.init_containers if pods.is_restartable_init(spec)}
    for status in pod.status.init_container_statuses:
        if status.state.HasField("running") and not (status.name in sidecars and status.started):
            began = status.state.running.started_at
            since = f" for {given.ago(began)}" if began.seconds else ""
            return Finding(
                f"It waits for its init container {status.name}, which has run{since}"
                f" ({through} of {len(pod.spec.init_containers)} are through)",
                [f"  {shortened(line, 200)}" for line in given.logs.get(status.name, ())[-3:]],
                [given.command("logs", given.name, "-c", status.name, "-f")],
            )
    return None


def _on_its_way(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    pulling = given.last("Pulling")
    if pulling is not None and given.last("Pulled") is None:
        what = f"It is still starting: an image has been pulled for {human_duration(given.now - event_time(pulling))}"
        return Finding(what, [shortened(pulling.message)], [given.command("get", f"pod {given.name} -w")])
    done = [row for row in step_rows(given.trace) if row.done] if given.trace is not None else []
    reached = f": step {done[-1].step.number} of 7, {done[-1].step.value}, is done" if done else ""
    node = pod.spec.node_name
    look = [given.command("trace", f"{given.name} --watch"), f"vaina describe node {node}"]
    return Finding(f"It is still starting on node {node}{reached}", look=look)


def unready(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    """Say why a Pod that runs gets no work: startup and readiness probes, readiness gates."""
    ready = get_condition(pod.status, "Ready")
    if pod.status.phase != "Running" or ready is None or ready.status == "True":
        return []
    found: list[Finding] = []
    specs = {spec.name: spec for spec in (*pod.spec.containers, *pod.spec.init_containers)}
    for status in statuses_of(pod):
        if not status.ready and status.state.HasField("running") and status.name in specs:
            found.extend(_probed(given, specs[status.name], status))
    return found or _gated(given, pod)


def _probed(given: Evidence, spec: pod_pb2.Container, status: pod_pb2.ContainerStatus) -> Iterator[Finding]:
    which = "startup" if spec.HasField("startup_probe") and not status.started else "readiness"
    if which == "readiness" and not spec.HasField("readiness_probe"):
        return
    look = [given.describe(), given.command("logs", given.name, "-c", spec.name)]
    event = given.last("Unhealthy", words=f"{which.capitalize()} probe", container=spec.name)
    if event is None:
        began = given.ago(status.state.running.started_at)
        yield Finding(
            f"Container {spec.name} runs for {began} and has not passed its {which} probe yet", look=look
        )
    else:
        answer = f"Its last answer: {shortened(event.message)}"
        yield Finding(f"Container {spec.name} runs and fails its {which} probe", [answer], look)


def _gated(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    missing: list[str] = []
    for gate in pod.spec.readiness_gates:
        condition = get_condition(pod.status, gate.condition_type)
        if condition is None:
            missing.append(f"{gate.condition_type}: nobody has said anything of it")
        elif condition.status != "True":
            missing.append(f"{gate.condition_type}: {condition.message or f'it is {condition.status}'}")
    if not missing:
        return []
    look = [given.command("get", f"pod {given.name} -o jsonpath={{.status.conditions}}")]
    return [Finding("Its containers are ready, and its readiness gates are not", missing, look)]
