"""What is special about ReplicaSets and ReplicationControllers: generation, and the scale sub-resource.

Follows `pkg/registry/apps/replicaset` and `pkg/registry/core/replicationcontroller`.
"""

from typing import Any, TypeVar

from google.protobuf.message import Message

from apiserver.registry.context import Context
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import parse_object_version
from apiserver.registry.store import Edit, Store
from apiserver.registry.strategy import Strategy
from apiserver.storage.interface import Stored
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.core.v1 import replication_controller_pb2
from vaina.errors import BadRequest, Invalid
from vaina.objects import field_path
from vaina.objects.selectors import from_labels, from_message

R = TypeVar("R", bound=Message)


class ReplicasStrategy(Strategy[R]):
    """The hooks, of either kind."""

    has_generation = True


class ReplicationControllerStrategy(ReplicasStrategy[replication_controller_pb2.ReplicationController]):
    """A ReplicationController leaves its Pods behind unless told otherwise: the default of v1, kept for old clients."""

    propagation_policy = "Orphan"


def scale_of(obj: Any) -> scale_pb2.Scale:
    """Return an object that has replicas as its Scale."""
    meta = obj.metadata
    scale = scale_pb2.Scale()
    for field in ("name", "namespace", "uid", "resource_version"):
        setattr(scale.metadata, field, getattr(meta, field))
    if meta.HasField("creation_timestamp"):
        scale.metadata.creation_timestamp.CopyFrom(meta.creation_timestamp)
    scale.spec.replicas = obj.spec.replicas
    scale.status.replicas = obj.status.replicas
    scale.status.selector = str(_selector(obj.spec))
    return scale


def _selector(spec: Any) -> Any:
    """ReplicationController has labels, ReplicaSet a LabelSelector."""
    is_message = spec.DESCRIPTOR.fields_by_name["selector"].message_type.full_name.endswith("LabelSelector")
    return from_message(spec.selector) if is_message else from_labels(spec.selector)


async def update_scale(ctx: Context, store: Store[Any], scale: scale_pb2.Scale) -> Stored:
    """Set how many replicas are wished for.

    Raises:
        BadRequest: the scale names no object.
        Invalid: a negative number.
        NotFound, Conflict.
    """
    meta, wished = scale.metadata, scale.spec.replicas
    if not meta.name:
        raise BadRequest("the name of the object is required")
    if wished < 0:
        error = field_path.invalid("spec.replicas", wished, "must be greater than or equal to 0")
        raise Invalid.of("Scale", meta.name, [error], group="autoscaling")

    def build(obj: Any) -> Any:
        if obj.spec.replicas != wished:
            obj.spec.replicas = wished
            obj.metadata.generation += 1
        return obj

    version = parse_object_version(store.kind, meta)
    return await store.change(
        Edit(ctx, meta.namespace or DEFAULT_NAMESPACE, meta.name, build, meta.uid, version)
    )


async def get_scale(store: Store[Any], namespace: str, name: str) -> scale_pb2.Scale:
    """Return the Scale of an object. Raises NotFound."""
    return scale_of(store.decode(await store.get(namespace, name)))
