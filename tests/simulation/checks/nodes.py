"""PURE: what must hold before and after everything that a kubelet has its runtime do.

I2, I3, I11, I12 and the order of I16.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kubelet.runtime.records import ContainerPhase, ContainerState, SandboxState
from tests.simulation.checks.model import Commit, Model, is_active
from vaina.kinds import POD


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that is about to be done, or was."""

    when: str
    node: str
    verb: str
    #: the id of the sandbox or container
    subject: str
    grace_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one runtime has."""

    sandboxes: Sequence[SandboxState]
    containers: Sequence[ContainerState]

    @property
    def running(self) -> list[ContainerState]:
        """The containers that run."""
        return [item for item in self.containers if item.phase is ContainerPhase.RUNNING]


Nodes = Mapping[str, NodeState]
VerbCheck = Callable[[Verb, Nodes, Model], Iterator[str]]


def one_set_of_containers(verb: Verb, nodes: Nodes, model: Model) -> Iterator[str]:
    """I2: a Pod's containers run once, and on one node."""
    del model
    if (verb.when, verb.verb) != ("after", "start_container"):
        return
    running: dict[tuple[str, str], list[str]] = defaultdict(list)
    where: dict[str, dict[str, None]] = defaultdict(dict)
    for name, state in nodes.items():
        for container in state.running:
            running[container.pod_uid, container.name].append(f"{container.id} on {name}")
            where[container.pod_uid][name] = None
    for (uid, name), found in running.items():
        if len(found) > 1:
            yield f"container {name} of {uid} runs as {' and '.join(found)}"
    for uid, names in where.items():
        if len(names) > 1:
            yield f"{uid} runs on {' and '.join(names)}"


def own_address(verb: Verb, nodes: Nodes, model: Model) -> Iterator[str]:
    """I3: no two sandboxes have one address."""
    del model
    if (verb.when, verb.verb) != ("after", "run_pod_sandbox"):
        return
    holders: dict[str, list[str]] = defaultdict(list)
    for state in nodes.values():
        for sandbox in state.sandboxes:
            if sandbox.ip:
                holders[sandbox.ip].append(sandbox.id)
    for address, found in holders.items():
        if len(found) > 1:
            yield f"{address} is the address of {' and '.join(found)}"


def healthy_ones_stay(verb: Verb, nodes: Nodes, model: Model) -> Iterator[str]:
    """I11: no container is stopped that runs and whose Pod is wished for on this node.

    The store is never older than what the kubelet knows: what it does not want ended, nobody may end.
    """
    if verb.when != "before" or not verb.verb.startswith(("stop", "remove")):
        return
    for container in nodes[verb.node].running:
        if verb.subject not in {container.id, container.sandbox_id}:
            continue
        pod = model.pod_by_uid(container.pod_uid)
        if pod is not None and is_active(pod) and pod.spec.node_name == verb.node:
            yield f"{verb.node}: {verb.verb} {verb.subject}, though {pod.metadata.name} is wished for and well"


def never_twice(verb: Verb, nodes: Nodes, model: Model) -> Iterator[str]:
    """I12: the containers of a Pod with restartPolicy Never, and of one that has ended, are not started
    again.
    """
    if (verb.when, verb.verb) != ("before", "start_container"):
        return
    mine = next((item for item in nodes[verb.node].containers if item.id == verb.subject), None)
    if mine is None or mine.phase is not ContainerPhase.CREATED:
        return
    pod = model.pod_by_uid(mine.pod_uid)
    earlier = [
        item.id
        for item in nodes[verb.node].containers
        if (item.pod_uid, item.name) == (mine.pod_uid, mine.name) and item.started_at
    ]
    if pod is not None and pod.spec.restart_policy == "Never" and (earlier or mine.attempt):
        yield f"{verb.node}: {verb.subject} is started, and its Pod has the restartPolicy Never"


def containers_first(commit: Commit, nodes: Nodes) -> Iterator[str]:
    """I16: when its kubelet lets a Pod go, nothing of it runs any more."""
    if commit.kind is not POD or commit.new is not None or not commit.author.part.startswith("node-"):
        return
    for name, state in nodes.items():
        for container in state.running:
            if container.pod_uid == commit.old.metadata.uid:
                yield f"{commit.key} is gone by {commit.author.part}, and {container.id} runs on {name}"
