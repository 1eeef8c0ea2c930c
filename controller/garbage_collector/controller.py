"""The shell of the garbage collector.

What has no owner and waits for nothing never reaches the queue, so its cost grows with what ends, not with what there is.
An owner that the cache does not have is asked for at the apiserver, by name and uid, before anything is deleted.
"""

from typing import Any, assert_never

import structlog
from google.protobuf.message import Message

from controller.base import Controller, Tools
from controller.garbage_collector.graph import Graph, Node, by_owner, owner_key, state_of
from controller.garbage_collector.reconcile import (
    FOREGROUND,
    ORPHAN,
    Action,
    DeleteDependents,
    DeleteObject,
    DropOwners,
    OrphanDependents,
    OwnerState,
    RemoveFinalizer,
    reconcile,
)
from controller.ownership import without_owner
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.factory import InformerFactory
from vaina.cache.informer import Informer
from vaina.errors import Conflict, NotFound
from vaina.kinds import EVENT, KINDS, KINDS_BY_NAME, POD_TRACE, Kind
from vaina.objects.meta import metadata, object_key, remove_finalizer

log = structlog.stdlib.get_logger(__name__)

#: kinds that own nothing and are owned by nothing
_LEFT_OUT = (EVENT.kind, POD_TRACE.kind)


class GarbageCollector(Controller):
    """Keys are `plural namespace/name`."""

    name = "garbage-collector"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        informers: dict[str, Informer[Any]] = {
            kind.kind: factory.informer(kind) for kind in KINDS if kind.kind not in _LEFT_OUT
        }
        super().__init__(Tools(tools.clock, tools.metrics, workers=16), tuple(informers.values()))
        self._graph, self._client = Graph(informers), factory.clientset
        for informer in informers.values():
            self._register(informer)

    async def sync(self, key: str) -> float | None:
        node = _node(key)
        obj = self._graph.get(node)
        if obj is None:
            return None
        meta = metadata(obj)
        owners = [await self._state(reference, meta.namespace) for reference in meta.owner_references]
        dependents = [dependent for _, dependent in self._graph.dependents(meta.uid)]
        blocked = any(_blocks(metadata(dependent), meta.uid) for dependent in dependents)
        actions = reconcile(meta, owners, has_dependents=bool(dependents), is_blocked=blocked)
        for action in actions:
            await self._execute(node, obj, action)
        return None

    async def _execute(self, node: Node, obj: Message, action: Action) -> None:
        meta, client = metadata(obj), self._client.kind(node.kind)
        try:
            match action:
                case DeleteObject(policy):
                    await client.delete(
                        meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version,
                        propagation_policy=policy,
                    )  # fmt: skip
                    log.info("object without owner deleted", kind=node.kind.kind, key=node.key, policy=policy)
                case DropOwners(uids):
                    changed: Message = obj
                    for uid in uids:
                        changed = without_owner(changed, uid)
                    await client.update(changed)
                case RemoveFinalizer(finalizer):
                    await self._remove_finalizer(node, obj, finalizer)
                case DeleteDependents():
                    for kind, dependent in self._graph.dependents(meta.uid):
                        self._add(kind, dependent)
                case OrphanDependents():
                    await self._orphan_dependents(meta)
                    await self._remove_finalizer(node, obj, ORPHAN)
                case _:
                    assert_never(action)
        except NotFound:
            # It has gone by itself: what was to be done is done.
            return

    async def _orphan_dependents(self, owner: meta_pb2.ObjectMeta) -> None:
        # From the apiserver: what the caches do not have yet would lose its owner, and be deleted for it.
        for informer in self._graph.informers.values():
            kind = informer.kind
            if owner.namespace and not kind.namespaced:
                continue
            client = self._client.kind(kind)
            for dependent in (await client.list_all(owner.namespace)).items:
                if owner.uid in by_owner(dependent):
                    try:
                        await client.update(without_owner(dependent, owner.uid))
                    except NotFound:
                        continue

    async def _remove_finalizer(self, node: Node, obj: Message, finalizer: str) -> None:
        # Read anew: something that blocks may have come since, and others write finalizers too.
        fresh = await self._client.kind(node.kind).get(metadata(obj).name, metadata(obj).namespace)
        if metadata(fresh).uid != metadata(obj).uid:
            raise Conflict(f"{node} is another one by now")
        if remove_finalizer(metadata(fresh), finalizer):
            await self._client.kind(node.kind).update(fresh)

    async def _state(self, reference: meta_pb2.OwnerReference, namespace: str) -> OwnerState:
        cached = self._graph.cached_state(reference, namespace)
        if cached is not None:
            return cached
        kind = self._graph.owner_kind(reference)
        assert kind is not None
        try:
            owner = await self._client.kind(kind).get(reference.name, namespace if kind.namespaced else "")
        except NotFound:
            return OwnerState.ABSENT
        meta = metadata(owner)
        return state_of(meta) if meta.uid == reference.uid else OwnerState.ABSENT

    def _register(self, informer: Informer[Any]) -> None:
        kind = informer.kind

        def on_change(obj: Any) -> None:
            if self._is_due(obj):
                self._add(kind, obj)

        def on_delete(obj: Any) -> None:
            for dependent_kind, dependent in self._graph.dependents(obj.metadata.uid):
                self._add(dependent_kind, dependent)
            # An owner that waits for this one may go on.
            for reference in obj.metadata.owner_references:
                owner_kind = self._graph.owner_kind(reference)
                if reference.block_owner_deletion and owner_kind is not None:
                    node = Node(owner_kind, owner_key(owner_kind, obj.metadata.namespace, reference.name))
                    self.queue.add(_key(node))

        informer.add_handler(on_add=on_change, on_update=lambda _, new: on_change(new), on_delete=on_delete)

    def _is_due(self, obj: Any) -> bool:
        """Say whether an object that has come or changed needs a look: most never do."""
        meta = obj.metadata
        if meta.HasField("deletion_timestamp"):
            return ORPHAN in meta.finalizers or FOREGROUND in meta.finalizers
        return any(
            self._graph.cached_state(reference, meta.namespace) is not OwnerState.SOLID
            for reference in meta.owner_references
        )

    def _add(self, kind: Kind[Any], obj: Message) -> None:
        self.queue.add(_key(Node(kind, object_key(obj))))


def _blocks(meta: meta_pb2.ObjectMeta, owner_uid: str) -> bool:
    return any(
        reference.uid == owner_uid and reference.block_owner_deletion for reference in meta.owner_references
    )


def _key(node: Node) -> str:
    return f"{node.kind.resource} {node.key}"


def _node(key: str) -> Node:
    resource, _, rest = key.partition(" ")
    return Node(KINDS_BY_NAME[resource], rest)
