"""PURE: whether a claim or volume keeps its finalizer (`pvcprotection`, `pvprotection` of upstream)."""

from typing import Final

from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.meta.v1 import meta_pb2

CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"


def is_protected(meta: meta_pb2.ObjectMeta, finalizer: str, *, used: bool) -> bool:
    """Say whether an object should have a finalizer; `used` matters only of one that ends and has it."""
    return not meta.HasField("deletion_timestamp") or (finalizer in meta.finalizers and used)


def is_volume_used(volume: persistent_volume_pb2.PersistentVolume) -> bool:
    """Say whether a claim has a volume."""
    return volume.status.phase == "Bound"
