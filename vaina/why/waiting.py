"""Why a Pod in which no container has failed has no node, does not run or is not ready. PURE.

The words of the scheduler are those of its plugins (`scheduler/plugins`).
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from vaina.api.core.v1 import pod_pb2
from vaina.objects import pods
from vaina.objects.conditions import get_condition
from vaina.printers.cells import human_duration
from vaina.texts import Text, joined, say
from vaina.traces import step_rows
from vaina.why.evidence import Evidence, Finding, event_time, said, shortened, statuses_of

#: (what the scheduler says, what that means); the first ones are told first. A test holds that none is missing
_REASONS: Final = (
    (r"no nodes available to schedule pods|^0/0 nodes", "the cluster has no nodes"),
    (r'persistentvolumeclaim "([^"]+)" not found', "its claim {name} does not exist"),
    (r'persistentvolumeclaim "([^"]+)" bound to non-existent persistentvolume', "the volume of its claim {name} is gone"),
    (r'persistentvolumeclaim "([^"]+)" is being deleted', "its claim {name} is being deleted"),
    (r'to create the persistentvolumeclaim "([^"]+)"', "its claim {name} has yet to be made"),
    (r"PVC (\S+) was not created for pod", "its claim {name} was made for somebody else"),
    (r'persistentvolume "([^"]+)" not found', "its volume {name} does not exist"),
    (r"bound to non-existent pv\(s\)", "the volume of a claim is gone"),
    (r'storageclass\.storage\.k8s\.io "([^"]+)" not found', "the class {name} of its claim does not exist"),
    (r"ReadWriteOncePod access mode already in-use", "another Pod has its claim, which is for one Pod alone"),
    (
        r"unbound immediate PersistentVolumeClaims|had no pv name|PersistentVolume had no name",
        "its claim is not bound to a volume",
    ),
    (r"didn't find available persistent volumes to bind", "no volume there is for its claim"),
    (r"didn't match PersistentVolume's node affinity|volume node affinity conflict", "its volume is on another node"),
    (r"no available volume zone", "its volume is in another zone"),
    (r"no available disk", "its disk is used by another Pod"),
    (r"Insufficient (\w[\w./-]*\w)", "not enough {name}"),
    (r"Too many pods", "no room for one more Pod"),
    (r"untolerated taint", "taints that it does not tolerate"),
    (
        r"node affinity/selector|scheduler-enforced node affinity|pod affinity terms conflict",
        "nodeSelector or node affinity match no node",
    ),
    (r"satisfy plugin\(s\) \[([^\]]+)\]", "{name} leaves some nodes only"),
    (r"Pod's required features", "it needs features that nodes do not have"),
    (r"requested node name", "the node that it names does not fit"),
    (r"free ports for the requested pod ports", "its host port is taken"),
    (r"pod topology spread constraints", "its spread over the nodes would be too uneven"),
    (r"existing pods anti-affinity", "other Pods do not want it beside them"),
    (r"pod anti-affinity rules", "it does not want to be beside the Pods that are there"),
    (r"pod affinity rules", "the Pods that it wants to be beside are not there"),
    (r"were unschedulable", "nodes are cordoned"),
    (r"exceed max volume count", "its volumes cannot be attached to one more node"),
    (r"did not have enough free storage", "not enough storage is left for the volume of its claim"),
    (r"([\w.-]+) CSI driver is not installed", "the driver {name} of its volumes is not on the nodes"),
)  # fmt: skip
_CLAIM: Final = re.compile(r'persistentvolumeclaim "([^"]+)"')
#: what says that a claim of the Pod is to be looked at, without its name
_OF_CLAIMS: Final = (
    "PersistentVolumeClaim", "persistent volumes to bind", "PVC ", "persistentvolume ", "pvc(s)", "had no name",
    "storageclass.storage.k8s.io",
)  # fmt: skip


def unscheduled(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Say why a Pod has no node; None when it has one."""
    if pod.spec.node_name:
        return None
    condition = get_condition(pod.status, "PodScheduled")
    if condition is None or condition.status != "False":
        return _unseen(given, pod)
    if condition.reason == "SchedulingGated":
        gates = ", ".join(gate.name for gate in pod.spec.scheduling_gates)
        return Finding(
            say("It is held back by its scheduling gates: {gates}", gates=gates),
            look=[given.command("get", f"pod {given.name} -o jsonpath={{.spec.schedulingGates}}")],
        )
    event = given.last("FailedScheduling")
    message = condition.message or (event.message if event is not None else "")
    reasons = _reasons(message)
    refused = condition.reason == "Unschedulable"
    what = say("No node takes it") if refused else say("The scheduler could not decide")
    if reasons:
        because = joined(reasons)
        what = (
            say("No node takes it: {reasons}", reasons=because)
            if refused
            else say("The scheduler could not decide: {reasons}", reasons=because)
        )
    return Finding(what, said(message), _look(given, pod, message))


