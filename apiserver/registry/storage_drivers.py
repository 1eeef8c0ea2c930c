"""What is special about CSIDrivers, VolumeAttachments and CSIStorageCapacities: an update says which version it changes.

Follows `pkg/registry/storage/{csidriver,volumeattachment,csistoragecapacity}`.
"""

from google.protobuf.message import Message

from apiserver.registry.strategy import Strategy


class StorageDriverStrategy(Strategy[Message]):
    """The hooks, of each of them."""

    allow_unconditional_update = False
