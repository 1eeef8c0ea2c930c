"""Defaults of PersistentVolumes, PersistentVolumeClaims, StorageClasses and CSIDrivers.

Follows `pkg/apis/core/v1/defaults.go`, `pkg/apis/storage/v1/defaults.go`.
"""

from vaina.api.core.v1 import persistent_volume_pb2, reference_pb2
from vaina.api.storage.v1 import csi_driver_pb2, storage_class_pb2
from vaina.objects.defaults import default_persistent_source, set_defaults

_Reference = reference_pb2.TypedLocalObjectReference | reference_pb2.TypedObjectReference


def default_volume(volume: persistent_volume_pb2.PersistentVolume) -> None:
    """A volume that was made by hand is kept when its claim goes."""
    set_defaults(volume.status, phase="Pending")
    set_defaults(volume.spec, persistent_volume_reclaim_policy="Retain", volume_mode="Filesystem")
    default_persistent_source(volume.spec.persistent_volume_source)


def default_claim(claim: persistent_volume_pb2.PersistentVolumeClaim) -> None:
    """A claim is for a filesystem."""
    set_defaults(claim.status, phase="Pending")
    set_defaults(claim.spec, volume_mode="Filesystem")


def default_claim_object(claim: persistent_volume_pb2.PersistentVolumeClaim) -> None:
    """Complete a claim that is an object of its own, not a template: what fills it stands in both places.

    Follows KEP-1495.

    Source: `NormalizeDataSources` and `EnforceDataSourceBackwardsCompatibility` of
    `pkg/api/persistentvolumeclaim/util.go`, which its strategy calls: the
    older field loses what is neither a claim nor a snapshot, then what only one of the fields has goes into
    the other.
    """
    default_claim(claim)
    spec = claim.spec
    if spec.HasField("data_source") and not _is_claim_or_snapshot(spec.data_source):
        spec.ClearField("data_source")
    if spec.HasField("data_source") and not spec.HasField("data_source_ref"):
        _copy_reference(spec.data_source, spec.data_source_ref)
    elif (
        spec.HasField("data_source_ref")
        and not spec.HasField("data_source")
        and not spec.data_source_ref.namespace
    ):
        _copy_reference(spec.data_source_ref, spec.data_source)


def _is_claim_or_snapshot(source: reference_pb2.TypedLocalObjectReference) -> bool:
    of = (source.api_group, source.kind)
    return of in {("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")}


def _copy_reference(source: _Reference, target: _Reference) -> None:
    target.kind, target.name = source.kind, source.name
    if source.HasField("api_group"):
        target.api_group = source.api_group


def default_class(found: storage_class_pb2.StorageClass) -> None:
    """Storage goes with its claim, and is made at once."""
    set_defaults(found, reclaim_policy="Delete", volume_binding_mode="Immediate")


def default_driver(driver: csi_driver_pb2.CSIDriver) -> None:
    """A driver attaches volumes that outlive Pods, and wants to be told nothing."""
    spec = driver.spec
    set_defaults(
        spec,
        attach_required=True,
        pod_info_on_mount=False,
        storage_capacity=False,
        fs_group_policy="ReadWriteOnceWithFSType",
        requires_republish=False,
        se_linux_mount=False,
    )
    if not spec.volume_lifecycle_modes:
        spec.volume_lifecycle_modes.append("Persistent")
