"""Defaults of PersistentVolumes, PersistentVolumeClaims and StorageClasses (`pkg/apis/core/v1/defaults.go`, `pkg/apis/storage/v1/defaults.go`)."""

from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.objects.defaults.volumes import default_persistent_source, set_defaults


def default_volume(volume: persistent_volume_pb2.PersistentVolume) -> None:
    """A volume that was made by hand is kept when its claim goes."""
    set_defaults(volume.status, phase="Pending")
    set_defaults(volume.spec, persistent_volume_reclaim_policy="Retain", volume_mode="Filesystem")
    default_persistent_source(volume.spec.persistent_volume_source)


def default_claim(claim: persistent_volume_pb2.PersistentVolumeClaim) -> None:
    """A claim is for a filesystem."""
    set_defaults(claim.status, phase="Pending")
    set_defaults(claim.spec, volume_mode="Filesystem")


def default_class(found: storage_class_pb2.StorageClass) -> None:
    """Storage goes with its claim, and is made at once."""
    set_defaults(found, reclaim_policy="Delete", volume_binding_mode="Immediate")
