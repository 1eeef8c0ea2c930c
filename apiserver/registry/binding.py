"""Binding: a Pod gets its node, once. Step 2 of a Pod's creation ends here. Called by the Pod service.

Follows `pkg/registry/core/pod/storage/storage.go` (BindingREST).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from apiserver import refusals
from apiserver.context import Context
from apiserver.registry.changing import Edit
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import parse_object_version
from apiserver.registry.pods import SCHEDULED
from apiserver.registry.status import merge_conditions
from apiserver.registry.store import Store
from apiserver.storage import keys
from apiserver.storage.interface import Stored, Version
from apiserver.validation.metadata import check_labels
from apiserver.validation.place import Place
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.errors import ApiError, Invalid
from vaina.kinds import NODE, POD
from vaina.objects import field_path

_NODE_KINDS: Final = ("", "Node")


class Binder:
    """Binds Pods to nodes. Holds no state."""

    def __init__(
        self,
        pods: Store[pod_pb2.Pod],
        nodes: Store[node_pb2.Node],
        labels_of: Callable[[Stored], Mapping[str, str]],
    ) -> None:
        """Make it; `labels_of` says of a node which labels its Pods get."""
        self._pods, self._nodes, self._labels_of = pods, nodes, labels_of

    def decode(self, stored: Stored) -> pod_pb2.Pod:
        return self._pods.decode(stored)

    async def bind_all(
        self, ctx: Context, bindings: Sequence[pod_pb2.Binding], may: Callable[[str, str], None]
    ) -> Sequence[Stored | ApiError]:
        """Give Pods their nodes; return for each, in its place, the bound Pod or the refusal.

        Refusals are what `may` raises, asked by namespace and name, Invalid (no node is named), NotFound (no
        such Pod or node), and Conflict (the Pod is being deleted, gated, bound already, or another one than
        meant).
        """
        now = timestamp(self._pods.now())
        scheduled = pod_pb2.PodCondition(type=SCHEDULED, status="True", last_transition_time=now)
        nodes: dict[str, Mapping[str, str] | ApiError] = {}
        for name in dict.fromkeys(binding.target.name for binding in bindings):
            try:
                nodes[name] = await self._labels(name) if name else {}
            except ApiError as error:
                nodes[name] = error
        return await self._pods.change_all([
            partial(_edit_of, ctx, binding, scheduled, nodes, may) for binding in bindings
        ])  # fmt: skip

    async def _labels(self, node: str) -> Mapping[str, str]:
        """Return what labels a node's Pods get. Raises NotFound: there is no such node; and as storage does."""
        key, storage = keys.object_key(self._nodes.kind, "", node), self._nodes.storage
        found = storage.peek(key, Version(0)) or await storage.get(key)
        if found is None:
            raise refusals.not_found(NODE, node)
        return self._labels_of(found)


def _edit_of(
    ctx: Context,
    binding: pod_pb2.Binding,
    scheduled: pod_pb2.PodCondition,
    nodes: Mapping[str, Mapping[str, str] | ApiError],
    may: Callable[[str, str], None],
) -> Edit[pod_pb2.Pod]:
    """Return how a Pod gets its node.

    Raises Forbidden, Invalid, BadRequest, and what `nodes` says of the node.
    """
    meta, target = binding.metadata, binding.target
    may(meta.namespace, meta.name)
    node, annotations, own = target.name, meta.annotations, meta.labels
    _check(binding)

    version = parse_object_version(POD, meta)
    labels = nodes[node]
    if isinstance(labels, ApiError):
        raise labels

    def build(pod: pod_pb2.Pod) -> pod_pb2.Pod:
        _assign(pod, node, scheduled)
        if annotations:
            # Asked first: to begin going through a map costs 2 µs, and schedulers send none.
            for key, value in annotations.items():
                pod.metadata.annotations[key] = value
        if own:
            pod.metadata.labels.update(own)
        if labels:
            pod.metadata.labels.update(labels)
        return pod

    return Edit(ctx, meta.namespace or DEFAULT_NAMESPACE, meta.name, build, meta.uid, version)


def _check(binding: pod_pb2.Binding) -> None:
    """Raise Invalid: it names no node, or its labels are none."""
    errors = []
    if binding.target.kind not in _NODE_KINDS:
        errors.append(field_path.not_supported("target.kind", binding.target.kind, ("Node", "<empty>")))
    if not binding.target.name:
        errors.append(field_path.required("target.name"))
    if binding.metadata.labels:
        # Upstream takes any, and every later update of the Pod is refused.
        at = Place("metadata.labels")
        check_labels(at, binding.metadata.labels)
        errors += at.errors
    if errors:
        raise Invalid.of("Binding", binding.metadata.name, errors)


def _assign(pod: pod_pb2.Pod, node: str, scheduled: pod_pb2.PodCondition) -> None:
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
