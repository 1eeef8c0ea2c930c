"""Binding: a Pod gets its node, once. Step 2 of a Pod's creation ends here. Called by the Pod service.

Follows `pkg/registry/core/pod/storage/storage.go` (BindingREST).
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from apiserver import refusals
from apiserver.context import Context
from apiserver.registry.bound import Form, Moulds, cut, form_of
from apiserver.registry.create.storing import MAX_OBJECT_BYTES
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import parse_object_version
from apiserver.registry.pods import SCHEDULED
from apiserver.registry.status import merge_conditions
from apiserver.registry.store import Edit, Store
from apiserver.storage import keys
from apiserver.storage.interface import Alike, Key, Known, Put, Stored, Version
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.errors import ApiError, Invalid
from vaina.kinds import NODE, POD
from vaina.objects import field_path

_NODE_KINDS: Final = ("", "Node")
#: bindings that are simple are made before others have their turn
_FAIR: Final = 256
#: forms of Pods that are tried: of one more each Pod that is of none would cost a µs
_FORMS: Final = 4


class Binder:
    """Binds Pods to nodes. Remembers for a second how Pods that are alike are bound: what a binding says
    besides the node is the time.
    """

    def __init__(self, pods: Store[pod_pb2.Pod], nodes: Store[node_pb2.Node]) -> None:
        self._pods, self._nodes = pods, nodes
        self._second, self._quick = 0, _Quick(pods, nodes, self._scheduled())

    async def bind(self, ctx: Context, binding: pod_pb2.Binding) -> Stored:
        """Give the Pod its node.

        Raises:
            Invalid: the binding names no node.
            NotFound: there is no such Pod, or no such node.
            Conflict: the Pod is ending, gated, bound already, or another one than meant.
        """
        edit = self._edit(ctx, binding, self._scheduled())
        await self._check_node(binding.target.name)
        return await self._pods.change(edit)

    def decode(self, stored: Stored) -> pod_pb2.Pod:
        """Return the Pod that was bound."""
        return self._pods.decode(stored)

    async def bind_all(
        self, ctx: Context, bindings: Sequence[pod_pb2.Binding]
    ) -> Sequence[Stored | ApiError]:
        """Give Pods their nodes; return for each, in its place, what `bind` would return or raise."""
        scheduled, missing = self._scheduled(), dict[str, ApiError]()

        def edit(index: int) -> Edit[pod_pb2.Pod]:
            made = self._edit(ctx, bindings[index], scheduled)
            if made_for := missing.get(bindings[index].target.name):
                raise made_for
            return made

        ready: dict[int, Put] = {}
        if not ctx.dry_run:
            quick = self._quick_at(scheduled)
            # A piece at a time, so that others have their turn.
            for start in range(0, len(bindings), _FAIR):
                if start:
                    await self._pods.give_way()
                quick.take(bindings, range(start, min(start + _FAIR, len(bindings))), ready)
        others = (bindings[index].target.name for index in range(len(bindings)) if index not in ready)
        for name in dict.fromkeys(others):
            try:
                if name:
                    await self._check_node(name)
            except ApiError as error:
                missing[name] = error
        return await self._pods.change_all(len(bindings), edit, ready)

    def _quick_at(self, scheduled: pod_pb2.PodCondition) -> "_Quick":
        second = scheduled.last_transition_time.seconds
        if second != self._second:
            self._second, self._quick = second, _Quick(self._pods, self._nodes, scheduled)
        return self._quick

    def _scheduled(self) -> pod_pb2.PodCondition:
        """Return the condition of a Pod that is bound now."""
        now = timestamp(self._pods.now())
        return pod_pb2.PodCondition(type=SCHEDULED, status="True", last_transition_time=now)

    def _edit(
        self, ctx: Context, binding: pod_pb2.Binding, scheduled: pod_pb2.PodCondition
    ) -> Edit[pod_pb2.Pod]:
        """Return how a Pod gets its node. Raises Invalid, BadRequest."""
        meta, target = binding.metadata, binding.target
        node, annotations = target.name, meta.annotations
        errors = []
        if target.kind not in _NODE_KINDS:
            errors.append(field_path.not_supported("target.kind", target.kind, ("Node", "<empty>")))
        if not node:
            errors.append(field_path.required("target.name"))
        if errors:
            raise Invalid.of("Binding", meta.name, errors)

        def build(pod: pod_pb2.Pod) -> pod_pb2.Pod:
            _assign(scheduled, pod, node)
            if annotations:
                # Asked first: to begin going through a map costs 2 µs, and schedulers send none.
                for key, value in annotations.items():
                    pod.metadata.annotations[key] = value
            return pod

        version = parse_object_version(POD, meta)
        return Edit(ctx, meta.namespace or DEFAULT_NAMESPACE, meta.name, build, meta.uid, version)

    async def _check_node(self, name: str) -> None:
        key = keys.object_key(self._nodes.kind, "", name)
        storage = self._nodes.storage
        if storage.peek(key, Version(0)) is None and await storage.get(key) is None:
            raise refusals.not_found(NODE, name)


class _Quick:
    """Bindings of one second that ask for nothing but a node, of Pods of which there are more."""

    def __init__(
        self, pods: Store[pod_pb2.Pod], nodes: Store[node_pb2.Node], scheduled: pod_pb2.PodCondition
    ) -> None:
        self._pods, self._nodes, self._moulds = pods, nodes, Moulds(partial(_assign, scheduled))
        #: that were seen, the last first, and what is known of their Pods: a binding leaves labels as they
        #: are
        self._forms: list[tuple[Form, Alike]] = []

    def take(self, bindings: Sequence[pod_pb2.Binding], places: Iterable[int], ready: dict[int, Put]) -> None:
        """Find how to write bindings by what the cache has of their Pods; leave out those that are not so
        simple.

        Args:
            bindings: of the call.
            places: of the bindings.
            ready: where the writes go, by their places.
        """
        prefix, nodes = keys.kind_prefix(self._pods.kind), keys.kind_prefix(self._nodes.kind)
        peek, peek_node, cast = (
            self._pods.storage.peeker(prefix),
            self._nodes.storage.peeker(nodes),
            self._cast,
        )
        for place in places:
            binding = bindings[place]
            meta, target = binding.metadata, binding.target
            name, node = meta.name, target.name
            if (
                target.kind not in _NODE_KINDS
                or "/" in name
                or "%" in name
                or peek_node(Key(nodes + node)) is None
            ):
                continue
            current = peek(Key(f"{prefix}{meta.namespace or DEFAULT_NAMESPACE}/{name}"))
            if current is None or meta.resource_version or meta.annotations:
                continue
            key, old, version, type_meta, ttl_seconds = current
            data, alike = cast(old, name, meta.uid, node)
            if data is not None and len(data) <= MAX_OBJECT_BYTES:
                # Half of the price of `Known(...)` and `Put(...)`, which are functions around this. The node
                # is what Pods are indexed by.
                known = None if alike is None else tuple.__new__(Known, ((node,), alike))
                ready[place] = tuple.__new__(Put, (key, data, type_meta, version, ttl_seconds, known))

    def _cast(self, data: bytes, name: str, uid: str, node: str) -> tuple[bytes | None, Alike | None]:
        """Return what becomes of a Pod, None when it must take the whole way; and which Pods have its labels,
        where that is known.
        """
        if uid:
            for form, alike in self._forms:
                found = form.cast(data, name, uid, node)
                if found is not None:
                    return found, alike
        parts = cut(data)
        if parts is None or uid not in ("", parts.metadata.uid):
            return None, None
        mould = self._moulds.of(parts.tail)
        if mould is None:
            return None, None
        new = form_of(data, parts, mould)
        if new is not None:
            self._forms = [(new, Alike()), *self._forms[: _FORMS - 1]]
        return mould.cast(parts.head, node), None


def _assign(scheduled: pod_pb2.PodCondition, pod: pod_pb2.Pod, node: str) -> None:
    """Give a Pod its node. Raises Conflict."""
    why = _refusal(pod)
    if why:
        raise refusals.conflict(POD, pod.metadata.name, why, subresource="binding")
    pod.spec.node_name = node
    status = pod.status
    if status.nominated_node_name:
        status.nominated_node_name = ""
    if status.conditions:
        merge_conditions(status.conditions, [scheduled], scheduled.last_transition_time)
    else:
        status.conditions.append(scheduled)


def _refusal(pod: pod_pb2.Pod) -> str:
    """Return why a Pod may not be bound; empty when it may."""
    meta, spec = pod.metadata, pod.spec
    if meta.HasField("deletion_timestamp"):
        return f"pod {meta.name} is being deleted, cannot be assigned to a host"
    if spec.node_name:
        return f'pod {meta.name} is already assigned to node "{spec.node_name}"'
    if spec.scheduling_gates:
        return f"pod {meta.name} has non-empty .spec.schedulingGates"
    return ""
