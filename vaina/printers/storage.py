"""Columns of volumes, claims, storage classes and CSI drivers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vaina.objects.quota import class_of
from vaina.printers.cells import NONE, UNSET, at, count, set_at, show_amount
from vaina.printers.columns import AGE, NAME, Column, Columns, boolean, integer, named, wide

_ACCESS: Final = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP",
}  # fmt: skip


def _access(modes: Sequence[str]) -> str:
    return ",".join(short for mode, short in _ACCESS.items() if mode in modes)


def _phase(obj: Any, _: float) -> str:
    return "Terminating" if obj.metadata.HasField("deletion_timestamp") else str(obj.status.phase)


def _claim(volume: Any, _: float) -> str:
    claim = volume.spec.claim_ref
    return f"{claim.namespace}/{claim.name}" if volume.spec.HasField("claim_ref") else ""


def _capacity(claim: Any, _: float) -> str:
    return show_amount(claim.status.capacity, "storage") if claim.spec.volume_name else ""


def _attach_required(driver: Any, _: float) -> bool:
    spec = driver.spec
    return bool(spec.attach_required or not spec.HasField("attach_required"))


def _audiences(driver: Any, _: float) -> str:
    requests = driver.spec.token_requests
    return ",".join(request.audience for request in requests) if requests else UNSET


_CLASS: Final = Column("StorageClass", "The class that it is of.", lambda obj, _: class_of(obj))
_ATTRIBUTES: Final = Column(
    "VolumeAttributesClass", "The class of its attributes.", at("spec.volume_attributes_class_name", UNSET)
)
_MODE: Final = (
    wide("VolumeMode", "Whether it is a file system or a block device.", set_at("spec.volume_mode")),
)

COLUMNS: Final[Mapping[str, Columns]] = {
    "PersistentVolume": named(
        Column("Capacity", "How much it holds.", lambda volume, _: show_amount(volume.spec.capacity, "storage")),
        Column(
            "Access Modes", "How it can be mounted, and by how many.",
            lambda volume, _: _access(volume.spec.access_modes),
        ),
        Column(
            "Reclaim Policy", "What becomes of it when its claim is gone.",
            at("spec.persistent_volume_reclaim_policy"),
        ),
        Column("Status", "Whether it is free, bound or released.", _phase),
        Column("Claim", "The claim that it belongs to.", _claim),
        _CLASS,
        _ATTRIBUTES,
        Column("Reason", "Why it is in its state, in one word.", at("status.reason")),
        wide=_MODE,
    ),
    "PersistentVolumeClaim": named(
        Column("Status", "Whether it has a volume.", _phase),
        Column("Volume", "The volume that it has.", at("spec.volume_name")),
        Column("Capacity", "How much its volume holds.", _capacity),
        Column(
            "Access Modes", "How its volume can be mounted, and by how many.",
            lambda it, _: _access(it.status.access_modes) if it.spec.volume_name else "",
        ),
        _CLASS,
        _ATTRIBUTES,
        wide=_MODE,
    ),
    "StorageClass": (
        NAME,
        Column("Provisioner", "Who makes volumes of the class.", at("provisioner")),
        Column(
            "ReclaimPolicy", "What becomes of its volumes when their claims are gone.", at("reclaim_policy", "Delete")
        ),
        Column(
            "VolumeBindingMode", "Whether claims get a volume at once, or with their first Pod.",
            at("volume_binding_mode", "Immediate"),
        ),
        Column("AllowVolumeExpansion", "Whether its claims can grow.", at("allow_volume_expansion")),
        AGE,
    ),
    "CSINode": named(integer("Drivers", "How many CSI drivers the node has.", count("spec.drivers"))),
    "CSIDriver": named(
        boolean("AttachRequired", "Whether its volumes have to be attached to nodes.", _attach_required),
        boolean("PodInfoOnMount", "Whether it is told for which Pod it mounts.", at("spec.pod_info_on_mount")),
        boolean("StorageCapacity", "Whether it says how much room it has.", at("spec.storage_capacity")),
        Column("TokenRequests", "For whom the tokens are that it gets.", _audiences),
        boolean("RequiresRepublish", "Whether it is called again and again.", at("spec.requires_republish")),
        Column(
            "Modes", "What volumes it has: of claims, of Pods.",
            lambda driver, _: ",".join(driver.spec.volume_lifecycle_modes) or NONE,
        ),
    ),
    "VolumeAttachment": named(
        Column("Attacher", "The driver that attaches.", at("spec.attacher"), format="name"),
        Column("PV", "The volume.", at("spec.source.persistent_volume_name")),
        Column("Node", "The node that the volume is attached to.", at("spec.node_name")),
        boolean("Attached", "Whether it is attached.", at("status.attached")),
    ),
}  # fmt: skip
