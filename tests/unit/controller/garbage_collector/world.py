"""A small world of objects that own one another, with caches that lag behind it.

For tests of the collector's decisions.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message

from apiserver.registry import deletion
from apiserver.registry.deletion import DeleteOptions, Verdict
from apiserver.registry.strategy import Strategy
from controller.garbage_collector.reconcile import (
    ORPHAN,
    Action,
    DeleteDependents,
    DeleteObject,
    DropOwners,
    Graph,
    Node,
    OrphanDependents,
    OwnerState,
    RemoveFinalizer,
    owner_key,
    reconcile,
    state_of,
)
from controller.ownership import without_owner
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.list_watch import Apply
from vaina.cache.store import Lister, Store
from vaina.errors import Conflict, NotFound
from vaina.kinds import CONFIG_MAP, POD, Kind
from vaina.objects.meta import metadata, object_key, owners, remove_finalizer
from vaina.testing.clock import EPOCH

KINDS: tuple[Kind[Any], ...] = (POD, CONFIG_MAP)
_STRATEGY: Strategy[Any] = Strategy()


class Cache:
    """The cache of one kind, and the events that it has not heard of."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self._store: Store[Any] = Store()
        self.lister: Lister[Any] = Lister(self._store)
        self.behind: deque[tuple[str, Any | None, Any]] = deque()

    def ensure_indexer(self, name: str, indexer: Callable[[Any], Iterable[str]]) -> None:
        """Add an index."""
        self._store.add_indexer(name, indexer)

    def hear(self) -> list[tuple[Any | None, Any | None]]:
        """Take the next event; return what changed."""
        return self._store.apply(Apply([self.behind.popleft()]))


def reference(kind: Kind[Any], name: str, uid: str, *, block: bool = True) -> meta_pb2.OwnerReference:
    """Make a reference to an owner."""
    return meta_pb2.OwnerReference(
        api_version=kind.api_version, kind=kind.kind, name=name, uid=uid, block_owner_deletion=block
    )


