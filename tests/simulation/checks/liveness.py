"""PURE: what must be reached once all faults are over: I15, I16, I17.

Each gives what is still missing, in words.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.simulation.checks.claims import reachable, storage_is_settled
from tests.simulation.checks.model import TERMINAL, Model
from tests.simulation.checks.nodes import Nodes
from tests.simulation.checks.reached import REACHED
from vaina.kinds import DEPLOYMENT, NODE, POD, REPLICA_SET, REPLICATION_CONTROLLER
from vaina.objects.meta import is_controlled_by
from vaina.objects.nodes import selects, untolerated
from vaina.objects.pods import is_ready, pod_requests, resource_amount
from vaina.objects.rollouts import fenceposts, new_replica_set, replicas_of


def replicas_are_there(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: controllers have what they were asked for, and say so."""
    del nodes
    for kind in (REPLICA_SET, REPLICATION_CONTROLLER):
        for owner in model.of(kind):
            name, wished = owner.metadata.name, owner.spec.replicas
            if owner.metadata.HasField("deletion_timestamp"):
                yield f"{kind.kind} {name} was deleted, and is there (finalizers {[*owner.metadata.finalizers]})"
                continue
            active = model.owned_by(owner.metadata.uid)
            if len(active) != wished:
                yield f"{kind.kind} {name} wants {wished} Pods and has {len(active)}"
            if owner.status.replicas != len(active):
                yield f"{kind.kind} {name} says it has {owner.status.replicas} Pods, and has {len(active)}"
            ready = sum(is_ready(pod) for pod in active)
            if owner.status.ready_replicas != ready:
                yield f"{kind.kind} {name} says {owner.status.ready_replicas} Pods are ready, and {ready} are"


def rollouts_are_over(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: Deployments have what they were asked for, unless a Pod of theirs fits nowhere.

    Within their bounds in any case.
    """
    del nodes
    for found in model.of(DEPLOYMENT):
        meta, name, wished = found.metadata, found.metadata.name, replicas_of(found)
        if meta.HasField("deletion_timestamp"):
            yield f"Deployment {name} was deleted, and is there (finalizers {[*meta.finalizers]})"
            continue
        if found.status.observed_generation != meta.generation:
            yield f"Deployment {name} says nothing of its generation {meta.generation}"
        sets = [rs for rs in model.of(REPLICA_SET) if is_controlled_by(rs.metadata, meta.uid)]
        total = sum(replicas_of(rs) for rs in sets)
        if total > wished + fenceposts(found)[0]:
            yield f"Deployment {name} wants {wished} Pods, and its ReplicaSets want {total}"
        if not all(is_ready(pod) for rs in sets for pod in model.owned_by(rs.metadata.uid)):
            continue
        new = new_replica_set(found, sets)
        if new is None or total != wished or replicas_of(new) != wished:
            yield f"Deployment {name} is not rolled out: {total} wanted of {wished}, all ready"


def pods_run(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: a Pod runs on its node, has ended, or fits nowhere; I16: none that was deleted is there."""
    known = {node.metadata.name for node in model.of(NODE)}
    running: Counter[tuple[str, str]] = Counter(
        (name, item.pod_uid) for name, state in nodes.items() for item in state.running
    )
    for pod in model.of(POD):
        meta, name = pod.metadata, pod.spec.node_name
        if meta.HasField("deletion_timestamp"):
            yield f"Pod {meta.name} ({pod.status.phase} on {name or 'no node'}) was deleted, and is there"
        elif pod.status.phase in TERMINAL:
            continue
        elif not name:
            if fits := [*_nodes_with_room(model, pod)]:
                yield f"Pod {meta.name} has no node, and would fit on {', '.join(fits)}"
            elif pod.spec.preemption_policy != "Never" and (
                fits := [*_nodes_with_room(model, pod, pod.spec.priority)]
            ):
                yield f"Pod {meta.name} has no node, and could have one by preemption: {', '.join(fits)}"
        elif name not in known:
            yield f"Pod {meta.name} is on {name}, which is not there"
        elif not _runs(pod, running[name, meta.uid]) and reachable(model, pod, name):
            yield f"Pod {meta.name} is {pod.status.phase} on {name}, ready: {is_ready(pod)}"


def _runs(pod: object, running: int) -> bool:
    """Say whether a Pod is Running as it says.

    One whose containers end and are started again may be between two runs.
    """
    status, spec = pod.status, pod.spec  # type: ignore[attr-defined]  # a Pod
    if any(container.command for container in spec.containers):
        return True
    return status.phase == "Running" and is_ready(pod) and running == len(spec.containers)  # type: ignore[arg-type]  # a Pod


def _nodes_with_room(model: Model, pod: object, but: int | None = None) -> Iterator[str]:
    """Yield the nodes where a Pod fits, those of less than a priority left out of account."""
    wanted = {**pod_requests(pod), "pods": 1}  # type: ignore[arg-type]  # a Pod
    for node in model.of(NODE):
        name = node.metadata.name
        if untolerated(pod.spec.tolerations, node.spec.taints, ("NoSchedule", "NoExecute")):  # type: ignore[attr-defined]  # a Pod
            continue
        if not selects(pod.spec, node):  # type: ignore[attr-defined]  # a Pod
            continue
        if not reachable(model, pod, name):
            continue
        there = [
            {**pod_requests(other), "pods": 1}
            for other in model.of(POD)
            if other.spec.node_name == name
            and other.status.phase not in TERMINAL
            and (but is None or other.spec.priority >= but)
        ]
        room: Mapping[str, int] = {
            resource: resource_amount(resource, amount.string) - sum(item.get(resource, 0) for item in there)
            for resource, amount in node.status.allocatable.items()
        }
        if all(amount <= room.get(resource, 0) for resource, amount in wanted.items()):
            yield name


def nothing_is_left(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: no container and no sandbox without its Pod on that node."""
    wanted = {(pod.spec.node_name, pod.metadata.uid) for pod in model.of(POD)}
    for name, state in nodes.items():
        for container in state.containers:
            if (name, container.pod_uid) not in wanted:
                yield f"container {container.id} is left on {name}"
        for sandbox in state.sandboxes:
            if (name, sandbox.uid) not in wanted:
                yield f"sandbox {sandbox.id} is left on {name}"


def nodes_are_ready(model: Model, nodes: Nodes) -> Iterator[str]:
    """I17: every node is there, Ready, and has no taint of a silent one."""
    there = {node.metadata.name: node for node in model.of(NODE)}
    for name in nodes:
        node = there.get(name)
        if node is None:
            yield f"node {name} is not there"
            continue
        ready = {item.status for item in node.status.conditions if item.type == "Ready"}
        if ready != {"True"}:
            yield f"node {name} is not Ready: {ready}"
        taints = [taint.key for taint in node.spec.taints if "unschedulable" not in taint.key]
        if taints:
            yield f"node {name} has {', '.join(taints)}"


LIVENESS = {
    "I15": (replicas_are_there, rollouts_are_over, *REACHED, pods_run, nothing_is_left, storage_is_settled),
    "I17": (nodes_are_ready,),
}


def missing(model: Model, nodes: Nodes) -> list[tuple[str, str]]:
    """Return what is not as it should be: invariant and words."""
    found = [
        (invariant, text) for invariant, checks in LIVENESS.items() for check in checks for text in check(model, nodes)
    ]  # fmt: skip
    return [("I16" if "was deleted" in text else invariant, text) for invariant, text in found]
