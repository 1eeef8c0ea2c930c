"""Rules for what drivers and their attachers say: CSIDrivers, VolumeAttachments, CSIStorageCapacities.

Follows `pkg/apis/storage/validation`.
"""

from typing import Final

from apiserver.validation import metadata
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import NEGATIVE, Errors, check_immutable, check_text
from apiserver.validation.persistent_volumes import check_inline_spec
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.meta.v1 import meta_pb2
from vaina.api.storage.v1 import csi_driver_pb2, csi_storage_capacity_pb2, volume_attachment_pb2
from vaina.objects import names, quantity
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required, too_long

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


def check_attachment(made: VolumeAttachment) -> Errors:
    """Check a new VolumeAttachment."""
    errors = _check_attachment(made)
    if made.spec.attacher:
        check_csi_driver(errors, Path("spec", "attacher"), made.spec.attacher)
    name = made.spec.source.persistent_volume_name
    if name:
        at = Path("spec", "source", "persistentVolumeName")
        check_text(errors, at, name, names.dns_1123_subdomain)
    return errors


def _check_attachment(made: VolumeAttachment) -> Errors:
    errors = metadata.check_create(made.metadata, names.dns_1123_subdomain, namespaced=False)
    spec, at = made.spec, Path("spec")
    if not spec.attacher:
        errors.append(required(at.child("attacher")))
    _check_source(errors, at.child("source"), spec.source)
    check_text(errors, at.child("nodeName"), spec.node_name, names.dns_1123_subdomain)
    _check_status(errors, Path("status"), made.status)
    return errors


def _check_source(errors: Errors, path: Path, source: volume_attachment_pb2.VolumeAttachmentSource) -> None:
    named, inline = source.HasField("persistent_volume_name"), source.HasField("inline_volume_spec")
    if named and inline:
        errors.append(forbidden(path, _ONE_OF))
    elif inline:
        check_inline_spec(errors, path.child("inlineVolumeSpec"), source.inline_volume_spec)
    elif not named:
        errors.append(required(path, _ONE_OF))
    elif not source.persistent_volume_name:
        errors.append(
            required(path.child("persistentVolumeName"), "must specify non empty persistentVolumeName")
        )


def _check_status(errors: Errors, path: Path, status: volume_attachment_pb2.VolumeAttachmentStatus) -> None:
    told = status.attachment_metadata
    if sum(names.size(key) + names.size(value) for key, value in told.items()) > MAX_ATTACHMENT_METADATA:
        errors.append(too_long(path.child("attachmentMetadata"), MAX_ATTACHMENT_METADATA))
    for field, name in (("attach_error", "attachError"), ("detach_error", "detachError")):
        if names.size(getattr(status, field).message) > MAX_ERROR_MESSAGE:
            # The bound that is told is that of the metadata: upstream's own slip.
            errors.append(too_long(path.child(name, "message"), MAX_ATTACHMENT_METADATA))


def check_attachment_update(new: VolumeAttachment, old: VolumeAttachment) -> Errors:
    """Check a changed VolumeAttachment, or its status: it stays what it was, whatever became of it."""
    errors = _check_attachment(new) + metadata.check_update(new.metadata, old.metadata)
    check_immutable(errors, Path("spec"), new.spec, old.spec)
    return errors


def check_driver(driver: CSIDriver) -> Errors:
    """Check a new CSIDriver."""
    errors = metadata.check_create(driver.metadata, names.dns_1123_subdomain, namespaced=False)
    _check_driver_spec(errors, Path("spec"), driver.spec)
    return errors


