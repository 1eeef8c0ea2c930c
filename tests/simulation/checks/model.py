"""What is stored, kept from the commits alone, with as much history as the checkers need. PURE but for being changed by its world."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apiserver.storage.interface import EventType, StorageEvent
from apiserver.storage.resources import resource_of
from tests.simulation.journal import Author
from vaina.kinds import DEPLOYMENT, KINDS, NAMESPACE, NODE, POD, REPLICA_SET, REPLICATION_CONTROLLER, Kind
from vaina.objects.meta import controller_of

_PREFIXES = {resource_of(kind).prefix: kind for kind in KINDS}
#: kinds whose objects are looked into
KNOWN = (POD, NODE, NAMESPACE, REPLICA_SET, REPLICATION_CONTROLLER, DEPLOYMENT)
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


class Model:
    """The objects of the known kinds, and where every version was written."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.kinds: dict[str, Kind[Any]] = {}
        #: version -> key, of all kinds
        self.written: dict[int, str] = {}
        #: commits of known kinds, in order, by plural
        self.history: dict[str, list[Commit]] = {kind.plural: [] for kind in KNOWN}
        self.version = 0
        #: controller's uid -> (version, replicas) as it was wished for over time
        self.replicas: dict[str, list[tuple[int, int]]] = {}
        #: node -> times of its Lease's renewals
        self.beats: dict[str, list[float]] = {}
        #: role -> who holds its lease, where there is an election
        self.leaders: dict[str, str] = {}

    def apply(self, event: StorageEvent, at: float, author: Author) -> Commit:
        """Take a change in."""
        kind = _kind_of(event.key)
        self.written[event.version] = event.key
        self.version = event.version
        if kind not in KNOWN:
            if event.key.startswith(_ELECTIONS) and event.object is not None:
                lease = kind.message.FromString(event.object.data)
                self.leaders[lease.metadata.name] = lease.spec.holder_identity
            elif kind.kind == "Lease":
                self.beats.setdefault(event.key.rpartition("/")[2], []).append(at)
            return Commit(at, event.version, event.type, kind, event.key, author)
        old = self.objects.get(event.key)
        new = None
        if event.type is EventType.DELETED:
            self.objects.pop(event.key, None)
        else:
            assert event.object is not None
            new = self.objects[event.key] = kind.message.FromString(event.object.data)
            self.kinds[event.key] = kind
            if kind in (REPLICA_SET, REPLICATION_CONTROLLER):
                self.replicas.setdefault(new.metadata.uid, []).append((event.version, new.spec.replicas))
        commit = Commit(at, event.version, event.type, kind, event.key, author, old, new)
        self.history[kind.plural].append(commit)
        return commit

    def of(self, kind: Kind[Any]) -> Iterator[Any]:
        """Give the objects of a kind, in the order of keys."""
        return (self.objects[key] for key in sorted(self.objects) if self.kinds[key] is kind)

    def pods(self) -> list[Any]:
        """Return the Pods there are."""
        return [*self.of(POD)]

    def pod_by_uid(self, uid: str) -> Any:
        """Return a Pod, or None."""
        return next((pod for pod in self.of(POD) if pod.metadata.uid == uid), None)

    def owned_by(self, uid: str) -> list[Any]:
        """Return the Pods that count as a controller's replicas."""
        return [pod for pod in self.of(POD) if is_active(pod) and _controller(pod) == uid]

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


def _controller(pod: Any) -> str:
    owner = controller_of(pod.metadata)
    return owner.uid if owner is not None else ""


def _kind_of(key: str) -> Kind[Any]:
    return next(kind for prefix, kind in _PREFIXES.items() if key.startswith(prefix))
