"""The scale sub-resource of every kind that has replicas."""

from typing import Any

from apiserver.registry.replicas import get_scale, patch_scale, update_scale
from apiserver.registry.store import Store
from apiserver.services.requests import context_of
from vaina.api.autoscaling.v1 import scale_pb2, scale_request_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.objects.scale import scale_of
from vaina.serving.handlers import Method, RequestContext, typed


def scale_handlers(store: Store[Any]) -> dict[str, Method]:
    """Return the methods by full path."""

    async def get(request: request_pb2.GetRequest, rpc: RequestContext) -> scale_pb2.Scale:
        return await get_scale(store, request.namespace, request.name, request.resource_version)

    async def update(request: scale_request_pb2.UpdateScaleRequest, rpc: RequestContext) -> scale_pb2.Scale:
        ctx = context_of(rpc, "update", request.options)
        return scale_of(store.decode(await update_scale(ctx, store, request.object)))

    async def patch(request: request_pb2.PatchRequest, rpc: RequestContext) -> scale_pb2.Scale:
        ctx = context_of(rpc, "patch", request.options)
        return scale_of(store.decode(await patch_scale(ctx, store, request)))

    return {
        store.kind.method("GetScale"): typed(get, request_pb2.GetRequest),
        store.kind.method("UpdateScale"): typed(update, scale_request_pb2.UpdateScaleRequest),
        store.kind.method("PatchScale"): typed(patch, request_pb2.PatchRequest),
    }
