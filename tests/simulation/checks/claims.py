"""PURE: a volume has one claim, data stay as long as somebody has them, and nothing is left of what nobody
has.
"""

from collections.abc import Iterator
from typing import Any

from tests.simulation.checks.commits import Seen
from tests.simulation.checks.model import TERMINAL, Commit, Model
from tests.simulation.checks.nodes import Nodes, Verb
from tests.simulation.disk import claims_of
from vaina.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET
from vaina.objects.local_path import node_of

#: on claims: the node that the scheduler chose for what is still to be made
_SELECTED = "volume.kubernetes.io/selected-node"


def given_once(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """volume: no volume is given to another claim, and no claim takes one that is not its own."""
    del seen
    old, new = commit.old, commit.new
    if commit.kind is PERSISTENT_VOLUME and old is not None:
        uid = old.spec.claim_ref.uid
        if uid and (new is None or new.spec.claim_ref.uid != uid):
            claim = model.claim(old.spec.claim_ref.name)
            if (
                claim is not None
                and claim.metadata.uid == uid
                and claim.spec.volume_name == old.metadata.name
            ):
                yield f"{commit.key} is taken from {claim.metadata.name}, which has it"
    if commit.kind is PERSISTENT_VOLUME_CLAIM and new is not None and new.spec.volume_name:
        if old is not None and old.spec.volume_name not in ("", new.spec.volume_name):
            yield f"{commit.key} had {old.spec.volume_name}, and has {new.spec.volume_name}"
        volume = model.volume(new.spec.volume_name)
        if (volume is None or volume.spec.claim_ref.uid != new.metadata.uid) and new.status.phase != "Lost":
            yield f"{commit.key} names {new.spec.volume_name}, which is not its own"


def stays_while_used(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """volume: a claim does not go while a Pod that uses it runs."""
    del seen
    if commit.kind is not PERSISTENT_VOLUME_CLAIM or commit.new is not None:
        return
    for pod in model.of(POD):
        if commit.old.metadata.name in claims_of(pod) and pod.status.phase == "Running":
            yield f"{commit.key} goes, and {pod.metadata.name} runs with it"


def has_its_storage(verb: Verb, nodes: Nodes, model: Model) -> Iterator[str]:
    """volume: what is started has its claims, bound to volumes of this very node."""
    for pod in started(verb, "before", nodes, model):
        for name in claims_of(pod):
            claim = model.claim(name)
            volume = None if claim is None else model.volume(claim.spec.volume_name)
            if volume is None or volume.spec.claim_ref.uid != claim.metadata.uid:
                yield f"{pod.metadata.name} is started on {verb.node}, and its claim {name} has no volume"
            elif node_of(volume) != verb.node:
                yield f"{pod.metadata.name} is started on {verb.node}, and its volume is on {node_of(volume)}"


def started(verb: Verb, when: str, nodes: Nodes, model: Model) -> Iterator[Any]:
    """Give the Pod of a container that is started, if it is still there."""
    if (verb.when, verb.verb) != (when, "start_container"):
        return
    for container in nodes[verb.node].containers:
        if container.id == verb.subject and (pod := model.pod_by_uid(container.pod_uid)) is not None:
            yield pod


def reachable(model: Model, pod: Any, node: str) -> bool:
    """Say whether a Pod can have its volumes on a node.

    One whose claim is being deleted cannot, and keeps it from going: both wait for the user.
    """
    for name in claims_of(pod):
        claim = model.claim(name)
        if claim is None or claim.metadata.HasField("deletion_timestamp"):
            return False
        volume = model.volume(claim.spec.volume_name)
        if claim.spec.volume_name and (volume is None or node_of(volume) != node):
            return False
        if not claim.spec.volume_name and claim.metadata.annotations.get(_SELECTED, node) != node:
            return False
    return True


def storage_is_settled(model: Model, nodes: Nodes) -> Iterator[str]:
    """I15: what is used is bound, what was deleted is gone, and so are volumes and data that nobody has."""
    del nodes
    alive = {obj.metadata.uid for kind in (STATEFUL_SET, POD) for obj in model.of(kind)}
    for claim in model.of(PERSISTENT_VOLUME_CLAIM):
        meta, name, phase = claim.metadata, claim.metadata.name, claim.status.phase
        users = [pod for pod in model.of(POD) if pod.spec.node_name and name in claims_of(pod)]
        if meta.HasField("deletion_timestamp"):
            if not users:
                yield f"claim {name} was deleted, and is there (finalizers {[*meta.finalizers]})"
            continue
        if meta.owner_references and not any(owner.uid in alive for owner in meta.owner_references):
            yield f"claim {name} is left, and all its owners are gone"
        if phase != "Bound" and any(pod.status.phase not in TERMINAL for pod in users):
            yield f"claim {name} is {phase}, and {users[0].metadata.name} has a node"
        if phase == "Lost":
            yield f"claim {name} is Lost"
        if phase == "Bound" and _size(claim.spec.resources.requests) != _size(claim.status.capacity):
            yield f"claim {name} asks for {_size(claim.spec.resources.requests)}, and has {_size(claim.status.capacity)}"
    for volume in model.of(PERSISTENT_VOLUME):
        claim = model.claim(volume.spec.claim_ref.name)
        if claim is None or claim.metadata.uid != volume.spec.claim_ref.uid:
            yield f"volume {volume.metadata.name} is {volume.status.phase}, and there"
    for name in model.data():
        if model.volume(name) is None:
            yield f"data of volume {name} are left, and it is gone"


def _size(amounts: Any) -> str:
    return str(amounts["storage"].string) if "storage" in amounts else ""
