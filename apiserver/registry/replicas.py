"""The scale sub-resource of kinds that have replicas.

Follows `pkg/registry/apps/replicaset` and `pkg/registry/core/replicationcontroller`.
"""

from collections.abc import Callable
from typing import Any, Final

from apiserver import refusals
from apiserver.context import Context
from apiserver.registry.changing import Edit, patcher
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import parse_object_version
from apiserver.registry.store import Store
from apiserver.storage.interface import Stored
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.errors import BadRequest
from vaina.objects.scale import SCALE, check_scale, scale_of

_SCALE: Final = "scale"


async def get_scale(
    store: Store[Any], namespace: str, name: str, resource_version: str = ""
) -> scale_pb2.Scale:
    """Return the Scale of an object. Raises NotFound."""
    return scale_of(store.decode(await store.get(namespace, name, resource_version)))


async def update_scale(ctx: Context, store: Store[Any], scale: scale_pb2.Scale) -> Stored:
    """Set how many replicas are wished for. Raises BadRequest (no name), Invalid, NotFound, Conflict."""
    meta = scale.metadata
    if not meta.name:
        raise BadRequest("the name of the object is required")
    return await _change(ctx, store, meta.namespace, meta.name, lambda _: scale)


async def patch_scale(ctx: Context, store: Store[Any], request: request_pb2.PatchRequest) -> Stored:
    """Set how many replicas are wished for by a patch of the Scale. Raises as `update_scale` and patches do."""
    patch = patcher(ctx, SCALE, request.patch_type, request.patch)
    return await _change(ctx, store, request.namespace, request.name, lambda obj: patch(scale_of(obj)))


async def _change(
    ctx: Context, store: Store[Any], namespace: str, name: str, make: Callable[[Any], scale_pb2.Scale]
) -> Stored:
    """Give an object the replicas of a Scale, which may name uid and version (scaleUpdatedObjectInfo)."""

    def build(obj: Any) -> Any:
        scale = make(obj)
        check_scale(scale, name)
        if scale.metadata.uid not in ("", obj.metadata.uid):
            raise refusals.wrong_uid(
                store.kind, name, scale.metadata.uid, obj.metadata.uid, subresource="scale"
            )
        version = parse_object_version(store.kind, scale.metadata)
        if version and str(version) != obj.metadata.resource_version:
            raise refusals.conflict(store.kind, name)
        if obj.spec.replicas != scale.spec.replicas:
            obj.spec.replicas = scale.spec.replicas
            obj.metadata.generation += 1
        return obj

    return await store.change(Edit(ctx, namespace or DEFAULT_NAMESPACE, name, build, through=_SCALE))