def _check_driver_spec(errors: Errors, path: Path, spec: csi_driver_pb2.CSIDriverSpec) -> None:
    for field, name in (
        ("attach_required", "attachedRequired"), ("pod_info_on_mount", "podInfoOnMount"),
        ("storage_capacity", "storageCapacity"),
    ):  # fmt: skip
        if not spec.HasField(field):
            errors.append(required(path.child(name)))
    if spec.HasField("fs_group_policy") and spec.fs_group_policy not in _GROUP_POLICIES:
        errors.append(not_supported(path.child("fsGroupPolicy"), spec.fs_group_policy, _GROUP_POLICIES))
    _check_token_requests(errors, path.child("tokenRequests"), list(spec.token_requests))
    errors.extend(
        not_supported(path.child("volumeLifecycleModes"), mode, _LIFECYCLE_MODES)
        for mode in spec.volume_lifecycle_modes
        if mode not in _LIFECYCLE_MODES
    )
    if not spec.HasField("se_linux_mount"):
        errors.append(required(path.child("seLinuxMount")))
    period = spec.node_allocatable_update_period_seconds
    if spec.HasField("node_allocatable_update_period_seconds") and period < MIN_PERIOD_SECONDS:
        words = f"must be greater than or equal to {MIN_PERIOD_SECONDS} seconds"
        errors.append(invalid(path.child("nodeAllocatableUpdatePeriodSeconds"), period, words))


def _check_token_requests(errors: Errors, path: Path, requests: list[csi_driver_pb2.TokenRequest]) -> None:
    seen: set[str] = set()
    for index, request in enumerate(requests):
        at = path.index(index)
        if request.audience in seen:
            errors.append(duplicate(at.child("audience"), request.audience))
            continue
        seen.add(request.audience)
        if not request.HasField("expiration_seconds"):
            continue
        seconds = request.expiration_seconds
        if seconds < MIN_TOKEN_SECONDS:
            words = "may not specify a duration less than 10 minutes"
            errors.append(invalid(at.child("expirationSeconds"), seconds, words))
        if seconds > MAX_TOKEN_SECONDS:
            words = "may not specify a duration larger than 2^32 seconds"
            errors.append(invalid(at.child("expirationSeconds"), seconds, words))


def check_driver_update(new: CSIDriver, old: CSIDriver) -> Errors:
    """Check a changed CSIDriver: volumes were attached and mounted as it said."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_driver_spec(errors, Path("spec"), new.spec)
    # Both as upstream calls them: the first is no field's name.
    at = Path("spec", "attachedRequired")
    check_immutable(errors, at, new.spec.attach_required, old.spec.attach_required)
    modes = [list(driver.spec.volume_lifecycle_modes) for driver in (new, old)]
    check_immutable(errors, Path("spec", "volumeLifecycleModes"), *modes)
    return errors


def check_capacity(made: CSIStorageCapacity) -> Errors:
    """Check a new CSIStorageCapacity."""
    errors = metadata.check_create(made.metadata, names.dns_1123_subdomain, namespaced=True)
    if made.HasField("node_topology"):
        check_label_selector(errors, Path("nodeTopology"), made.node_topology)
    check_text(errors, Path("storageClassName"), made.storage_class_name, names.dns_1123_subdomain)
    if made.HasField("capacity"):
        _check_amount(errors, Path("capacity"), made.capacity)
    return errors


def _check_amount(errors: Errors, path: Path, amount: meta_pb2.Quantity) -> None:
    try:
        if quantity.parse(amount.string or "0").nanos < 0:
            errors.append(invalid(path, amount.string, NEGATIVE))
    except quantity.QuantityError as error:
        errors.append(invalid(path, amount.string, str(error)))


def check_capacity_update(new: CSIStorageCapacity, old: CSIStorageCapacity) -> Errors:
    """Check a changed CSIStorageCapacity: what was asked for stays, the answer may change."""
    errors = metadata.check_update(new.metadata, old.metadata)
    topologies = [made.node_topology if made.HasField("node_topology") else None for made in (new, old)]
    check_immutable(errors, Path("nodeTopology"), *topologies)
    check_immutable(errors, Path("storageClassName"), new.storage_class_name, old.storage_class_name)
    return errors
