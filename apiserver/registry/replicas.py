"""The scale sub-resource of kinds that have replicas.

Follows `pkg/registry/apps/replicaset` and `pkg/registry/core/replicationcontroller`; what is applied to a Scale
(server-side apply) follows apimachinery `pkg/util/managedfields/scalehandler.go`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from apiserver import refusals
from apiserver.context import Context
from apiserver.registry.changing import Edit, patcher
from apiserver.registry.managing import read_apply, read_stored, settle
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import parse_object_version
from apiserver.registry.store import Store
from apiserver.storage.interface import Stored
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.errors import BadRequest
from vaina.objects.managed_fields.entries import Managed, write_entries
from vaina.objects.managed_fields.field_set import FieldSet, field
from vaina.objects.managed_fields.manager import FieldManager
from vaina.objects.managed_fields.updater import UPDATE, Owned
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.patching import APPLY_PATCH
from vaina.objects.scale import SCALE, check_scale, scale_of

_SCALE: Final = "scale"
_REPLICAS_PATH: Final = (field("spec"), field("replicas"))
_REPLICAS: Final = FieldSet.of(_REPLICAS_PATH)
_MANAGER: Final = FieldManager(SCALE, _SCALE, lambda fields: fields)


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
    if request.patch_type == APPLY_PATCH:
        return await _apply(ctx, store, request)
    patch = patcher(ctx, SCALE, request.patch_type, request.patch)
    return await _change(ctx, store, request.namespace, request.name, lambda obj: patch(scale_of(obj)))


async def _change(
    ctx: Context, store: Store[Any], namespace: str, name: str, make: Callable[[Any], scale_pb2.Scale]
) -> Stored:
    """Give an object the replicas of a Scale."""

    def build(obj: Any) -> Any:
        _set_replicas(store, name, obj, make(obj))
        return obj

    return await store.change(Edit(ctx, namespace or DEFAULT_NAMESPACE, name, build, through=_SCALE))


def _set_replicas(store: Store[Any], name: str, obj: Any, scale: scale_pb2.Scale) -> None:
    """Give an object the replicas of a Scale, which may name uid and version (scaleUpdatedObjectInfo)."""
    check_scale(scale, name)
    if scale.metadata.uid not in ("", obj.metadata.uid):
        raise refusals.wrong_uid(store.kind, name, scale.metadata.uid, obj.metadata.uid, subresource="scale")
    version = parse_object_version(store.kind, scale.metadata)
    if version and str(version) != obj.metadata.resource_version:
        raise refusals.conflict(store.kind, name)
    if obj.spec.replicas != scale.spec.replicas:
        obj.spec.replicas = scale.spec.replicas
        obj.metadata.generation += 1


async def _apply(ctx: Context, store: Store[Any], request: request_pb2.PatchRequest) -> Stored:
    """Apply a Scale: its manager owns the replicas of the object. Raises NotFound, BadRequest, Conflict."""
    applying = read_apply(ctx, request.patch, force=request.options.force)

    def build(obj: Any) -> Any:
        old = type(obj)()
        old.CopyFrom(obj)
        parent = read_stored(obj)
        owners = {
            manager: Owned(_REPLICAS, SCALE.api_version)
            for manager, owned in parent.owners.items()
            if owned.fields.has(_REPLICAS_PATH)
        }
        tree, after = _MANAGER.apply(
            to_dict(SCALE, scale_of(obj)), applying.applied, Managed(owners, parent.times), ctx.field_manager,
            force=applying.force, now=int(store.now()),
        )  # fmt: skip
        _set_replicas(store, request.name, obj, decode_dict(tree, kind=SCALE, strict=False).message)  # type: ignore[arg-type]  # its kind is SCALE
        settle(obj, old, write_entries(_to_parent(parent, after, store.kind.api_version)))
        return obj

    return await store.change(Edit(ctx, request.namespace or DEFAULT_NAMESPACE, request.name, build))


def _to_parent(parent: Managed, scale: Managed, api_version: str) -> Managed:
    """Return who owns what of an object after a write of its Scale (ScaleHandler.ToParent)."""
    owners = {
        manager: owned if manager in scale.owners else owned.less(_REPLICAS)
        for manager, owned in parent.owners.items()
    }
    for manager, owned in scale.owners.items():
        if owned.fields.has(_REPLICAS_PATH) and manager not in parent.owners:
            version = api_version if manager.operation == UPDATE else ""
            owners[replace(manager, api_version=version)] = Owned(_REPLICAS, api_version)
    return Managed({m: owned for m, owned in owners.items() if owned.fields}, scale.times)
