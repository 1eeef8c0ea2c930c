"""What is stored, kept from the commits alone, with as much history as the checkers need.

PURE but for being changed by its world.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apiserver.storage.interface import EventType, StorageEvent
from apiserver.storage.resources import resource_of
from tests.simulation.journal import Author
from vaina.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    KINDS,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
    Kind,
)
from vaina.objects.jobs import is_tracked
from vaina.objects.meta import controller_of
from vaina.objects.pods import is_ready

_PREFIXES = {resource_of(kind).prefix: kind for kind in KINDS}
#: kinds that make Pods, or say how many may go
OWNERS = (REPLICA_SET, REPLICATION_CONTROLLER, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB)
#: kinds whose objects are looked into
STORES = (PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME)
KNOWN = (POD, NODE, NAMESPACE, *OWNERS, POD_DISRUPTION_BUDGET, *STORES)
_ELECTIONS = "/registry/leases/kube-system/"
TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Commit:
    """One change of one object."""

    at: float
    version: int
    type: EventType
    kind: Kind[Any]
    key: str
    author: Author
    old: Any = None
    new: Any = None

    @property
    def last(self) -> Any:
        """The new state, or the last one of what is gone."""
        return self.new if self.new is not None else self.old

    def __str__(self) -> str:
        what = f"{self.type.value} {self.key} {self.version} by {self.author.part or '-'} {self.author.verb}"
        meta = self.last.metadata if self.last is not None else None
        if self.kind is POD and meta is not None:
            ending = " ending" if meta.HasField("deletion_timestamp") else ""
            what += f": {self.last.status.phase} on {self.last.spec.node_name or 'no node'}{ending}"
        return what


@dataclass(frozen=True, slots=True)
class Loss:
    """A Pod that served and does so no more."""

    at: float
    #: as it was while it served
    pod: Any
    #: the task of the controllers that ended it, the verb of a user, or the part that said so
    cause: str
    #: who stood above it then: its controller, and the controller of that
    owners: tuple[str, ...]
    #: the version that said first that it serves
    since: int = 0


class Model:
    """The objects of the known kinds, and where every version was written."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Any]] = {kind.plural: {} for kind in KNOWN}
        self._pods_by_uid: dict[str, Any] = {}
        self._kinds: dict[str, Kind[Any]] = {}
        #: version -> key, of all kinds
        self.written: dict[int, str] = {}
        #: commits of known kinds, in order, by plural
        self.history: dict[str, list[Commit]] = {kind.plural: [] for kind in KNOWN}
        self.version = 0
        #: when something was written last, whatever it was, seconds since the beginning
        self.at = 0.0
        #: uid of an owner or budget -> (time, version, object) for each of its specs
        self.states: dict[str, list[tuple[float, int, Any]]] = {}
        #: uid of a Pod that serves -> the version that said so first
        self.serving: dict[str, int] = {}
        #: Pods that stopped to serve, in order
        self.losses: list[Loss] = []
        #: uid of every Pod that ever was -> as it was last
        self.ever: dict[str, Any] = {}
        #: Job's uid -> uid of Pod -> how it ended; while it was tracked
        self.ended: dict[str, dict[str, Any]] = {}
        #: uids of Pods that a Job has noted as failed: it does so when they begin to end, and some succeed
        #: after all
        self.noted_failed: set[str] = set()
        #: names of Pods that a user ended without waiting for their kubelet
        self.forced: set[str] = set()
        #: Deployment's uid -> when somebody else last changed the size of a ReplicaSet of it
        self.meddled: dict[str, float] = {}
        #: node -> when it was added, which counts as a heartbeat, and the times of its Lease's renewals
        self.beats: dict[str, list[float]] = {}
        #: gives the names of the volumes that there are data of, on any node
        self.data: Callable[[], list[str]] = list
        #: role -> who holds its lease, where there is an election
        self.leaders: dict[str, str] = {}

    def apply(self, event: StorageEvent, at: float, author: Author) -> Commit:
        """Take a change in."""
        kind = self._kind_of(event.key)
        self.written[event.version] = event.key
        self.version, self.at = event.version, at
        if kind not in KNOWN:
            if event.key.startswith(_ELECTIONS) and event.object is not None:
                lease = kind.message.FromString(event.object.data)
                self.leaders[lease.metadata.name] = lease.spec.holder_identity
            elif kind.kind == "Lease":
                self.beats.setdefault(event.key.rpartition("/")[2], []).append(at)
            return Commit(at, event.version, event.type, kind, event.key, author)
        objects = self._objects[kind.plural]
        old, new = objects.get(event.key), None
        if event.type is EventType.DELETED:
            objects.pop(event.key, None)
        else:
            assert event.object is not None
            new = objects[event.key] = kind.message.FromString(event.object.data)
        commit = Commit(at, event.version, event.type, kind, event.key, author, old, new)
        self.history[kind.plural].append(commit)
        if kind is POD:
            self._on_pod(commit)
        elif kind is NODE and event.type is EventType.ADDED:
            self.beats.setdefault(event.key.rpartition("/")[2], []).append(at)
        elif new is not None and kind not in (NODE, NAMESPACE, *STORES):
            self._on_owner(commit)
        return commit

    def _kind_of(self, key: str) -> Kind[Any]:
        prefix = key[: key.index("/", len("/registry/")) + 1]
        kind = self._kinds.get(prefix)
        if kind is None:
            kind = self._kinds[prefix] = next(
                kind for known, kind in _PREFIXES.items() if key.startswith(known)
            )
        return kind

    def _on_pod(self, commit: Commit) -> None:
        old, new, author = commit.old, commit.new, commit.author
        uid = commit.last.metadata.uid
        self.ever[uid] = commit.last
        if new is None:
            self._pods_by_uid.pop(uid, None)
        else:
            self._pods_by_uid[uid] = new
            job = controller_of(new.metadata)
            if job is not None and job.kind == JOB.kind and new.status.phase in TERMINAL and is_tracked(new):
                self.ended.setdefault(job.uid, {})[uid] = new
        since = self.serving.get(uid, 0)
        if new is None or not serves(new):
            self.serving.pop(uid, None)
        else:
            self.serving.setdefault(uid, commit.version)
        by_hand = author.part == "user" and author.verb == "Delete" and bool(old.spec.node_name)
        if by_hand and (new is None or not new.metadata.deletion_grace_period_seconds):
            self.forced.add(old.metadata.name)
        if (
            old is not None
            and serves(old)
            and (new is None or not serves(new) or _controller(new) != _controller(old))
        ):
            by_controllers = author.role == "controller"
            cause = author.task if by_controllers else author.verb if author.part == "user" else author.part
            owner = _controller(old)
            self.losses.append(Loss(commit.at, old, cause, (owner, self.parent_of(owner)), since))

    def _on_owner(self, commit: Commit) -> None:
        old, new = commit.old, commit.new
        states = self.states.setdefault(new.metadata.uid, [])
        if old is None or old.spec != new.spec or not states:
            states.append((commit.at, commit.version, new))
        if commit.kind is JOB:
            self.noted_failed.update(new.status.uncounted_terminated_pods.failed)
        if commit.kind is REPLICA_SET and commit.author.part == "user":
            self.meddled[_controller(new)] = commit.at

    def succeeded(self, job: str) -> dict[str, Any]:
        """Return the Pods of a Job that count as its successes, by uid, as they were while they were held for
        it.
        """
        ended = self.ended.get(job, {})
        return {
            uid: pod
            for uid, pod in ended.items()
            if pod.status.phase == "Succeeded" and uid not in self.noted_failed
        }

    def of(self, kind: Kind[Any]) -> Iterator[Any]:
        """Give the objects of a kind, in the order of keys."""
        objects = self._objects[kind.plural]
        return (objects[key] for key in sorted(objects))

    def claim(self, name: str) -> Any:
        """Return a claim of the namespace `default`, or None."""
        return self._objects[PERSISTENT_VOLUME_CLAIM.plural].get(
            f"/registry/persistentvolumeclaims/default/{name}"
        )

    def volume(self, name: str) -> Any:
        """Return a PersistentVolume, or None."""
        return self._objects[PERSISTENT_VOLUME.plural].get(f"/registry/persistentvolumes/{name}")

    def pods(self) -> list[Any]:
        """Return the Pods there are."""
        return [*self.of(POD)]

    def pod_by_uid(self, uid: str) -> Any:
        """Return a Pod, or None."""
        return self._pods_by_uid.get(uid)

    def owner(self, uid: str) -> Any:
        """Return what makes Pods and has this uid, as it was wished for last; None when it never was."""
        states = self.states.get(uid)
        return states[-1][2] if states else None

    def parent_of(self, uid: str) -> str:
        """Return the uid of the controller of a Pod's controller; empty when there is none."""
        owner = self.owner(uid)
        return _controller(owner) if owner is not None else ""

    def owned_by(self, uid: str) -> list[Any]:
        """Return the Pods that count as a controller's replicas."""
        return [pod for pod in self.of(POD) if is_active(pod) and _controller(pod) == uid]

    def below(self, uid: str) -> list[Any]:
        """Return all Pods of a controller, or of those that it controls."""
        return [pod for pod in self.of(POD) if uid in (owner := _controller(pod), self.parent_of(owner))]

    def lost(self, since: float, mine: Callable[[Loss], bool]) -> list[Loss]:
        """Return the losses since a time that one asks for."""
        return [loss for loss in self.losses if loss.at >= since and mine(loss)]

    def as_of(self, kind: Kind[Any], version: int) -> dict[str, int]:
        """Return key -> version of the objects there were."""
        found: dict[str, int] = {}
        for commit in self.history[kind.plural]:
            if commit.version > version:
                break
            if commit.new is None:
                found.pop(commit.key, None)
            else:
                found[commit.key] = commit.version
        return found


def is_active(pod: Any) -> bool:
    """Say whether a Pod has neither ended nor begun to end."""
    return pod.status.phase not in TERMINAL and not pod.metadata.HasField("deletion_timestamp")


def serves(pod: Any) -> bool:
    """Say whether a Pod is ready, and not about to go."""
    return is_active(pod) and is_ready(pod)


def meant_for(pod: Any) -> str:
    """Return the node of a daemon's Pod."""
    required = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    names = [
        value for term in required.node_selector_terms for item in term.match_fields for value in item.values
    ]
    return names[0] if names else str(pod.spec.node_name)


def _controller(obj: Any) -> str:
    owner = controller_of(obj.metadata)
    return owner.uid if owner is not None else ""
