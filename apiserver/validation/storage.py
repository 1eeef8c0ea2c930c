"""Rules for StorageClasses, CSINodes, CSIDrivers, VolumeAttachments and CSIStorageCapacities.

Follows `pkg/apis/storage/validation`. Authorization decides who may write a node's CSINode.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata
from apiserver.validation.metadata import check_label_name, check_label_selector
from apiserver.validation.persistent_volumes import check_inline_spec
from apiserver.validation.place import IMMUTABLE, NEGATIVE, Place
from apiserver.validation.volume_legacy import check_csi_driver
from vaina.api.core.v1 import topology_selector_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.objects import names

StorageClass = storage_class_pb2.StorageClass
CSINode = csi_node_pb2.CSINode

_POLICIES: Final = ("Delete", "Retain")
_BINDING_MODES: Final = ("Immediate", "WaitForFirstConsumer")
MAX_PARAMETERS: Final = 512
MAX_PARAMETER_BYTES: Final = 256 * 1024
MAX_NODE_ID_BYTES: Final = 256


def check_class(root: Place, found: StorageClass) -> None:
    """Check a StorageClass."""
    if not found.provisioner:
        root.child("provisioner").required()
    else:
        for problem in names.qualified_name(found.provisioner.lower()):
            root.child("provisioner").invalid(found.provisioner, problem)
    _check_parameters(root.child("parameters"), found.parameters)
    if found.reclaim_policy and found.reclaim_policy not in _POLICIES:
        root.child("reclaimPolicy").not_supported(found.reclaim_policy, _POLICIES)
    if not found.HasField("volume_binding_mode"):
        root.child("volumeBindingMode").required()
    else:
        root.child("volumeBindingMode").check_supported(found.volume_binding_mode, _BINDING_MODES)
    _check_topologies(root.child("allowedTopologies"), list(found.allowed_topologies))


def _check_parameters(path: Place, parameters: Mapping[str, str]) -> None:
    if len(parameters) > MAX_PARAMETERS:
        path.too_long(MAX_PARAMETERS)
        return
    if "" in parameters:
        path.invalid("", "field can not be empty.")
    if sum(names.size(key) + names.size(value) for key, value in parameters.items()) > MAX_PARAMETER_BYTES:
        path.too_long(MAX_PARAMETER_BYTES)


def _check_topologies(path: Place, terms: list[topology_selector_pb2.TopologySelectorTerm]) -> None:
    seen: list[dict[str, frozenset[str]]] = []
    for number, term in enumerate(terms):
        at = path.index(number)
        said: dict[str, frozenset[str]] = {}
        for index, expression in enumerate(term.match_label_expressions):
            here = at.child("matchLabelExpressions").index(index)
            if not expression.values:
                here.child("values").required()
            taken: set[str] = set()
            for place, value in enumerate(expression.values):
                here.child("values").index(place).check_unique(value, taken)
            check_label_name(here.child("key"), expression.key)
            if expression.key in said:
                here.child("key").duplicate(expression.key)
            said[expression.key] = frozenset(taken)
        # Upstream compares with empty ones too, and so refuses every empty one.
        if said in seen or not said:
            at.child("matchLabelExpressions").duplicate("")
        seen.append(said)


def check_class_change(root: Place, new: StorageClass, old: StorageClass) -> None:
    """Check a changed StorageClass: storage was made by it already."""
    root.child("parameters").check_kept(dict(new.parameters), dict(old.parameters))
    for field in ("provisioner", "reclaim_policy", "volume_binding_mode"):
        root.field(new, field).check_kept(getattr(new, field), getattr(old, field))


def check_csi_node(root: Place, node: CSINode) -> None:
    """Check a CSINode."""
    seen: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        at = root.child("spec", "drivers").index(index)
        check_csi_driver(at.child("name"), driver.name)
        if not driver.node_id:
            at.child("nodeID").required()
        elif names.size(driver.node_id) > MAX_NODE_ID_BYTES:
            at.child("nodeID").invalid(driver.node_id, f"must be {MAX_NODE_ID_BYTES} characters or less")
        if driver.allocatable.HasField("count") and driver.allocatable.count < 0:
            words = "must be greater than or equal to 0"
            at.child("allocatable", "count").invalid(driver.allocatable.count, words)
        _check_topology_keys(at, list(driver.topology_keys))
        at.child("name").check_unique(driver.name, seen)


def _check_topology_keys(path: Place, keys: list[str]) -> None:
    # The place is that of their driver, as upstream has it.
    seen: set[str] = set()
    for key in keys:
        if not key:
            path.required()
        path.check_unique(key, seen)
        path.check_value(key, names.qualified_name)


def check_csi_node_change(root: Place, new: CSINode, old: CSINode) -> None:
    """Check a changed CSINode: a driver that is there stays as it is, except for how many volumes it takes."""
    drivers = {driver.name: driver for driver in new.spec.drivers}
    for driver in old.spec.drivers:
        now = drivers.get(driver.name)
        if now is None:
            continue
        same = (driver.node_id, list(driver.topology_keys)) == (now.node_id, list(now.topology_keys))
        if not same:
            root.child("spec", "drivers").invalid(now, IMMUTABLE)


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
MAX_ERROR_CODE: Final = (1 << 31) - 1
_ONE_OF: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def check_attachment(root: Place, made: VolumeAttachment) -> None:
    """Check a new VolumeAttachment."""
    metadata.check_create(root, made.metadata, names.dns_1123_subdomain, namespaced=False)
    spec, at = made.spec, root.child("spec")
    check_csi_driver(at.child("attacher"), spec.attacher)
    _check_attached_source(at.child("source"), spec.source)
    at.child("nodeName").check_value(spec.node_name, names.dns_1123_subdomain)
    _check_attachment_status(root.child("status"), made.status)
    if spec.source.HasField("persistent_volume_name"):
        name = spec.source.persistent_volume_name
        at.child("source", "persistentVolumeName").check_value(name, names.dns_1123_subdomain)


def _check_attached_source(path: Place, source: volume_attachment_pb2.VolumeAttachmentSource) -> None:
    named, inline = source.HasField("persistent_volume_name"), source.HasField("inline_volume_spec")
    if named and inline:
        path.forbidden(_ONE_OF)
    elif inline:
        check_inline_spec(path.child("inlineVolumeSpec"), source.inline_volume_spec)
    elif not named:
        path.required(_ONE_OF)
    elif not source.persistent_volume_name:
        path.child("persistentVolumeName").required("must specify non empty persistentVolumeName")


def _check_attachment_status(path: Place, status: volume_attachment_pb2.VolumeAttachmentStatus) -> None:
    told = status.attachment_metadata
    if sum(names.size(key) + names.size(value) for key, value in told.items()) > MAX_ATTACHMENT_METADATA:
        path.child("attachmentMetadata").too_long(MAX_ATTACHMENT_METADATA)
    for field, name in (("attach_error", "attachError"), ("detach_error", "detachError")):
        error = getattr(status, field)
        if names.size(error.message) > MAX_ERROR_MESSAGE:
            path.child(name, "message").too_long(MAX_ERROR_MESSAGE)
        if error.error_code < 0:
            path.child(name, "errorCode").invalid(error.error_code, names.in_range(0, MAX_ERROR_CODE))


def check_attachment_update(root: Place, new: VolumeAttachment, old: VolumeAttachment) -> None:
    """Check a changed VolumeAttachment, or its status: it stays what it was, whatever became of it."""
    check_attachment(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec").check_kept(new.spec, old.spec)


def check_driver(root: Place, driver: CSIDriver) -> None:
    """Check a CSIDriver."""
    path, spec = root.child("spec"), driver.spec
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
    if spec.HasField("service_account_token_in_secrets") and not spec.token_requests:
        # It says where tokens go, and there are none (validateServiceAccountTokenInSecrets).
        words = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        path.child("serviceAccountTokenInSecrets").invalid(spec.service_account_token_in_secrets, words)
    if not spec.HasField("prevent_pod_scheduling_if_missing"):
        # As of the others above: defaulting has set it (validatePreventPodSchedulingIfMissing).
        path.child("preventPodSchedulingIfMissing").required()


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


def check_driver_change(root: Place, new: CSIDriver, old: CSIDriver) -> None:
    """Check a change of a CSIDriver: volumes were attached and mounted as it said."""
    # Both as upstream calls them: the first is no field's name.
    at = root.child("spec", "attachedRequired")
    at.check_immutable(new.spec.attach_required, old.spec.attach_required)
    modes = [list(driver.spec.volume_lifecycle_modes) for driver in (new, old)]
    root.child("spec", "volumeLifecycleModes").check_immutable(*modes)


def check_capacity(root: Place, made: CSIStorageCapacity) -> None:
    """Check a CSIStorageCapacity."""
    if made.HasField("node_topology"):
        check_label_selector(root.child("nodeTopology"), made.node_topology)
    root.child("storageClassName").check_value(made.storage_class_name, names.dns_1123_subdomain)
    if made.HasField("capacity"):
        at, text = root.child("capacity"), made.capacity.string
        if text and (amount := at.check_quantity(text)) and amount.nanos < 0:
            at.invalid(text, NEGATIVE)


def check_capacity_change(root: Place, new: CSIStorageCapacity, old: CSIStorageCapacity) -> None:
    """Check a changed CSIStorageCapacity: what was asked for stays, the answer may change."""
    topologies = [made.node_topology if made.HasField("node_topology") else None for made in (new, old)]
    root.child("nodeTopology").check_immutable(*topologies)
    root.child("storageClassName").check_immutable(new.storage_class_name, old.storage_class_name)
