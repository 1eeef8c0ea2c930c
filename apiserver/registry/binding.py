"""Binding: a Pod gets its node, once. Step 2 of a Pod's creation ends here. Called by the Pod service.

Follows `pkg/registry/core/pod/storage/storage.go` (BindingREST).
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from apiserver.registry import refusals
from apiserver.registry.bound import Moulds, cut
from apiserver.registry.context import Context
from apiserver.registry.creating import MAX_OBJECT_BYTES
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import parse_object_version
from apiserver.registry.pods import SCHEDULED
from apiserver.registry.status import merge_conditions
from apiserver.registry.store import Edit, Store
from apiserver.storage import keys
from apiserver.storage.interface import Put, Stored, Version
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.errors import ApiError, Invalid
from vaina.kinds import NODE, POD
from vaina.objects import field_path

_NODE_KINDS: Final = ("", "Node")
#: bindings that are simple are made before others have their turn
_FAIR: Final = 256


class Binder:
    """Binds Pods to nodes. Holds no state."""

    def __init__(self, pods: Store[pod_pb2.Pod], nodes: Store[node_pb2.Node]) -> None:
        self._pods, self._nodes = pods, nodes

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

    async def bind_all(self, ctx: Context, bindings: Sequence[pod_pb2.Binding]) -> list[Stored | ApiError]:
        """Give Pods their nodes; return for each, in its place, what `bind` would return or raise."""
        missing: dict[str, ApiError] = {}
        for name in {binding.target.name for binding in bindings if binding.target.name}:
            try:
                await self._check_node(name)
            except ApiError as error:
                missing[name] = error

        scheduled = self._scheduled()

        def edit(binding: pod_pb2.Binding) -> Edit[pod_pb2.Pod]:
            made = self._edit(ctx, binding, scheduled)
            if binding.target.name in missing:
                raise missing[binding.target.name]
            return made

        puts: dict[int, Put] = {}
        if not ctx.dry_run:
            moulds = Moulds(partial(_assign, scheduled))
            for index, binding in enumerate(bindings):
                if index % _FAIR == _FAIR - 1:
                    await self._pods.give_way()
                put = None if binding.target.name in missing else self._simple_put(binding, moulds)
                if put is not None:
                    puts[index] = put
        return await self._pods.change_all([partial(edit, binding) for binding in bindings], puts)

    def _simple_put(self, binding: pod_pb2.Binding, moulds: Moulds) -> Put | None:
        """Return how to write a binding that asks for nothing but a node, of a Pod of which there are more; None for any other."""
        meta, target = binding.metadata, binding.target
        if target.kind not in _NODE_KINDS or not target.name or meta.resource_version or meta.annotations:
            return None
        try:
            current = self._pods.peek(meta.namespace, meta.name)
        except ApiError:
            return None
        parts = None if current is None else cut(current.data)
        if current is None or parts is None or meta.uid not in ("", parts.metadata.uid):
            return None
        mould = moulds.of(parts.tail)
        if mould is None:
            return None
        data = mould.cast(parts.head, target.name)
        if len(data) > MAX_OBJECT_BYTES:
            return None
        return Put(current.key, data, current.type_meta, current.version, current.ttl_seconds)

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
