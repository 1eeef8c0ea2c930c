"""The rows of volumes, claims and classes in `vaina get`: kubectl's columns (`pkg/printers/internalversion`)."""

from collections.abc import Sequence
from typing import Any, Final

from cli.printers.cells import show_amount
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
