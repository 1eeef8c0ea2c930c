"""The verbs of scales, of each kind that has them."""

from typing import Any

from apiserver.authorization.checks import Checks
from apiserver.registry.replicas import get_scale, patch_scale, update_scale
from apiserver.registry.store import Store
from apiserver.services.requests import check_patch_options, context_of
from vaina.api.autoscaling.v1 import scale_pb2, scale_request_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.objects.scale import scale_of
from vaina.serving.handlers import Method, RequestContext, typed


def scale_handlers(store: Store[Any], checks: Checks) -> dict[str, Method]:
    """Return the methods by full path."""
    paths = [store.kind.method(name) for name in ("GetScale", "UpdateScale", "PatchScale")]
    may_get, may_update, may_patch = (checks.of(path) for path in paths)

    async def get(request: request_pb2.GetRequest, rpc: RequestContext) -> scale_pb2.Scale:
        may_get(rpc, request.namespace, request.name)
        return await get_scale(store, request.namespace, request.name, request.resource_version)

    async def update(request: scale_request_pb2.UpdateScaleRequest, rpc: RequestContext) -> scale_pb2.Scale:
        ctx = context_of(rpc, "update", request.options)
        may_update(rpc, request.object.metadata.namespace, request.object.metadata.name)
        return scale_of(store.decode(await update_scale(ctx, store, request.object)))

    async def patch(request: request_pb2.PatchRequest, rpc: RequestContext) -> scale_pb2.Scale:
        ctx = context_of(rpc, "patch", request.options)
        check_patch_options(request)
        may_patch(rpc, request.namespace, request.name)
        return scale_of(store.decode(await patch_scale(ctx, store, request)))

    methods = (
        typed(get, request_pb2.GetRequest),
        typed(update, scale_request_pb2.UpdateScaleRequest),
        typed(patch, request_pb2.PatchRequest),
    )
    return dict(zip(paths, methods, strict=True))
