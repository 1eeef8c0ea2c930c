"""Rules for what drivers and their attachers say: CSIDrivers, VolumeAttachments, CSIStorageCapacities.

Follows `pkg/apis/storage/validation`.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.persistent_volumes import check_inline_spec
from apiserver.validation.place import NEGATIVE, Place
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.storage.v1 import csi_driver_pb2, csi_storage_capacity_pb2, volume_attachment_pb2
from vaina.objects import names

CSIDriver = csi_driver_pb2.CSIDriver
CSIStorageCapacity = csi_storage_capacity_pb2.CSIStorageCapacity
VolumeAttachment = volume_attachment_pb2.VolumeAttachment

_GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLE_MODES: Final = ("Persistent", "Ephemeral")
#: seconds
MIN_TOKEN_SECONDS: Final = 600
MAX_TOKEN_SECONDS: Final = 1 << 32
MIN_PERIOD_SECONDS: Final = 10
#: bytes
MAX_ATTACHMENT_METADATA: Final = 256 * 1024
MAX_ERROR_MESSAGE: Final = 1024
_ONE_OF: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def check_attachment(root: Place, made: VolumeAttachment) -> None:
    """Check a new VolumeAttachment."""
    _check_attachment(root, made)
    if made.spec.attacher:
        check_csi_driver(root.child("spec", "attacher"), made.spec.attacher)
    name = made.spec.source.persistent_volume_name
    if name:
        root.child("spec", "source", "persistentVolumeName").check_value(name, names.dns_1123_subdomain)


def _check_attachment(root: Place, made: VolumeAttachment) -> None:
    metadata.check_create(root, made.metadata, names.dns_1123_subdomain, namespaced=False)
    spec, at = made.spec, root.child("spec")
    if not spec.attacher:
        at.child("attacher").required()
    _check_source(at.child("source"), spec.source)
    at.child("nodeName").check_value(spec.node_name, names.dns_1123_subdomain)
    _check_status(root.child("status"), made.status)


def _check_source(path: Place, source: volume_attachment_pb2.VolumeAttachmentSource) -> None:
    named, inline = source.HasField("persistent_volume_name"), source.HasField("inline_volume_spec")
    if named and inline:
        path.forbidden(_ONE_OF)
    elif inline:
        check_inline_spec(path.child("inlineVolumeSpec"), source.inline_volume_spec)
    elif not named:
        path.required(_ONE_OF)
    elif not source.persistent_volume_name:
        path.child("persistentVolumeName").required("must specify non empty persistentVolumeName")


def _check_status(path: Place, status: volume_attachment_pb2.VolumeAttachmentStatus) -> None:
    told = status.attachment_metadata
    if sum(names.size(key) + names.size(value) for key, value in told.items()) > MAX_ATTACHMENT_METADATA:
        path.child("attachmentMetadata").too_long(MAX_ATTACHMENT_METADATA)
    for field, name in (("attach_error", "attachError"), ("detach_error", "detachError")):
        if names.size(getattr(status, field).message) > MAX_ERROR_MESSAGE:
            # The bound that is told is that of the metadata: upstream's own slip.
            path.child(name, "message").too_long(MAX_ATTACHMENT_METADATA)


def check_attachment_update(root: Place, new: VolumeAttachment, old: VolumeAttachment) -> None:
    """Check a changed VolumeAttachment, or its status: it stays what it was, whatever became of it."""
    _check_attachment(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec").check_immutable(new.spec, old.spec)


def check_driver(root: Place, driver: CSIDriver) -> None:
    """Check a new CSIDriver."""
    metadata.check_create(root, driver.metadata, names.dns_1123_subdomain, namespaced=False)
    _check_driver_spec(root.child("spec"), driver.spec)


def _check_driver_spec(path: Place, spec: csi_driver_pb2.CSIDriverSpec) -> None:
    for field, name in (
        ("attach_required", "attachedRequired"), ("pod_info_on_mount", "podInfoOnMount"),
        ("storage_capacity", "storageCapacity"),
    ):  # fmt: skip
        if not spec.HasField(field):
            path.child(name).required()
    path.check_given(spec, "fs_group_policy", _GROUP_POLICIES)
    _check_token_requests(path.child("tokenRequests"), list(spec.token_requests))
    for mode in spec.volume_lifecycle_modes:
        path.child("volumeLifecycleModes").check_supported(mode, _LIFECYCLE_MODES)
    if not spec.HasField("se_linux_mount"):
        path.child("seLinuxMount").required()
    period = spec.node_allocatable_update_period_seconds
    if spec.HasField("node_allocatable_update_period_seconds") and period < MIN_PERIOD_SECONDS:
        words = f"must be greater than or equal to {MIN_PERIOD_SECONDS} seconds"
        path.child("nodeAllocatableUpdatePeriodSeconds").invalid(period, words)


def _check_token_requests(path: Place, requests: list[csi_driver_pb2.TokenRequest]) -> None:
    seen: set[str] = set()
    for index, request in enumerate(requests):
        at = path.index(index)
        if request.audience in seen:
            at.child("audience").duplicate(request.audience)
            continue
        seen.add(request.audience)
        if not request.HasField("expiration_seconds"):
            continue
        seconds = request.expiration_seconds
        if seconds < MIN_TOKEN_SECONDS:
            at.child("expirationSeconds").invalid(seconds, "may not specify a duration less than 10 minutes")
        if seconds > MAX_TOKEN_SECONDS:
            words = "may not specify a duration larger than 2^32 seconds"
            at.child("expirationSeconds").invalid(seconds, words)


def check_driver_update(root: Place, new: CSIDriver, old: CSIDriver) -> None:
    """Check a changed CSIDriver: volumes were attached and mounted as it said."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_driver_spec(root.child("spec"), new.spec)
    # Both as upstream calls them: the first is no field's name.
    at = root.child("spec", "attachedRequired")
    at.check_immutable(new.spec.attach_required, old.spec.attach_required)
    modes = [list(driver.spec.volume_lifecycle_modes) for driver in (new, old)]
    root.child("spec", "volumeLifecycleModes").check_immutable(*modes)


def check_capacity(root: Place, made: CSIStorageCapacity) -> None:
    """Check a new CSIStorageCapacity."""
    metadata.check_create(root, made.metadata, names.dns_1123_subdomain, namespaced=True)
    if made.HasField("node_topology"):
        check_label_selector(root.child("nodeTopology"), made.node_topology)
    root.child("storageClassName").check_value(made.storage_class_name, names.dns_1123_subdomain)
    if made.HasField("capacity"):
        at, text = root.child("capacity"), made.capacity.string
        if text and (amount := at.check_quantity(text)) and amount.nanos < 0:
            at.invalid(text, NEGATIVE)


def check_capacity_update(root: Place, new: CSIStorageCapacity, old: CSIStorageCapacity) -> None:
    """Check a changed CSIStorageCapacity: what was asked for stays, the answer may change."""
    metadata.check_update(root, new.metadata, old.metadata)
    topologies = [made.node_topology if made.HasField("node_topology") else None for made in (new, old)]
    root.child("nodeTopology").check_immutable(*topologies)
    root.child("storageClassName").check_immutable(new.storage_class_name, old.storage_class_name)
