"""The scale sub-resource as a kind of its own: what is read and changed of anything that has replicas. PURE.

Follows scaleFromDeployment of upstream's `pkg/registry/apps/deployment/storage/storage.go` and its likes of
the other kinds, and ValidateScale of `pkg/apis/autoscaling/validation`: of the metadata a Scale is only asked
for its uid and its resourceVersion.
"""

from typing import Any, Final

from vaina.api.autoscaling.v1 import scale_pb2
from vaina.errors import Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.selectors import from_labels, from_message

#: nothing is stored under this kind, and it has no service: the kinds that have replicas have methods for it
SCALE: Final = Kind(
    "Scale", "scales", scale_pb2.Scale, service="", etcd_prefix="", group="autoscaling", singular="scale"
)


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


def check_scale(scale: scale_pb2.Scale, name: str) -> None:
    """Refuse a Scale that cannot be wished for, of the object with that name. Raises Invalid."""
    if scale.spec.replicas < 0:
        error = field_path.invalid("spec.replicas", scale.spec.replicas, "must be greater than or equal to 0")
        raise Invalid.of(SCALE.kind, name, [error], group=SCALE.group)


def _selector(spec: Any) -> Any:
    """ReplicationController has labels, ReplicaSet a LabelSelector."""
    is_message = spec.DESCRIPTOR.fields_by_name["selector"].message_type.full_name.endswith("LabelSelector")
    return from_message(spec.selector) if is_message else from_labels(spec.selector)