def _reasons(message: str) -> list[str]:
    # What preemption says comes after the reasons, and would be taken for some.
    text = message.partition(" preemption: ")[0]
    found: list[str] = []
    for pattern, meaning in _REASONS:
        for match in re.finditer(pattern, text):
            # A text of a table is said as one: tests find it there.
            words = Text.of(meaning, {"name": match[1]} if match.groups() else {})
            if words not in found:
                found.append(words)
    return found


def _look(given: Evidence, pod: pod_pb2.Pod, message: str) -> list[str]:
    look = [given.command("explain", given.name)]
    claims = [volume.volume_source.persistent_volume_claim.claim_name for volume in pod.spec.volumes]
    named = _CLAIM.findall(message)
    if named or any(words in message for words in _OF_CLAIMS):
        look.insert(0, given.command("describe", "pvc", *(named or [name for name in claims if name])))
    if "nodes are available" in message and not message.startswith("0/0"):
        look.append("vaina describe nodes")
    elif "0/0" in message or "no nodes available" in message:
        look.append("vaina get nodes")
    return look


def _unseen(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    name = pod.spec.scheduler_name or "default-scheduler"
    if name != "default-scheduler":
        return Finding(
            say("It waits for a scheduler called {name}, which has said nothing of it", name=name),
            look=[given.command("get", f"pods -A --field-selector spec.schedulerName={name}")],
        )
    return Finding(
        say("The scheduler has not looked at it yet"),
        [say("If that stays so, no scheduler is running or it cannot reach the apiserver.")],
        ["vaina get leases -n kube-system", "vaina scheduler decisions"],
    )


#: an event that says why a Pod does not start counts for so long after it came last
_FRESH_SECONDS: Final = 600.0


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
    return given.missing_object(say("a volume"), message) or Finding(
        say("A volume cannot be mounted"), [shortened(message)], [*look, given.describe()]
    )


def _no_sandbox(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    message = _fresh(given, "FailedCreatePodSandBox")
    if not message or pod.status.pod_ip:
        return None
    look = [f"vaina describe node {pod.spec.node_name}"]
    return Finding(say("Its sandbox cannot be made"), [shortened(message)], look)


def _initialising(given: Evidence, pod: pod_pb2.Pod) -> Finding | None:
    """Tell of an init container that runs: the others wait for its end."""
    through = sum(1 for item in pod.status.init_container_statuses if item.state.HasField("terminated"))
    sidecars = {spec.name for spec in pod.spec.init_containers if pods.is_restartable_init(spec)}
    for status in pod.status.init_container_statuses:
        if status.state.HasField("running") and not (status.name in sidecars and status.started):
            began = status.state.running.started_at
            done: dict[str, Any] = {
                "name": status.name,
                "done": through,
                "all": len(pod.spec.init_containers),
            }
            return Finding(
                say(
                    "It waits for its init container {name}, which has run for {time} ({done} of {all} are through)",
                    time=given.ago(began),
                    **done,
                )
                if began.seconds
                else say(
                    "It waits for its init container {name}, which runs ({done} of {all} are through)", **done
                ),
                [f"  {shortened(line, 200)}" for line in given.logs.get(status.name, ())[-3:]],
                [given.command("logs", given.name, "-c", status.name, "-f")],
            )
    return None


def _on_its_way(given: Evidence, pod: pod_pb2.Pod) -> Finding:
    pulling = given.last("Pulling")
    if pulling is not None and given.last("Pulled") is None:
        what = say(
            "It is still starting: an image has been pulled for {time}",
            time=human_duration(given.now - event_time(pulling)),
        )
        return Finding(what, [shortened(pulling.message)], [given.command("get", f"pod {given.name} -w")])
    done = [row for row in step_rows(given.trace) if row.done] if given.trace is not None else []
    node = pod.spec.node_name
    what = say("It is still starting on node {node}", node=node)
    if done:
        what = say(
            "It is still starting on node {node}: step {number} of 7, {step}, is done",
            node=node, number=done[-1].step.number, step=done[-1].step.value,
        )  # fmt: skip
    look = [given.command("trace", f"{given.name} --watch"), f"vaina describe node {node}"]
    return Finding(what, look=look)


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
            say(
                "Container {name} runs for {time} and has not passed its {which} probe yet",
                name=spec.name,
                time=began,
                which=which,
            ),
            look=look,
        )
    else:
        answer = say("Its last answer: {message}", message=shortened(event.message))
        what = say("Container {name} runs and fails its {which} probe", name=spec.name, which=which)
        yield Finding(what, [answer], look)


def _gated(given: Evidence, pod: pod_pb2.Pod) -> list[Finding]:
    missing: list[str] = []
    for gate in pod.spec.readiness_gates:
        condition = get_condition(pod.status, gate.condition_type)
        if condition is None:
            missing.append(say("{condition}: nobody has said anything of it", condition=gate.condition_type))
        elif condition.status != "True":
            because = condition.message or say("it is {status}", status=condition.status)
            missing.append(say("{condition}: {because}", condition=gate.condition_type, because=because))
    if not missing:
        return []
    look = [given.command("get", f"pod {given.name} -o jsonpath={{.status.conditions}}")]
    return [Finding(say("Its containers are ready, and its readiness gates are not"), missing, look)]
