"""What is special about PersistentVolumes and PersistentVolumeClaims: they begin as Pending.

Follows `pkg/registry/core/persistentvolume` and `persistentvolumeclaim`. The finalizers of upstream's admission plugin
StorageObjectInUseProtection come with the controllers that take them away again.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.clock import timestamp

PENDING = "Pending"


class PersistentVolumeStrategy(Strategy[persistent_volume_pb2.PersistentVolume]):
    """The hooks."""

    def prepare_for_create(self, obj: persistent_volume_pb2.PersistentVolume, now: float) -> None:
        """Nobody has claimed it yet."""
        obj.ClearField("status")
        obj.status.phase = PENDING
        obj.status.last_phase_transition_time.CopyFrom(timestamp(int(now)))


class PersistentVolumeClaimStrategy(Strategy[persistent_volume_pb2.PersistentVolumeClaim]):
    """The hooks."""

    def prepare_for_create(self, obj: persistent_volume_pb2.PersistentVolumeClaim, now: float) -> None:
        """It has no volume yet."""
        obj.ClearField("status")
        obj.status.phase = PENDING
