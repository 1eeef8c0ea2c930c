"""PURE: what must hold of every commit: I1, I4, I8, I9, I10, I12, I13 and I18 of the list of invariants.

Each checker gives the violations in words, none when all is well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any

from apiserver.storage.interface import EventType
from tests.simulation.checks.model import TERMINAL, Commit, Model, is_active
from vaina.kinds import NODE, POD
from vaina.objects.meta import controller_of
from vaina.objects.pods import pod_requests, resource_amount

#: (part, uid) -> when the part's newest process saw which versions of the object
Seen = Mapping[tuple[str, str], Sequence[tuple[float, int]]]
CommitCheck = Callable[[Commit, Model, Seen], Iterator[str]]

#: more Pods than any story has
UNBOUNDED = 1000
#: as the controllers of a simulation are configured, seconds
GRACE, EVICTION, MONITOR = 40.0, 20.0, 5.0
#: how long after a node has come back something may still be decided on its silence
_SLACK = 60.0
#: how late a controller may see a heartbeat: its watch expired with an apiserver, and the next list waits as
#: long as a reflector ever does (`BACKOFF` of `vaina.cache.reflector`: 5 s, and as much again by chance)
_LATE = 10.0
#: how long a controller may act on what it read when it began: a call's deadline and a little
_SYNC = 15.0
_GC_FINALIZERS = ("orphan", "foregroundDeletion")


def bound_once(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I1: spec.nodeName goes only from empty to a node."""
    del model, seen
    if commit.kind is not POD or commit.old is None or commit.new is None:
        return
    before, after = commit.old.spec.node_name, commit.new.spec.node_name
    if before and after != before and commit.old.metadata.uid == commit.new.metadata.uid:
        yield f"{commit.key} was on {before} and is on {after or 'no node'}"


