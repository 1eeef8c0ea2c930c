"""PURE: whether a claim or volume keeps its finalizer (`pvcprotection`, `pvprotection` of upstream)."""

from enum import Enum, auto
from typing import Final

from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.meta.v1 import meta_pb2

CLAIM_FINALIZER: Final = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER: Final = "kubernetes.io/pv-protection"


class Verdict(Enum):
    """What to do about an object's finalizer."""

    NOTHING = auto()
    ADD = auto()
    REMOVE = auto()


def verdict(meta: meta_pb2.ObjectMeta, finalizer: str, *, used: bool) -> Verdict:
    """Decide about a finalizer; `used` matters only of an object that ends and is protected."""
    if not meta.HasField("deletion_timestamp"):
        return Verdict.NOTHING if finalizer in meta.finalizers else Verdict.ADD
    return Verdict.REMOVE if finalizer in meta.finalizers and not used else Verdict.NOTHING


def is_volume_used(volume: persistent_volume_pb2.PersistentVolume) -> bool:
    """Say whether a claim has a volume."""
    return volume.status.phase == "Bound"
