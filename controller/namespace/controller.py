"""The shell of the namespace controller: asks everything in an ending namespace to go, looks what is left, and lets it go when nothing is.

Content is read from the apiserver, not from caches: a namespace that goes with something in it would leave that behind for ever.
Traces outlive their Pods on purpose, and expire by themselves.
"""

from collections import Counter
from typing import Any

import structlog

from controller.base import Controller, Tools
from controller.namespace.reconcile import FINALIZER, Remaining, reconcile
from vaina.api.core.v1 import namespace_pb2
from vaina.cache.factory import InformerFactory
from vaina.errors import ApiError, NotFound
from vaina.kinds import EVENT, KINDS, NAMESPACE, POD_TRACE, Kind

log = structlog.stdlib.get_logger(__name__)

#: how soon to look again while something is left
RECHECK_SECONDS = 2.0
#: Events go last: until then they tell what happens
_KINDS: tuple[Kind[Any], ...] = (
    *(kind for kind in KINDS if kind.namespaced and kind.kind not in (POD_TRACE.kind, EVENT.kind)),
    EVENT,
)


class NamespaceController(Controller):
    """Keys are names of namespaces."""

    name = "namespace"

    def __init__(
        self, tools: Tools, factory: InformerFactory, *, recheck_seconds: float = RECHECK_SECONDS
    ) -> None:
        self._namespaces = factory.informer(NAMESPACE)
        super().__init__(tools, (self._namespaces,))
        self._client, self._recheck = factory.clientset, recheck_seconds
        self._namespaces.add_handler(on_add=self._look_at, on_update=lambda old, new: self._look_at(new))

    async def sync(self, key: str) -> float | None:
        namespace = self._namespaces.lister.get(key)
        if namespace is None or not _is_held(namespace):
            return None
        remaining: list[Remaining] = []
        failures: list[str] = []
        for kind in _KINDS:
            try:
                remaining.append(await self._empty(kind, key))
            except ApiError as error:
                failures.append(f"{kind.resource}: {error.message}")
        plan = reconcile(namespace, remaining, failures, now=self.clock.now())
        try:
            if plan.finalize:
                await self._finalize(key, namespace.metadata.uid)
                return None
            if plan.status is not None:
                changed = namespace_pb2.Namespace()
                changed.CopyFrom(namespace)
                changed.status.CopyFrom(plan.status)
                await self._client.namespaces.update_status(changed)
        except NotFound:
            return None
        return self._recheck

    async def _empty(self, kind: Kind[Any], namespace: str) -> Remaining:
        client = self._client.kind(kind)
        first = await client.list(namespace, limit=1)
        if not first.items:
            return Remaining(kind.resource, 0)
        await client.delete_collection(namespace, propagation_policy="Background")
        left = (await client.list_all(namespace)).items
        held: Counter[str] = Counter(name for obj in left for name in obj.metadata.finalizers)
        return Remaining(kind.resource, len(left), tuple(sorted(held.items())))

    async def _finalize(self, name: str, uid: str) -> None:
        fresh = await self._client.namespaces.get(name)
        if fresh.metadata.uid != uid or FINALIZER not in fresh.spec.finalizers:
            return
        kept = [item for item in fresh.spec.finalizers if item != FINALIZER]
        del fresh.spec.finalizers[:]
        fresh.spec.finalizers.extend(kept)
        await self._client.namespaces.update(fresh)
        log.info("namespace emptied", namespace=name)

    def _look_at(self, namespace: namespace_pb2.Namespace) -> None:
        if _is_held(namespace):
            self.queue.add(namespace.metadata.name)


def _is_held(namespace: namespace_pb2.Namespace) -> bool:
    return namespace.metadata.HasField("deletion_timestamp") and FINALIZER in namespace.spec.finalizers
