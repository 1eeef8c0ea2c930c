"""PURE: one Pod for each name of a StatefulSet, in order, and one for each node of a DaemonSet."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.simulation.checks.commits import Seen, acted_on
from tests.simulation.checks.model import Commit, Model, meant_for, serves
from tests.simulation.checks.nodes import Nodes, Verb
from tests.simulation.checks.rollouts import LATELY
from vaina.kinds import DAEMON_SET, POD, STATEFUL_SET
from vaina.objects.meta import controller_of


def one_running_a_name(verb: Verb, nodes: Nodes, model: Model) -> Iterator[str]:
    """identity: what runs under a name of a StatefulSet runs once, wherever, unless a user has forced its Pod
    away.
    """
    if (verb.when, verb.verb) != ("after", "start_container"):
        return
    running: dict[str, dict[str, str]] = defaultdict(dict)
    for node, state in nodes.items():
        for container in state.running:
            pod = model.ever[container.pod_uid]
            reference = controller_of(pod.metadata)
            if reference is not None and reference.kind == STATEFUL_SET.kind:
                running[pod.metadata.name][container.pod_uid] = node
    for name, found in running.items():
        if len(found) > 1 and name not in model.forced:
            yield f"{name} runs as {' and as '.join(f'{uid} on {node}' for uid, node in found.items())}"


def made_in_order(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """identity: of an ordered StatefulSet a Pod is made when all before it serve, or did until lately."""
    found = _made_for(commit, STATEFUL_SET.kind)
    if found is None:
        return
    states = acted_on(commit, model, seen, found)
    if not states or any(item.spec.pod_management_policy == "Parallel" for item in states):
        return
    name = states[0].metadata.name
    serving = {pod.metadata.name for pod in model.below(found) if serves(pod)}
    lately = {
        loss.pod.metadata.name for loss in model.lost(commit.at - LATELY, lambda loss: found in loss.owners)
    }
    ordinal = int(commit.new.metadata.name.removeprefix(f"{name}-"))
    missing = [number for number in range(ordinal) if f"{name}-{number}" not in serving | lately]
    if missing:
        yield f"{commit.key} was made before {', '.join(f'{name}-{number}' for number in missing)} served"


def one_a_node(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """one-a-node: a DaemonSet has one Pod for each node; two where its new ones come before the old ones go."""
    found = _made_for(commit, DAEMON_SET.kind)
    if found is None:
        return
    states = acted_on(commit, model, seen, found)
    surging = any(_surges(item) for item in states)
    node = meant_for(commit.new)
    there = [pod for pod in model.below(found) if meant_for(pod) == node]
    if surging:
        there = [pod for pod in there if not pod.metadata.HasField("deletion_timestamp")]
    if len(there) > 1 + surging:
        yield f"{[pod.metadata.name for pod in there]} are for {node} since {commit.key} was made"


def _made_for(commit: Commit, kind: str) -> str | None:
    """Return the uid of the owner of this kind for which controllers have just made a Pod."""
    if commit.kind is not POD or commit.old is not None or commit.author.role != "controller":
        return None
    reference = controller_of(commit.new.metadata)
    return reference.uid if reference is not None and reference.kind == kind else None


def _surges(daemon_set: Any) -> bool:
    surge = daemon_set.spec.update_strategy.rolling_update.max_surge
    return bool(surge.int_val or surge.str_val)
