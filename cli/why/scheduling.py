"""Why a Pod has no node yet. PURE; the scheduler's words are those of its plugins (`scheduler/plugins`)."""

import re
from typing import Final

from cli.why.evidence import Evidence, Finding, said
from vaina.api.core.v1 import pod_pb2
from vaina.objects.conditions import get_condition

#: (what the scheduler says, what that means); the first ones are told first
_REASONS: Final = (
    (r"no nodes available to schedule pods|^0/0 nodes", "the cluster has no nodes"),
    (r'persistentvolumeclaim "([^"]+)" not found', "its claim {0} does not exist"),
    (r'persistentvolumeclaim "([^"]+)" bound to non-existent persistentvolume', "the volume of its claim {0} is gone"),
    (r'persistentvolumeclaim "([^"]+)" is being deleted', "its claim {0} is being deleted"),
    (r"unbound immediate PersistentVolumeClaims", "its claim is not bound to a volume"),
    (r"didn't find available persistent volumes to bind", "no volume there is for its claim"),
    (r"didn't match PersistentVolume's node affinity|volume node affinity conflict", "its volume is on another node"),
    (r"Insufficient (\w[\w./-]*\w)", "not enough {0}"),
    (r"Too many pods", "no room for one more Pod"),
    (r"untolerated taint", "taints that it does not tolerate"),
    (r"node affinity/selector|scheduler-enforced node affinity", "nodeSelector or node affinity match no node"),
    (r"requested node name", "the node that it names does not fit"),
    (r"free ports for the requested pod ports", "its host port is taken"),
    (r"pod topology spread constraints", "its spread over the nodes would be too uneven"),
    (r"existing pods anti-affinity", "other Pods do not want it beside them"),
    (r"pod anti-affinity rules", "it does not want to be beside the Pods that are there"),
    (r"pod affinity rules", "the Pods that it wants to be beside are not there"),
    (r"were unschedulable", "nodes are cordoned"),
    (r"disk conflict|exceed max volume count", "its volumes cannot be attached to one more node"),
)  # fmt: skip
_CLAIM: Final = re.compile(r'persistentvolumeclaim "([^"]+)"')


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
            f"It is held back by its scheduling gates: {gates}",
            look=[given.command("get", f"pod {given.name} -o jsonpath={{.spec.schedulingGates}}")],
        )
    event = given.last("FailedScheduling")
    message = condition.message or (event.message if event is not None else "")
    reasons = _reasons(message)
    head = "No node takes it" if condition.reason == "Unschedulable" else "The scheduler could not decide"
    return Finding(
        f"{head}: {', '.join(reasons)}" if reasons else head,
        said(message),
        _look(given, pod, message),
    )


def _reasons(message: str) -> list[str]:
    # What preemption says comes after the reasons, and would be taken for some.
    text = message.partition(" preemption: ")[0]
    found: list[str] = []
    for pattern, words in _REASONS:
        for match in re.finditer(pattern, text):
            said = words.format(*match.groups())
            if said not in found:
                found.append(said)
    return found


def _look(given: Evidence, pod: pod_pb2.Pod, message: str) -> list[str]:
    look = [given.command("explain", given.name)]
    claims = [volume.volume_source.persistent_volume_claim.claim_name for volume in pod.spec.volumes]
    named = _CLAIM.findall(message)
    if named or "PersistentVolumeClaims" in message or "persistent volumes to bind" in message:
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
            f"It waits for a scheduler called {name}, which has said nothing of it",
            look=[given.command("get", f"pods -A --field-selector spec.schedulerName={name}")],
        )
    return Finding(
        "The scheduler has not looked at it yet",
        ["If that stays so, no scheduler is running or it cannot reach the apiserver."],
        ["vaina get leases -n kube-system", "vaina scheduler decisions"],
    )
