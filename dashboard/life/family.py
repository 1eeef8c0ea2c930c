"""Whom a Pod belongs to, and what those own: a chain of owners, each with its other children. PURE.

Kinds are those that Kubernetes' own controllers make Pods with; any other owner is named and not followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vaina.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
    Kind,
)
from vaina.objects import selectors
from vaina.objects.pods import is_ready
from vaina.printers.pod_summary import summarise

#: owner -> what it makes
MAKES: Final[Mapping[str, Kind[Any]]] = {
    "ReplicaSet": POD, "ReplicationController": POD, "StatefulSet": POD, "DaemonSet": POD, "Job": POD,
    "Deployment": REPLICA_SET, "CronJob": JOB,
}  # fmt: skip
#: owners that are read, by kind
READ: Final[Mapping[str, Kind[Any]]] = {
    kind.kind: kind
    for kind in (REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET, DAEMON_SET, JOB, DEPLOYMENT, CRON_JOB)
}
#: owners above a Pod: Pod, ReplicaSet, Deployment, and something that owns that
MAX_DEPTH: Final = 4
#: children of an owner that are shown
MAX_CHILDREN: Final = 50


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner."""

    kind: str
    name: str
    uid: str
    #: it is there, and it is this one (an owner may be gone, and another one may have its name)
    found: bool = False
    #: kind of its children
    makes: str = ""
    children: Sequence[Any] = field(default=())
    #: there are more
    more: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """The owners of a Pod, the nearest first, and what the Pod owns itself."""

    owners: Sequence[Owner] = ()
    #: kind and object
    owned: Sequence[tuple[str, Any]] = ()

    def shown(self) -> dict[str, Any]:
        """Return it in values that JSON has."""
        return {
            "owners": [
                {
                    "kind": one.kind, "name": one.name, "uid": one.uid, "found": one.found, "makes": one.makes,
                    "more": one.more, "children": [_child(one.makes, child) for child in one.children],
                }
                for one in self.owners
            ],
            "owned": [_child(kind, child) for kind, child in self.owned],
        }  # fmt: skip


def controller_of(obj: Any) -> Any:
    """Return the owner reference that controls an object, otherwise its first; None: nothing owns it."""
    references = obj.metadata.owner_references
    return next((one for one in references if one.controller), references[0] if references else None)


def selector_of(owner: Any) -> str:
    """Return the selector of an owner's children as text; empty: it has none."""
    found = getattr(owner.spec, "selector", None)
    if found is None:
        return ""
    if not hasattr(found, "match_labels"):
        return ",".join(f"{key}={found[key]}" for key in sorted(found))
    try:
        return str(selectors.from_message(found))
    except selectors.SelectorError:
        return ""


def children_of(owner: Any, candidates: Sequence[Any]) -> list[Any]:
    """Return what an owner owns, by name."""
    uid = owner.metadata.uid
    owned = [
        one for one in candidates if any(reference.uid == uid for reference in one.metadata.owner_references)
    ]
    return sorted(owned, key=lambda one: one.metadata.name)


def _child(kind: str, child: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": kind, "name": child.metadata.name, "uid": child.metadata.uid}
    if kind == "Pod":
        return shown | {"state": summarise(child).status, "ready": is_ready(child)}
    if kind == "ReplicaSet":
        return shown | {"state": f"{child.status.ready_replicas}/{child.spec.replicas}"}
    if kind == "PersistentVolumeClaim":
        return shown | {"state": child.status.phase}
    return shown
