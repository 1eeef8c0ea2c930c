"""What is special about CSI's kinds: an update says which version it changes.

Follows `pkg/registry/storage/{csidriver,csinode,csistoragecapacity,volumeattachment}/strategy.go`.
"""

from google.protobuf.message import Message

from apiserver.registry.strategy import Strategy
from vaina.api.storage.v1 import csi_driver_pb2, volume_attachment_pb2


class StorageDriverStrategy(Strategy[Message]):
    """The hooks of CSINodes and CSIStorageCapacities."""

    allow_unconditional_update = False


class CSIDriverStrategy(Strategy[csi_driver_pb2.CSIDriver]):
    """A CSIDriver has a generation from its first change on."""

    allow_unconditional_update = False
    has_generation = True
    first_generation = 0


class VolumeAttachmentStrategy(Strategy[volume_attachment_pb2.VolumeAttachment]):
    """A write of a VolumeAttachment's status changes nothing else (ResetObjectMetaForStatus of apimachinery)."""

    allow_unconditional_update = False
    kept_by_status: tuple[str, ...] = (
        "deletion_timestamp",
        "labels",
        "annotations",
        "finalizers",
        "owner_references",
    )
