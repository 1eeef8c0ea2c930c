"""What is special about PersistentVolumes and PersistentVolumeClaims: they begin as Pending, and protected
from going while in use.

Follows `pkg/registry/core/persistentvolume` and `persistentvolumeclaim`, and
`plugin/pkg/admission/storage/storageobjectinuseprotection`. The controllers of `controller/volume_protection`
take the finalizers away again.
"""

from typing import Final

from apiserver.registry.strategy import Strategy, copy_field
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import timestamp

PENDING = "Pending"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"
_SINCE: Final = "last_phase_transition_time"
CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"


class PersistentVolumeStrategy(Strategy[persistent_volume_pb2.PersistentVolume]):
    """The hooks."""

    def prepare_for_create(self, obj: persistent_volume_pb2.PersistentVolume, now: float) -> None:
        """Nobody has claimed it yet."""
        obj.ClearField("status")
        obj.status.phase = PENDING
        obj.status.last_phase_transition_time.CopyFrom(timestamp(int(now)))
        _protect(obj.metadata, VOLUME_FINALIZER)

    def prepare_for_status_update(
        self,
        new: persistent_volume_pb2.PersistentVolume,
        old: persistent_volume_pb2.PersistentVolume,
        now: float,
    ) -> None:
        """A phase says since when it is: now, if it is another one and the client says nothing newer."""
        said = _transition(new)
        if new.status.phase == old.status.phase:
            if said is None:
                copy_field(new.status, old.status, _SINCE)
        elif said is None or said == _transition(old):
            new.status.last_phase_transition_time.CopyFrom(timestamp(int(now)))


class PersistentVolumeClaimStrategy(Strategy[persistent_volume_pb2.PersistentVolumeClaim]):
    """The hooks."""

    def prepare_for_create(self, obj: persistent_volume_pb2.PersistentVolumeClaim, now: float) -> None:
        """It has no volume yet."""
        obj.ClearField("status")
        obj.status.phase = PENDING
        _protect(obj.metadata, CLAIM_FINALIZER)


def _transition(obj: persistent_volume_pb2.PersistentVolume) -> int | None:
    """Return the second at which a volume came into its phase."""
    return obj.status.last_phase_transition_time.seconds if obj.status.HasField(_SINCE) else None


def _protect(meta: meta_pb2.ObjectMeta, finalizer: str) -> None:
    if finalizer not in meta.finalizers:
        meta.finalizers.append(finalizer)
