"""The rows of volumes, claims, classes and drivers in `vaina get`: kubectl's columns.

Follows `pkg/printers/internalversion`.
"""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import NONE, show_amount
from cli.printers.duration import age
from vaina.objects.quota_claims import class_of

_ACCESS: Final = (
    ("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP"),
)  # fmt: skip


def _access(modes: Sequence[str]) -> str:
    return ",".join(short for mode, short in _ACCESS if mode in modes)


def _phase(obj: Any) -> str:
    return "Terminating" if obj.metadata.HasField("deletion_timestamp") else str(obj.status.phase)


def _attributes_class(spec: Any) -> str:
    return spec.volume_attributes_class_name or "<unset>"


def _mode(spec: Any) -> str:
    return spec.volume_mode if spec.HasField("volume_mode") else "<unset>"


def persistent_volume_row(volume: Any, now: float) -> Sequence[str]:
    """Return the cells of a PersistentVolume."""
    spec, claim = volume.spec, volume.spec.claim_ref
    return (
        volume.metadata.name, show_amount(spec.capacity, "storage"), _access(spec.access_modes),
        spec.persistent_volume_reclaim_policy, _phase(volume),
        f"{claim.namespace}/{claim.name}" if spec.HasField("claim_ref") else "", class_of(volume),
        _attributes_class(spec), volume.status.reason, age(volume.metadata.creation_timestamp, now), _mode(spec),
    )  # fmt: skip


def persistent_volume_claim_row(claim: Any, now: float) -> Sequence[str]:
    """Return the cells of a PersistentVolumeClaim."""
    spec, bound = claim.spec, bool(claim.spec.volume_name)
    return (
        claim.metadata.name, _phase(claim), spec.volume_name,
        show_amount(claim.status.capacity, "storage") if bound else "",
        _access(claim.status.access_modes) if bound else "", class_of(claim), _attributes_class(spec),
        age(claim.metadata.creation_timestamp, now), _mode(spec),
    )  # fmt: skip


_DEFAULT_CLASS: Final = (
    "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class",
)  # fmt: skip


def storage_class_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a StorageClass."""
    default = any(found.metadata.annotations.get(key) == "true" for key in _DEFAULT_CLASS)
    return (
        f"{found.metadata.name} (default)" if default else found.metadata.name, found.provisioner, found.reclaim_policy,
        found.volume_binding_mode, str(found.allow_volume_expansion).lower(),
        age(found.metadata.creation_timestamp, now),
    )  # fmt: skip


def csi_node_row(node: Any, now: float) -> Sequence[str]:
    """Return the cells of a CSINode."""
    return node.metadata.name, str(len(node.spec.drivers)), age(node.metadata.creation_timestamp, now)


def csi_driver_row(driver: Any, now: float) -> Sequence[str]:
    """Return the cells of a CSIDriver."""
    spec = driver.spec
    audiences = ",".join(request.audience for request in spec.token_requests)
    return (
        driver.metadata.name, _bool(spec.attach_required or not spec.HasField("attach_required")), _bool(spec.pod_info_on_mount),
        _bool(spec.storage_capacity), audiences if spec.token_requests else "<unset>", _bool(spec.requires_republish),
        ",".join(spec.volume_lifecycle_modes) or NONE, age(driver.metadata.creation_timestamp, now),
    )  # fmt: skip


def csi_storage_capacity_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a CSIStorageCapacity."""
    amount = found.capacity.string if found.HasField("capacity") else "<unset>"
    return found.metadata.name, found.storage_class_name, amount


def volume_attachment_row(found: Any, now: float) -> Sequence[str]:
    """Return the cells of a VolumeAttachment."""
    spec = found.spec
    return (
        found.metadata.name, spec.attacher, spec.source.persistent_volume_name, spec.node_name, _bool(found.status.attached),
        age(found.metadata.creation_timestamp, now),
    )  # fmt: skip


def _bool(value: bool) -> str:
    return str(value).lower()
