"""Deletes what is in an ending namespace, then lets it go. Follows `pkg/controller/namespace/deletion`.

Content is read from the apiserver: whatever a cache misses would stay behind for ever. Pods go first, and all
else stays until none is left, since Pods stand on it (network policies, secrets; KEP-5080). Traces outlive
their Pods on purpose. What an apiserver that died stored in a namespace which had ended meanwhile is found by
the caches, and removed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from controller.base import Controller, Tools, delete, find
from controller.plans import copy_of
from vaina.api.core.v1 import namespace_pb2
from vaina.cache.informer import InformerFactory
from vaina.clock import timestamp
from vaina.errors import ApiError, NotFound
from vaina.kinds import EVENT, KINDS, NAMESPACE, POD, POD_TRACE, Kind
from vaina.objects.conditions import find_condition
from vaina.objects.meta import metadata

log = structlog.stdlib.get_logger(__name__)

#: the entry of spec.finalizers that holds a namespace until it is empty
FINALIZER = "kubernetes"


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of one kind in a namespace."""

    #: the plural, a dot and the group, as upstream's messages say: `pods.`, `replicasets.apps`
    resource: str
    count: int
    #: finalizer -> how many objects it holds
    finalizers: tuple[tuple[str, int], ...] = ()


def reconcile(
    namespace: namespace_pb2.Namespace, remaining: Sequence[Remaining], failures: Sequence[str], *, now: float
) -> tuple[bool, namespace_pb2.NamespaceStatus | None]:
    """Say whether nothing is left in an ending namespace, and the status to write, None when it is as it
    should be.

    `remaining` is what is left, by kind; `failures` says why kinds could not be emptied.
    """
    left = [item for item in remaining if item.count]
    status = copy_of(namespace.status)
    status.phase = "Terminating"
    # Kinds are a table here, so these two never fail; they are set because clients look for them.
    _set(
        status, "NamespaceDeletionDiscoveryFailure", "", "",
        "ResourcesDiscovered", "All resources successfully discovered", now,
    )  # fmt: skip
    _set(
        status, "NamespaceDeletionGroupVersionParsingFailure", "", "",
        "ParsedGroupVersions", "All legacy kube types successfully parsed", now,
    )  # fmt: skip
    failed = f"Failed to delete all resource types, {len(failures)} remaining: {', '.join(sorted(failures))}"
    _set(
        status, "NamespaceDeletionContentFailure", "ContentDeletionFailed" if failures else "", failed,
        "ContentDeleted", "All content successfully deleted, may be waiting on finalization", now,
    )  # fmt: skip
    counts = ", ".join(sorted(f"{item.resource} has {item.count} resource instances" for item in left))
    _set(
        status, "NamespaceContentRemaining", "SomeResourcesRemain" if left else "",
        f"Some resources are remaining: {counts}", "ContentRemoved", "All content successfully removed", now,
    )  # fmt: skip
    held: dict[str, int] = {}
    for item in left:
        for name, count in item.finalizers:
            held[name] = held.get(name, 0) + count
    words = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(held.items()))
    _set(
        status, "NamespaceFinalizersRemaining", "SomeFinalizersRemain" if held else "",
        f"Some content in the namespace has finalizers remaining: {words}", "ContentHasNoFinalizers",
        "All content-preserving finalizers finished", now,
    )  # fmt: skip
    return not left and not failures, None if status == namespace.status else status


def _set(
    status: namespace_pb2.NamespaceStatus,
    type: str,
    reason: str,
    message: str,
    reason_false: str,
    message_false: str,
    now: float,
) -> None:
    known = find_condition(status.conditions, type)
    state = "True" if reason else "False"
    condition = known if known is not None else status.conditions.add(type=type)
    if condition.status != state:
        condition.status = state
        condition.last_transition_time.CopyFrom(timestamp(now))
    condition.reason = reason or reason_false
    condition.message = message if reason else message_false


