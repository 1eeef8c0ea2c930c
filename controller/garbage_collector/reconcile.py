"""PURE: which object owns which, and what becomes of an object by what has become of its owners.

The graph is the caches of all kinds with an index by owner, and has no state of its own. Upstream's keeps
"virtual" nodes for owners that no cache has; here `cached_state` does not know them, and the caller asks the
apiserver. Follows attemptToDeleteItem, attemptToOrphan and processDeletingDependentsItem of
`pkg/controller/garbagecollector`; what is looked at when, graph_builder.go.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias

from vaina.api.meta.v1 import meta_pb2
from vaina.cache.store import Lister
from vaina.kinds import KINDS_BY_GVK, Kind
from vaina.objects.meta import metadata, object_key, owners

#: finalizers by which a deletion asks the collector for something
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
BY_OWNER = "owner-uid"


class OwnerState(Enum):
    """What has become of an owner."""

    #: it is there, or may be: nothing that it owns is touched
    SOLID = "solid"
    #: there is no object of this uid
    ABSENT = "absent"
    #: it is being deleted in the foreground, and waits for what it owns
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Delete the object, with this policy."""

    policy: str


@dataclass(frozen=True, slots=True)
class DropOwners:
    """Take owners out of the object's references, by uid; the object stays."""

    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """The deletion of the object may go on."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class DeleteDependents:
    """Look at everything that the object owns: it waits for them."""


@dataclass(frozen=True, slots=True)
class OrphanDependents:
    """Take the object out of the references of all that it owns; only then its finalizer."""


Action: TypeAlias = DeleteObject | DropOwners | RemoveFinalizer | DeleteDependents | OrphanDependents


def reconcile(
    meta: meta_pb2.ObjectMeta, owners: Sequence[OwnerState], *, has_dependents: bool, is_blocked: bool
) -> tuple[Action, ...]:
    """Decide what to do with an object; nothing is the usual answer.

    `owners` has the state of each owner in the order of the references; `is_blocked` says whether anything
    that the object owns blocks its deletion in the foreground.
    """
    deleting = meta.HasField("deletion_timestamp")
    if deleting and ORPHAN in meta.finalizers:
        # Even when the cache knows no dependents: the executor asks the apiserver.
        return (OrphanDependents(),)
    if deleting and FOREGROUND in meta.finalizers:
        return (DeleteDependents(),) if is_blocked else (RemoveFinalizer(FOREGROUND),)
    if deleting or not owners:
        return ()
    gone = tuple(
        reference.uid
        for reference, state in zip(meta.owner_references, owners, strict=True)
        if state is not OwnerState.SOLID
    )
    if not gone:
        return ()
    if len(gone) < len(owners):
        return (DropOwners(gone),)
    if OwnerState.WAITING in owners and has_dependents:
        return (DeleteObject("Foreground"),)
    return (DeleteObject(_policy(meta)),)


def _policy(meta: meta_pb2.ObjectMeta) -> str:
    if ORPHAN in meta.finalizers:
        return "Orphan"
    if FOREGROUND in meta.finalizers:
        return "Foreground"
    return "Background"


def by_owner(obj: Any) -> Iterable[str]:
    """Index function: the uids of all owners."""
    return owners(obj.metadata)


@dataclass(frozen=True, slots=True)
class Node:
    """An object of the graph, by kind and key."""

    kind: Kind[Any]
    key: str

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.key}"


class Objects(Protocol):
    """The cache of one kind: an informer."""

    kind: Kind[Any]
    lister: Lister[Any]

    def ensure_indexer(self, name: str, indexer: Callable[[Any], Iterable[str]]) -> None: ...


class Graph:
    """A view of caches."""

    def __init__(self, informers: Mapping[str, Objects]) -> None:
        self.informers = informers
        for informer in informers.values():
            informer.ensure_indexer(BY_OWNER, by_owner)

    def get(self, node: Node) -> Any | None:
        return self.informers[node.kind.kind].lister.get(node.key)

    def dependents(self, uid: str) -> Iterator[tuple[Kind[Any], Any]]:
        for informer in self.informers.values():
            for obj in informer.lister.by_index(BY_OWNER, uid):
                yield informer.kind, obj

    def to_delete(self, uid: str) -> Iterator[Node]:
        """Yield what is owned by an object that waits, but for what waits itself: a circle would never end."""
        for kind, dependent in self.dependents(uid):
            if not is_waiting(metadata(dependent)):
                yield Node(kind, object_key(dependent))

    def owner_kind(self, reference: meta_pb2.OwnerReference) -> Kind[Any] | None:
        return KINDS_BY_GVK.get((reference.api_version, reference.kind))

    def cached_state(self, reference: meta_pb2.OwnerReference, namespace: str) -> OwnerState | None:
        """Return the state of an owner as the cache has it; None when the cache has no such object.

        `namespace` is that of the dependent: an owner is in the same one, or in none.
        """
        kind = self.owner_kind(reference)
        if kind is None:
            # The state of an unknown kind cannot be read, so nothing is deleted for its sake.
            return OwnerState.SOLID
        if kind.namespaced and not namespace:
            # The reference does not say in which namespace to look; upstream leaves such dependents alone.
            return OwnerState.SOLID
        informer = self.informers.get(kind.kind)
        if informer is None:
            return None
        owner = informer.lister.get(owner_key(kind, namespace, reference.name))
        if owner is None or metadata(owner).uid != reference.uid:
            return None
        return state_of(metadata(owner))

    def is_elsewhere(self, reference: meta_pb2.OwnerReference, namespace: str) -> bool:
        """Say whether an owner is in another namespace than its dependent, where it cannot own it."""
        kind = self.owner_kind(reference)
        informer = None if kind is None or not kind.namespaced else self.informers.get(kind.kind)
        if informer is None:
            return False
        metas = (metadata(obj) for obj in informer.lister.list())
        return any(meta.uid == reference.uid and meta.namespace != namespace for meta in metas)

    def is_due(self, obj: Any) -> bool:
        """Say whether an object that has come or changed needs a look: most never do."""
        meta = metadata(obj)
        if meta.HasField("deletion_timestamp"):
            return ORPHAN in meta.finalizers or FOREGROUND in meta.finalizers
        return any(
            self.cached_state(reference, meta.namespace) is not OwnerState.SOLID
            for reference in meta.owner_references
        )

    def concerned(self, kind: Kind[Any], old: Any | None, new: Any | None) -> Iterator[Node]:
        """Yield what needs a look after a change that the caches show; `old` or `new` may be None."""
        if new is not None and self.is_due(new):
            yield Node(kind, object_key(new))
            if is_waiting(metadata(new)) and not (old is not None and is_waiting(metadata(old))):
                # It may close a circle of objects that wait for one another.
                yield from self._waiting_below(kind, new)
        if old is None:
            return
        meta = metadata(old)
        if new is None:
            for dependent_kind, dependent in self.dependents(meta.uid):
                yield Node(dependent_kind, object_key(dependent))
        kept = (
            {} if new is None else {reference.uid: reference for reference in metadata(new).owner_references}
        )
        for reference in meta.owner_references:
            owner_kind = self.owner_kind(reference)
            still = kept.get(reference.uid)
            # An owner that waits for this one may go on.
            if (
                reference.block_owner_deletion
                and owner_kind is not None
                and not (still and still.block_owner_deletion)
            ):
                yield Node(owner_kind, owner_key(owner_kind, meta.namespace, reference.name))

    def is_blocked(self, obj: Any) -> bool:
        """Say whether an object that is deleted in the foreground must still wait for something that it owns.

        Objects that wait for one another in a circle wait only for what is outside of it. (Upstream breaks a
        circle by a patch, and not every one.)
        """
        start = metadata(obj).uid
        below = self._reach(start)
        if below is None:
            return True
        return any(start not in (self._reach(uid) or ()) for uid in below if uid != start)

    def _reach(self, uid: str) -> set[str] | None:
        """Return the uids of all that an object waits for, directly or not; None when one does not wait."""
        found: set[str] = set()
        waiting = [uid]
        while waiting:
            owner = waiting.pop()
            for _, dependent in self.dependents(owner):
                meta = metadata(dependent)
                if meta.uid in found or not _blocks(meta, owner):
                    continue
                if not is_waiting(meta):
                    return None
                found.add(meta.uid)
                waiting.append(meta.uid)
        return found

    def _waiting_below(self, kind: Kind[Any], obj: Any) -> Iterator[Node]:
        seen, level = {metadata(obj).uid}, [(kind, obj)]
        while level:
            _, owner = level.pop()
            for dependent_kind, dependent in self.dependents(metadata(owner).uid):
                meta = metadata(dependent)
                if is_waiting(meta) and meta.uid not in seen:
                    seen.add(meta.uid)
                    level.append((dependent_kind, dependent))
                    yield Node(dependent_kind, object_key(dependent))


class AbsentOwners:
    """Owners that the apiserver certainly does not have; as many as upstream remembers (500)."""

    def __init__(self, *, capacity: int = 500) -> None:
        self._capacity = capacity
        #: whether the owner is in another namespace
        self._known: OrderedDict[tuple[str, ...], bool] = OrderedDict()

    def add(self, reference: meta_pb2.OwnerReference, namespace: str, *, elsewhere: bool) -> None:
        self._known[_identity(reference, namespace)] = elsewhere
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def get(self, reference: meta_pb2.OwnerReference, namespace: str) -> bool | None:
        """Return whether it is in another namespace; None when nothing is known of it."""
        key = _identity(reference, namespace)
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)


def _identity(reference: meta_pb2.OwnerReference, namespace: str) -> tuple[str, ...]:
    return reference.api_version, reference.kind, namespace, reference.name, reference.uid


def _blocks(meta: meta_pb2.ObjectMeta, owner_uid: str) -> bool:
    return any(
        reference.uid == owner_uid and reference.block_owner_deletion for reference in meta.owner_references
    )


def is_waiting(meta: meta_pb2.ObjectMeta) -> bool:
    """Say whether an object is being deleted in the foreground: it waits for what it owns."""
    return meta.HasField("deletion_timestamp") and FOREGROUND in meta.finalizers


def state_of(owner: meta_pb2.ObjectMeta) -> OwnerState:
    """Return what an owner that is there means for what it owns."""
    return OwnerState.WAITING if is_waiting(owner) else OwnerState.SOLID


def owner_key(kind: Kind[Any], namespace: str, name: str) -> str:
    """Return the key of an owner."""
    return f"{namespace}/{name}" if kind.namespaced else name


def show(reference: meta_pb2.OwnerReference, namespace: str) -> str:
    """Write a reference as upstream's events do."""
    return f"[{reference.api_version}/{reference.kind}, namespace: {namespace}, name: {reference.name}, uid: {reference.uid}]"