def never_replaced(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I4: an object goes by a deletion only; versions grow; a new object has a new uid."""
    del seen
    if commit.type is EventType.MODIFIED and commit.old.metadata.uid != commit.new.metadata.uid:
        yield f"{commit.key} became another object without a deletion"
    if commit.type is EventType.ADDED:
        uid = commit.new.metadata.uid
        earlier = [
            other.key for other in model.history[commit.kind.plural][:-1] if other.last.metadata.uid == uid
        ]
        if earlier:
            yield f"{commit.key} has the uid {uid}, which {earlier[0]} had"


def within_capacity(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I8: the requests of a node's Pods do not exceed what it has; host ports are unique."""
    del seen
    if commit.kind is not POD or commit.new is None or not commit.new.spec.node_name:
        return
    if commit.old is not None and commit.old.spec.node_name:
        return
    name = commit.new.spec.node_name
    node = next((item for item in model.of(NODE) if item.metadata.name == name), None)
    if node is None:
        yield f"{commit.key} was bound to {name}, which is not there"
        return
    there = [pod for pod in model.of(POD) if pod.spec.node_name == name and pod.status.phase not in TERMINAL]
    for resource, amount in node.status.allocatable.items():
        room = resource_amount(resource, amount.string)
        taken = len(there) if resource == "pods" else sum(pod_requests(pod).get(resource, 0) for pod in there)
        if taken > room:
            yield f"{name} has {room} of {resource}, its Pods want {taken} since {commit.key} was bound"
    ports = [
        port.host_port
        for pod in there
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    ]
    if len(ports) != len(set(ports)):
        yield f"two Pods have one host port on {name} since {commit.key} was bound"


def deletion_stays(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I9: a deletionTimestamp is never taken back, and finalizers hold an object."""
    del model, seen
    if commit.old is None:
        return
    before = commit.old.metadata
    if commit.new is None:
        # An update that takes the last finalizer off an ending object removes it in the same write, and a
        # deletion with another propagation policy takes off those of the garbage collector (upstream's
        # deletionFinalizersForGarbageCollection).
        held = [name for name in before.finalizers if name not in _GC_FINALIZERS]
        if held and commit.author.verb not in {"Update", "Patch"}:
            yield f"{commit.key} went though {', '.join(held)} had not let it go"
    elif before.HasField("deletion_timestamp") and not commit.new.metadata.HasField("deletion_timestamp"):
        yield f"{commit.key} was ending, and is no more"


def never_too_many(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I10: a controller never has more Pods than it was ever asked for since the state that it had seen last."""
    if commit.kind is not POD or commit.type is not EventType.ADDED or commit.author.role != "controller":
        return
    owner = controller_of(commit.new.metadata)
    if owner is None:
        yield f"{commit.key} was made by a controller, and has none"
        return
    states = acted_on(commit, model, seen, owner.uid)
    if not states:
        yield f"{commit.key} was made for {owner.name}, which never was"
        return
    most = max(map(wished, states))
    if owner.kind == "StatefulSet":
        # It makes Pods by their numbers; what it has adopted beyond goes, and holds up nothing meanwhile.
        number = int(commit.new.metadata.name.rpartition("-")[2])
        if all(number - state.spec.ordinals.start >= wished(state) for state in states):
            yield f"{owner.name} wants {most} Pods, and {commit.key} was made"
        return
    there = model.owned_by(owner.uid)
    if len(there) > most:
        yield f"{owner.name} has {len(there)} Pods since {commit.key} was made, and wants {most}"


def wished(owner: Any) -> int:
    """Return how many Pods an owner may have at a time; of a DaemonSet `one_a_node` knows more."""
    match owner.DESCRIPTOR.name:
        case "Job":
            return 0 if owner.spec.suspend else int(owner.spec.parallelism)
        case "DaemonSet":
            return UNBOUNDED
    return int(owner.spec.replicas)


def acted_on(commit: Commit, model: Model, seen: Seen, uid: str) -> list[Any]:
    """Return the states of an object that the author of a commit may have acted on.

    What its process saw last, and later ones.

    What is under way goes on with what it began with.
    """
    states = model.states.get(uid, [])
    long_known = [
        version for at, version in seen.get((commit.author.part, uid), ()) if commit.at - at > _SYNC
    ]
    known = max(long_known, default=0)
    newest_known = max((version for _, version, _ in states if version <= known), default=0)
    return [obj for _, version, obj in states if version >= newest_known]


def touches_its_own(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I10: controllers end only Pods that are somebody's, or whose node was silent."""
    del seen
    if not _begins_to_end(commit) or commit.author.role != "controller":
        return
    pod = commit.old
    if controller_of(pod.metadata) is None and not _was_silent(commit, model):
        yield f"{commit.key} has no controller and a node that is well, and was deleted by the controllers"


def final_phases(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I12: Succeeded and Failed are final."""
    del model, seen
    if commit.kind is not POD or commit.old is None or commit.new is None:
        return
    before, after = commit.old.status.phase, commit.new.status.phase
    if before in TERMINAL and after != before:
        yield f"{commit.key} was {before} and is {after}"


def no_eviction_in_doubt(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I13: nothing is driven from a node that is well, nor from any while most have been silent."""
    del seen
    if not _begins_to_end(commit) or not commit.author.task.startswith("node-lifecycle"):
        return
    if not _was_silent(commit, model):
        yield f"{commit.key} was evicted from {commit.old.spec.node_name}, which is well"
    names = [node.metadata.name for node in model.of(NODE)]
    long = GRACE + 2 * MONITOR + _LATE
    silent = [name for name in names if commit.at - model.beats.get(name, [0.0])[-1] > long]
    if len(silent) >= 0.55 * len(names):
        yield f"{commit.key} was evicted while {len(silent)} of {len(names)} nodes were silent"


def only_the_leader_writes(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """I18: where two could do the work, what is written is written by the one that holds the lease."""
    del seen
    holder = model.leaders.get(commit.author.lock)
    if holder is not None and holder != commit.author.identity:
        yield f"{commit.key} was written by {commit.author.identity}, and {holder or 'nobody'} holds the lease"


def preempted_for_somebody(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """The scheduler ends a Pod only for one that is more important, and has no node, or had none lately."""
    del seen
    if not _begins_to_end(commit) or commit.author.role != "scheduler":
        return
    lately = takewhile(lambda other: commit.at - other.at <= _SLACK, reversed(model.history[POD.plural]))
    waited = [other.old for other in lately if other.old is not None] + [*model.of(POD)]
    priority = commit.old.spec.priority
    if not any(pod.spec.priority > priority and not pod.spec.node_name for pod in waited):
        yield f"{commit.key} of priority {priority} was preempted, and nobody more important waited for a node"


def _begins_to_end(commit: Commit) -> bool:
    if commit.kind is not POD or commit.old is None or commit.old.metadata.HasField("deletion_timestamp"):
        return False
    return is_active(commit.old) and (
        commit.new is None or commit.new.metadata.HasField("deletion_timestamp")
    )


def _was_silent(commit: Commit, model: Model) -> bool:
    """Say whether the Pod's node has been silent for the grace time, now or lately."""
    beats = [*model.beats.get(commit.old.spec.node_name, []), commit.at]
    return any(later - earlier > GRACE and commit.at - later < _SLACK for earlier, later in pairwise(beats))