#: how soon to look again while something is left
RECHECK_SECONDS = 2.0
#: an object that seems to be in no namespace is looked at later: the namespace's event may be on its way
STRAY_SECONDS = 5.0
#: all but Pods, which go first; Events go last, since they tell what happens
_KINDS: tuple[Kind[Any], ...] = (
    *(kind for kind in KINDS if kind.namespaced and kind.kind not in (POD.kind, POD_TRACE.kind, EVENT.kind)),
    EVENT,
)


class NamespaceController(Controller):
    """Keys are names of namespaces."""

    name = "namespace"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        self._namespaces = factory.informer(NAMESPACE)
        #: Events expire by themselves
        self._content = [factory.informer(kind) for kind in (POD, *_KINDS) if kind is not EVENT]
        super().__init__(tools, (self._namespaces, *self._content))
        self._client = factory.clientset
        self.watch(self._namespaces, lambda found: found.metadata.name if _is_held(found) else None)
        for informer in self._content:
            informer.add_handler(on_add=self._look_for_strays)

    async def sync(self, key: str) -> float | None:
        namespace = self._namespaces.lister.get(key)
        if namespace is None:
            await self._remove_strays(key)
            return None
        if not _is_held(namespace):
            return None
        remaining: list[Remaining] = []
        failures: list[str] = []
        await self._empty_kinds((POD,), key, remaining, failures)
        if not failures and not any(item.count for item in remaining):
            await self._empty_kinds(_KINDS, key, remaining, failures)
        is_empty, status = reconcile(namespace, remaining, failures, now=self.clock.now())
        try:
            if is_empty:
                await self._finalize(key, namespace.metadata.uid)
                return None
            if status is not None:
                changed = copy_of(namespace)
                changed.status.CopyFrom(status)
                await self._client.namespaces.update_status(changed)
        except NotFound:
            return None
        return RECHECK_SECONDS

    async def _empty_kinds(
        self, kinds: tuple[Kind[Any], ...], namespace: str, remaining: list[Remaining], failures: list[str]
    ) -> None:
        for kind in kinds:
            try:
                remaining.append(await self._empty(kind, namespace))
            except ApiError as error:
                failures.append(f"{kind.resource}: {error.message}")

    async def _empty(self, kind: Kind[Any], namespace: str) -> Remaining:
        client, shown = self._client.kind(kind), f"{kind.plural}.{kind.group}"
        first = await client.list_page(namespace, limit=1)
        if not first.items:
            return Remaining(shown, 0)
        await client.delete_collection(namespace, propagation_policy="Background")
        left = (await client.list(namespace)).items
        held: Counter[str] = Counter(name for obj in left for name in obj.metadata.finalizers)
        return Remaining(shown, len(left), tuple(sorted(held.items())))

    async def _remove_strays(self, namespace: str) -> None:
        """Remove what was listed in a namespace that the apiserver then does not have."""
        strays = [
            (informer.kind, obj)
            for informer in self._content
            for obj in informer.lister.list(namespace=namespace)
        ]
        if not strays or await find(self._client.namespaces, namespace) is not None:
            return
        for kind, obj in strays:
            meta = metadata(obj)
            if await delete(self._client.kind(kind), meta, grace_period_seconds=0):
                where = f"{namespace}/{meta.name}"
                log.info("object in no namespace removed", kind=kind.kind, object=where, uid=meta.uid)

    def _look_for_strays(self, obj: Any) -> None:
        if self._namespaces.lister.get(obj.metadata.namespace) is None:
            self.queue.add_after(obj.metadata.namespace, STRAY_SECONDS)

    async def _finalize(self, name: str, uid: str) -> None:
        fresh = await self._client.namespaces.get(name)
        if fresh.metadata.uid != uid or FINALIZER not in fresh.spec.finalizers:
            return
        kept = [item for item in fresh.spec.finalizers if item != FINALIZER]
        del fresh.spec.finalizers[:]
        fresh.spec.finalizers.extend(kept)
        await self._client.namespaces.finalize(fresh)
        log.info("namespace emptied", namespace=name)


def _is_held(namespace: namespace_pb2.Namespace) -> bool:
    return namespace.metadata.HasField("deletion_timestamp") and FINALIZER in namespace.spec.finalizers
