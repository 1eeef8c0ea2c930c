"""Who owns what: the informers of all kinds with an index by owner. No state of its own, so it cannot be wrong for longer than they are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.garbage_collector.reconcile import FOREGROUND, OwnerState
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.informer import Informer
from vaina.kinds import KINDS_BY_GVK, Kind
from vaina.objects.meta import metadata, owners

BY_OWNER = "owner-uid"


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


class Graph:
    """A view of informers."""

    def __init__(self, informers: Mapping[str, Informer[Any]]) -> None:
        """Make a view.

        Args:
            informers: by kind name.
        """
        self.informers = informers
        for informer in informers.values():
            informer.ensure_indexer(BY_OWNER, by_owner)

    def get(self, node: Node) -> Any | None:
        """Return an object from its cache."""
        return self.informers[node.kind.kind].lister.get(node.key)

    def dependents(self, uid: str) -> Iterator[tuple[Kind[Any], Any]]:
        """Yield what is owned by a uid."""
        for informer in self.informers.values():
            for obj in informer.lister.by_index(BY_OWNER, uid):
                yield informer.kind, obj

    def owner_kind(self, reference: meta_pb2.OwnerReference) -> Kind[Any] | None:
        """Return the kind of an owner; None for one that we do not know."""
        return KINDS_BY_GVK.get((reference.api_version, reference.kind))

    def cached_state(self, reference: meta_pb2.OwnerReference, namespace: str) -> OwnerState | None:
        """Return the state of an owner as the cache has it; None when the cache has no such object.

        Args:
            reference: to the owner.
            namespace: of the dependent: an owner is in the same one, or in none.
        """
        kind = self.owner_kind(reference)
        if kind is None:
            # Somebody else's kind: we cannot know, so nothing is deleted for its sake.
            return OwnerState.SOLID
        if kind.namespaced and not namespace:
            # The reference does not say in which namespace to look; upstream's collector leaves such dependents alone too.
            return OwnerState.SOLID
        informer = self.informers.get(kind.kind)
        if informer is None:
            return None
        owner = informer.lister.get(owner_key(kind, namespace, reference.name))
        if owner is None or metadata(owner).uid != reference.uid:
            return None
        return state_of(metadata(owner))


def state_of(owner: meta_pb2.ObjectMeta) -> OwnerState:
    """Return what an owner that is there means for what it owns."""
    if owner.HasField("deletion_timestamp") and FOREGROUND in owner.finalizers:
        return OwnerState.WAITING
    return OwnerState.SOLID


def owner_key(kind: Kind[Any], namespace: str, name: str) -> str:
    """Return the key of an owner."""
    return f"{namespace}/{name}" if kind.namespaced else name