class World:
    """Objects as the apiserver has them, the caches of a collector, and its queue."""

    def __init__(self) -> None:
        self.objects: dict[Node, Any] = {}
        self.caches = {kind.kind: Cache(kind) for kind in KINDS}
        self.graph = Graph(self.caches)
        self.queue: dict[Node, None] = {}
        self._version = 0
        #: what the collector deleted, with the state of each owner at that moment
        self.deleted: list[tuple[Node, list[OwnerState]]] = []

    # -- what clients do

    def create(self, kind: Kind[Any], name: str, *references: meta_pb2.OwnerReference) -> str:
        """Make an object; return its uid."""
        obj = kind.message()
        meta = metadata(obj)
        meta.name, meta.namespace, meta.uid = name, "default", f"{name}-{self._version}"
        meta.owner_references.extend(references)
        self._put(Node(kind, object_key(obj)), obj)
        return meta.uid

    def delete(
        self, kind: Kind[Any], name: str, policy: str = "", *, uid: str = "", version: str = ""
    ) -> None:
        """Delete an object as the apiserver does. Raises NotFound, Conflict."""
        node = Node(kind, f"default/{name}")
        obj = self.copy(node)
        meta = metadata(obj)
        if (uid and uid != meta.uid) or (version and version != meta.resource_version):
            raise Conflict("precondition")
        match deletion.decide(obj, DeleteOptions(propagation_policy=policy), _STRATEGY, EPOCH):
            case Verdict.STORE:
                self._put(node, obj)
            case Verdict.REMOVE:
                self._remove(node)
            case Verdict.KEEP:
                pass

    # -- what the collector does

    def hear(self, kind: Kind[Any]) -> None:
        """Let one event of a kind reach its cache."""
        for old, new in self.caches[kind.kind].hear():
            self.queue.update(dict.fromkeys(self.graph.concerned(kind, old, new)))

    def work(self, node: Node) -> None:
        """Look at one object of the queue; what conflicts is looked at again."""
        del self.queue[node]
        obj = self.graph.get(node)
        if obj is None:
            return
        meta = metadata(obj)
        states = [self._state(found, meta.namespace) for found in meta.owner_references]
        dependents = any(True for _ in self.graph.dependents(meta.uid))
        actions = reconcile(meta, states, has_dependents=dependents, is_blocked=self.graph.is_blocked(obj))
        try:
            for action in actions:
                self._execute(node, obj, action)
        except NotFound:
            return
        except Conflict:
            self.queue[node] = None

    def drain(self) -> None:
        """Let everything be heard and done."""
        for _ in range(10_000):
            heard = [cache for cache in self.caches.values() if cache.behind]
            if heard:
                self.hear(heard[0].kind)
            elif self.queue:
                self.work(next(iter(self.queue)))
            else:
                return
        raise AssertionError(f"the collector never comes to rest: {[str(node) for node in self.queue]}")

    def names(self) -> set[str]:
        """Return the names of what there is."""
        return {metadata(obj).name for obj in self.objects.values()}

    def true_state(self, found: meta_pb2.OwnerReference, namespace: str) -> OwnerState:
        """Return what has really become of an owner."""
        kind = self.graph.owner_kind(found)
        assert kind is not None
        owner = self.objects.get(Node(kind, owner_key(kind, namespace, found.name)))
        if owner is None or metadata(owner).uid != found.uid:
            return OwnerState.ABSENT
        return state_of(metadata(owner))

    def _state(self, found: meta_pb2.OwnerReference, namespace: str) -> OwnerState:
        cached = self.graph.cached_state(found, namespace)
        return cached if cached is OwnerState.SOLID else self.true_state(found, namespace)

    def _execute(self, node: Node, obj: Message, action: Action) -> None:
        meta = metadata(obj)
        match action:
            case DeleteObject(policy):
                states = [self.true_state(found, meta.namespace) for found in meta.owner_references]
                self.delete(node.kind, meta.name, policy, uid=meta.uid, version=meta.resource_version)
                self.deleted.append((node, states))
            case DropOwners(uids):
                changed: Message = obj
                for uid in uids:
                    changed = without_owner(changed, uid)
                self.update(node, changed)
            case RemoveFinalizer(finalizer):
                self._remove_finalizer(node, meta.uid, finalizer)
            case DeleteDependents():
                self.queue.update(dict.fromkeys(self.graph.to_delete(meta.uid)))
            case OrphanDependents():
                for dependent_node, dependent in [*self.objects.items()]:
                    if meta.uid in owners(metadata(dependent)):
                        self.update(dependent_node, without_owner(dependent, meta.uid))
                self._remove_finalizer(node, meta.uid, ORPHAN)

    def _remove_finalizer(self, node: Node, uid: str, finalizer: str) -> None:
        fresh = self.copy(node)
        if metadata(fresh).uid != uid:
            raise Conflict("another one")
        if remove_finalizer(metadata(fresh), finalizer):
            self.update(node, fresh)

    # -- the store

    def copy(self, node: Node) -> Any:
        if node not in self.objects:
            raise NotFound(str(node))
        copy = node.kind.message()
        copy.CopyFrom(self.objects[node])
        return copy

    def update(self, node: Node, obj: Any) -> None:
        if metadata(self.copy(node)).resource_version != metadata(obj).resource_version:
            raise Conflict("modified")
        if deletion.is_done(obj, _STRATEGY):
            self._remove(node)
        else:
            self._put(node, obj)

    def _put(self, node: Node, obj: Any) -> None:
        self._version += 1
        metadata(obj).resource_version = str(self._version)
        self.objects[node] = obj
        self.caches[node.kind.kind].behind.append((node.key, obj, obj))

    def _remove(self, node: Node) -> None:
        last = self.objects.pop(node)
        self.caches[node.kind.kind].behind.append((node.key, None, last))
