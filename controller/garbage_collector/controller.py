"""The shell of the garbage collector.

An object without owners that waits for nothing never reaches the queue, so the cost grows with what ends. An
owner that the cache does not have, or that seems to wait for what it owns, is asked for at the apiserver, by
name and uid, before anything is deleted.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, assert_never

import structlog
from google.protobuf.message import Message

from controller.base import Controller, Tools, find
from controller.garbage_collector import reconcile as graph
from controller.ownership import without_owner
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.informer import Informer, InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import Conflict, NotFound
from vaina.kinds import EVENT, KINDS, KINDS_BY_NAME, POD_TRACE
from vaina.objects.meta import metadata, remove_finalizer

log = structlog.stdlib.get_logger(__name__)

#: kinds that own nothing and are owned by nothing
_LEFT_OUT = (EVENT.kind, POD_TRACE.kind)


class GarbageCollector(Controller):
    """Keys are `plural namespace/name`."""

    name = "garbage-collector"

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        informers: dict[str, Informer[Any]] = {
            kind.kind: factory.informer(kind) for kind in KINDS if kind.kind not in _LEFT_OUT
        }
        super().__init__(Tools(tools.clock, tools.metrics, workers=16), tuple(informers.values()))
        self._graph, self._client, self._recorder = graph.Graph(informers), factory.clientset, recorder
        self._absent = graph.AbsentOwners()
        for informer in informers.values():
            self._register(informer)

    async def sync(self, key: str) -> float | None:
        node = _node(key)
        obj = self._graph.get(node)
        if obj is None:
            return None
        meta = metadata(obj)
        owners = [await self._state(obj, reference) for reference in meta.owner_references]
        has_dependents = any(True for _ in self._graph.dependents(meta.uid))
        blocked = has_dependents and self._graph.is_blocked(obj)
        for action in graph.reconcile(meta, owners, has_dependents=has_dependents, is_blocked=blocked):
            await self._execute(node, obj, action)
        return None

    async def _execute(self, node: graph.Node, obj: Message, action: graph.Action) -> None:
        meta, client = metadata(obj), self._client.kind(node.kind)
        try:
            match action:
                case graph.DeleteObject(policy):
                    await client.delete(
                        meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version,
                        propagation_policy=policy,
                    )  # fmt: skip
                    log.info("object without owner deleted", kind=node.kind.kind, key=node.key, policy=policy)
                case graph.DropOwners(uids):
                    changed: Message = obj
                    for uid in uids:
                        changed = without_owner(changed, uid)
                    await client.update(changed)
                case graph.RemoveFinalizer(finalizer):
                    await self._remove_finalizer(node, obj, finalizer)
                case graph.DeleteDependents():
                    for dependent in self._graph.to_delete(meta.uid):
                        self.queue.add(_key(dependent))
                case graph.OrphanDependents():
                    await self._orphan_dependents(meta)
                    await self._remove_finalizer(node, obj, graph.ORPHAN)
                case _:
                    assert_never(action)
        except NotFound:
            return

    async def _orphan_dependents(self, owner: meta_pb2.ObjectMeta) -> None:
        # From the apiserver: a dependent that the caches do not have yet would be deleted later.
        for informer in self._graph.informers.values():
            kind = informer.kind
            if owner.namespace and not kind.namespaced:
                continue
            client = self._client.kind(kind)
            for dependent in (await client.list(owner.namespace)).items:
                if owner.uid in graph.by_owner(dependent):
                    with suppress(NotFound):
                        await client.update(without_owner(dependent, owner.uid))

    async def _remove_finalizer(self, node: graph.Node, obj: Message, finalizer: str) -> None:
        # Read again: a blocking object may have come since, and others write finalizers too.
        fresh = await self._client.kind(node.kind).get(metadata(obj).name, metadata(obj).namespace)
        if metadata(fresh).uid != metadata(obj).uid:
            raise Conflict(f"{node} is another one by now")
        if remove_finalizer(metadata(fresh), finalizer):
            await self._client.kind(node.kind).update(fresh)

    async def _state(self, obj: Message, reference: meta_pb2.OwnerReference) -> graph.OwnerState:
        namespace = metadata(obj).namespace
        state = self._graph.cached_state(reference, namespace)
        if state is not graph.OwnerState.SOLID:
            # A client may have asked meanwhile to orphan what it owns.
            state = await self._live_state(reference, namespace)
        if state is graph.OwnerState.ABSENT and self._absent.get(reference, namespace):
            self._report(obj, reference)
        return state

    async def _live_state(self, reference: meta_pb2.OwnerReference, namespace: str) -> graph.OwnerState:
        """Ask the apiserver for an owner that the cache does not have; once, since a uid never comes back."""
        if self._absent.get(reference, namespace) is not None:
            return graph.OwnerState.ABSENT
        kind = self._graph.owner_kind(reference)
        assert kind is not None
        owner = await find(self._client.kind(kind), reference.name, namespace if kind.namespaced else "")
        if owner is not None and metadata(owner).uid == reference.uid:
            return graph.state_of(metadata(owner))
        self._absent.add(reference, namespace, elsewhere=self._graph.is_elsewhere(reference, namespace))
        return graph.OwnerState.ABSENT

    def _report(self, obj: Message, reference: meta_pb2.OwnerReference) -> None:
        namespace = metadata(obj).namespace
        self._recorder.event(
            obj, "Warning", "OwnerRefInvalidNamespace",
            f'ownerRef {graph.show(reference, namespace)} does not exist in namespace "{namespace}"',
        )  # fmt: skip

    def _register(self, informer: Informer[Any]) -> None:
        kind = informer.kind

        def on_batch(changes: Sequence[tuple[Any | None, Any | None]]) -> None:
            for old, new in changes:
                for node in self._graph.concerned(kind, old, new):
                    self.queue.add(_key(node))
                if old is None and new is not None and not kind.namespaced:
                    self._check_references(new)

        informer.add_batch_handler(on_batch)

    def _check_references(self, obj: Any) -> None:
        """Tell of an object without namespace whose owner is in one: nothing is done about it."""
        for reference in metadata(obj).owner_references:
            if self._graph.is_elsewhere(reference, ""):
                self._report(obj, reference)


def _key(node: graph.Node) -> str:
    return f"{node.kind.resource} {node.key}"


def _node(key: str) -> graph.Node:
    resource, _, rest = key.partition(" ")
    return graph.Node(KINDS_BY_NAME[resource], rest)
