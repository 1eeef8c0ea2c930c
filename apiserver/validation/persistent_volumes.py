"""Rules for PersistentVolumes and PersistentVolumeClaims.

Follows `pkg/apis/core/validation`: ValidatePersistentVolume, ValidatePersistentVolumeClaim and their updates.
Upstream shows the difference of two specs after its sentence; here the sentence stands alone. Where a source
differs from that of a Pod's volume only in naming Secrets with their namespaces, the Pod's rule is used.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from apiserver.validation.place import NOT_POSITIVE, Place, given
from apiserver.validation.resources import is_native
from apiserver.validation.scheduling import check_node_selector
from apiserver.validation.volume_legacy import (
    LEGACY,
    Check,
    Source,
    check_access_modes,
    check_claim_spec,
    check_csi_driver,
    check_secret,
    check_source,
)
from apiserver.validation.volumes import check_host_path
from vaina.api.core.v1 import persistent_volume_pb2 as pv
from vaina.api.core.v1 import volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names, quantity

PersistentVolume = pv.PersistentVolume
PersistentVolumeClaim = pv.PersistentVolumeClaim

#: names the class of a claim, as it was done before the field
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
#: holds options of the mount, as it was done before the field
OPTIONS_ANNOTATION: Final = "volume.beta.kubernetes.io/mount-options"
#: sources that may have it (`pkg/volume/validation/pv_validation.go`, checkMountOption)
_WITH_OPTIONS: Final = (
    "gce_persistent_disk", "aws_elastic_block_store", "glusterfs", "nfs", "rbd", "quobyte", "iscsi", "cinder", "cephfs",
    "azure_file", "vsphere_volume", "azure_disk", "photon_persistent_disk",
)  # fmt: skip
_RESIZES: Final = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible",
    "NodeResizePending",
)  # fmt: skip
_POLICIES: Final = ("Delete", "Recycle", "Retain")
_MODES: Final = ("Block", "Filesystem")
_CLASS: Final = "volumeAttributesClassName"
_SPEC_STAYS: Final = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_SOURCE_STAYS: Final = "spec.persistentvolumesource is immutable after creation"


def _check_glusterfs(path: Place, source: pv.GlusterfsPersistentVolumeSource) -> None:
    if not source.HasField("endpoints_namespace"):
        return
    at, namespace = path.child("endpointsNamespace"), source.endpoints_namespace
    if not namespace:
        at.invalid(namespace, "if the endpointnamespace is set, it must be a valid namespace name")
    else:
        at.check_value(namespace, names.dns_1123_label)


def _check_secret_namespace(path: Place, source: Any) -> None:
    check_secret(path, source, "namespace")


def _check_azure_file(path: Place, source: pv.AzureFilePersistentVolumeSource) -> None:
    if source.HasField("secret_namespace") and not source.secret_namespace:
        path.child("secretNamespace").required()


def _check_local(path: Place, source: pv.LocalVolumeSource) -> None:
    path.child("path").check_required(source.path, names.no_backsteps)


#: not that of a node's stage, as upstream
_CSI_SECRETS: Final = (
    "controller_publish_secret_ref", "controller_expand_secret_ref", "node_publish_secret_ref", "node_expand_secret_ref",
)  # fmt: skip


def _check_csi(path: Place, source: pv.CSIPersistentVolumeSource) -> None:
    check_csi_driver(path.child("driver"), source.driver)
    if not source.volume_handle:
        path.child("volumeHandle").required()
    for field in _CSI_SECRETS:
        if source.HasField(field):
            secret, at = getattr(source, field), path.field(source, field)
            at.child("name").check_required(secret.name, names.dns_1123_subdomain)
            at.child("namespace").check_required(secret.namespace, names.dns_1123_label)


_SOURCES: Final[Mapping[str, Source]] = {
    **LEGACY,
    "host_path": Source(check=check_host_path),
    "local": Source(check=_check_local),
    "csi": Source(check=_check_csi),
}
#: field -> what a PersistentVolume's source needs besides what a Pod's needs
_MORE: Final[Mapping[str, Check]] = {
    "glusterfs": _check_glusterfs,
    "iscsi": check_secret,
    "cinder": _check_secret_namespace,
    "azure_file": _check_azure_file,
    "storageos": _check_secret_namespace,
}
#: the order in which upstream looks at the sources
_ORDER: Final = (
    "host_path", "gce_persistent_disk", "aws_elastic_block_store", "glusterfs", "flocker", "nfs", "rbd", "quobyte",
    "cephfs", "iscsi", "cinder", "fc", "flex_volume", "azure_file", "vsphere_volume", "photon_persistent_disk",
    "portworx_volume", "azure_disk", "scale_io", "local", "storageos", "csi",
)  # fmt: skip


def _check_source(path: Place, source: pv.PersistentVolumeSource, *, placed: bool) -> None:
    """Check where the storage is; `placed`: the volume says which nodes can reach it."""
    listed = [field for field in _ORDER if source.HasField(field)]
    if not listed:
        path.required("must specify a volume type")
    for field in listed:
        is_first = field == listed[0]
        check_source(path, _SOURCES[field], source, field, is_first=is_first)
        if is_first and field in _MORE:
            _MORE[field](path.field(source, field), getattr(source, field))
        if is_first and field == "local" and not placed:
            path.child("nodeAffinity").required("Local volume requires node affinity")


def check_volume(root: Place, volume: PersistentVolume) -> None:
    """Check a PersistentVolume."""
    path, spec = root.child("spec"), volume.spec
    if not spec.access_modes:
        path.child("accessModes").required()
    check_access_modes(path.child("accessModes"), spec.access_modes)
    _check_capacity(path.child("capacity"), spec)
    policy = spec.persistent_volume_reclaim_policy
    if policy and policy not in _POLICIES:
        path.child("persistentVolumeReclaimPolicy").not_supported(policy, _POLICIES)
    placed = _check_node_affinity(path.child("nodeAffinity"), spec)
    _check_source(path, spec.persistent_volume_source, placed=placed)
    if policy == "Recycle" and _is_root(spec.persistent_volume_source):
        words = "may not be 'recycle' for a hostPath mount of '/'"
        path.child("persistentVolumeReclaimPolicy").forbidden(words)
    if spec.storage_class_name:
        path.child("storageClassName").check_value(spec.storage_class_name, names.dns_1123_subdomain)
    path.check_given(spec, "volume_mode", _MODES)
    if spec.HasField("volume_attributes_class_name"):
        _check_attributes_class(path, spec)
    if OPTIONS_ANNOTATION in volume.metadata.annotations and not any(
        map(spec.persistent_volume_source.HasField, _WITH_OPTIONS)
    ):
        at = root.child("metadata", "annotations", OPTIONS_ANNOTATION)
        at.forbidden("may not specify mount options for this volume type")


def check_inline_spec(path: Place, spec: pv.PersistentVolumeSpec) -> None:
    """Check the spec of a volume that is no object: it names a driver's volume, and nothing of an object's."""
    elsewhere = "may not be specified in the context of inline volumes"
    if spec.HasField("claim_ref"):
        path.child("claimRef").forbidden(elsewhere)
    if spec.capacity:
        path.child("capacity").forbidden(elsewhere)
    if not spec.persistent_volume_source.HasField("csi"):
        path.child("csi").required("has to be specified in the context of inline volumes")
    if not spec.access_modes:
        path.child("accessModes").required()
    check_access_modes(path.child("accessModes"), spec.access_modes)
    if spec.persistent_volume_reclaim_policy not in ("", "Retain"):
        words = "may only be Retain in the context of inline volumes"
        path.child("persistentVolumeReclaimPolicy").forbidden(words)
    path.check_absent(spec, ("node_affinity",), elsewhere)
    _check_source(path, spec.persistent_volume_source, placed=False)
    path.check_absent(spec, ("storage_class_name",), elsewhere)
    if spec.HasField("volume_mode") and spec.volume_mode != "Filesystem":
        words = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        path.child("volumeMode").forbidden(words)


def _check_capacity(path: Place, spec: pv.PersistentVolumeSpec) -> None:
    if not spec.capacity:
        path.required()
    if list(spec.capacity) != ["storage"]:
        shown = {name: spec.capacity[name].string for name in spec.capacity}
        path.not_supported(shown or None, ("storage",))
    for name in sorted(spec.capacity):
        at, text = path.key(name), spec.capacity[name].string
        amount = _check_basic(at, text)
        if amount is not None and amount.nanos <= 0:
            at.invalid(text, NOT_POSITIVE)


def _check_basic(path: Place, text: str) -> quantity.Amount | None:
    """Check an amount; return it where it can be read (validateBasicResource)."""
    amount = path.check_quantity(text)
    if amount is not None and amount.nanos < 0:
        path.invalid(amount.value(), "must be a valid resource quantity")
    return amount


def _check_node_affinity(path: Place, spec: pv.PersistentVolumeSpec) -> bool:
    """Check which nodes can reach the storage; say whether anything is said of it."""
    if not spec.HasField("node_affinity"):
        return False
    if not spec.node_affinity.HasField("required"):
        path.child("required").required("must specify required node constraints")
    else:
        check_node_selector(path.child("required"), spec.node_affinity.required)
    return True


def _is_root(source: pv.PersistentVolumeSource) -> bool:
    return source.HasField("host_path") and str(PurePosixPath(source.host_path.path)) in ("/", "//")


def _check_attributes_class(path: Place, spec: pv.PersistentVolumeSpec) -> None:
    path.child(_CLASS).check_required(
        spec.volume_attributes_class_name, names.dns_1123_subdomain, "an empty string is disallowed"
    )
    if not spec.persistent_volume_source.HasField("csi"):
        path.child("csi").required("has to be specified when using volumeAttributesClassName")


def check_volume_change(root: Place, new: PersistentVolume, old: PersistentVolume) -> None:
    """Check that the storage of a PersistentVolume stays where it is."""
    if _source_bytes(new, old) != _source_bytes(old, old):
        root.child("spec", "persistentvolumesource").forbidden(_SOURCE_STAYS)
    # Upstream's paths of the next two lack `spec`.
    root.check_unchanged(new.spec, old.spec, "volume_mode")
    if old.spec.HasField("node_affinity"):
        root.child("nodeAffinity").check_immutable(new.spec.node_affinity, old.spec.node_affinity)
    field = "volume_attributes_class_name"
    if old.spec.HasField(field) and not new.spec.HasField(field):
        root.child("spec", _CLASS).forbidden("update from non-nil value to nil is forbidden")


def _source_bytes(volume: PersistentVolume, old: PersistentVolume) -> bytes:
    """Return the source in a form to compare. A Secret for growing may be named later than the rest."""
    source = pv.PersistentVolumeSource()
    source.CopyFrom(volume.spec.persistent_volume_source)
    was_named = old.spec.persistent_volume_source.csi.HasField("controller_expand_secret_ref")
    if source.HasField("csi") and not was_named:
        source.csi.ClearField("controller_expand_secret_ref")
    return source.SerializeToString(deterministic=True)


def check_claim(root: Place, claim: PersistentVolumeClaim) -> None:
    """Check a PersistentVolumeClaim."""
    check_claim_spec(root.child("spec"), claim.spec)


def check_claim_change(root: Place, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
    """Check a change of a PersistentVolumeClaim: it may name its volume once, and ask for more when bound."""
    if not _is_class_moved(new, old):
        said, before = (claim.metadata.annotations.get(CLASS_ANNOTATION, "") for claim in (new, old))
        root.child("metadata", "annotations", CLASS_ANNOTATION).check_immutable(said, before)
    if _spec_bytes(new, new, old) != _spec_bytes(old, new, old):
        root.child("spec").forbidden(_SPEC_STAYS)
    _check_size(root.child("spec"), new, old)
    root.check_unchanged(new.spec, old.spec, "volume_mode")
    if (
        not new.spec.volume_attributes_class_name
        and old.status.HasField("current_volume_attributes_class_name")
        and given(new.spec, "volume_attributes_class_name") != given(old.spec, "volume_attributes_class_name")
    ):
        what = "empty string" if new.spec.HasField("volume_attributes_class_name") else "nil"
        words = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        root.child("spec", _CLASS).forbidden(words)


def _is_class_moved(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> bool:
    """Say whether a claim names in the field the class that its annotation named."""
    was, now = old.metadata.annotations, new.metadata.annotations
    if CLASS_ANNOTATION not in was or old.spec.HasField("storage_class_name"):
        return False
    name = was[CLASS_ANNOTATION]
    return new.spec.HasField("storage_class_name") and new.spec.storage_class_name == name == now.get(
        CLASS_ANNOTATION, name
    )


def _spec_bytes(
    claim: PersistentVolumeClaim, new: PersistentVolumeClaim, old: PersistentVolumeClaim
) -> bytes:
    """Return what of a spec may not change, in a form that can be compared."""
    spec = volume_pb2.PersistentVolumeClaimSpec()
    spec.CopyFrom(claim.spec)
    if not old.spec.volume_name:
        spec.ClearField("volume_name")
    if new.status.phase == "Bound":
        spec.resources.requests.pop("storage", None)
        spec.ClearField("volume_attributes_class_name")
    has_class = old.spec.HasField("storage_class_name") or CLASS_ANNOTATION in old.metadata.annotations
    if not has_class or _is_class_moved(new, old):
        # A default class that came later may be filled in.
        spec.ClearField("storage_class_name")
    return spec.SerializeToString(deterministic=True)


def _check_size(path: Place, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
    """A claim may shrink again when growing failed, but never to less than it has."""
    wanted, before = (_nanos(claim.spec.resources.requests) for claim in (new, old))
    if (
        wanted is not None
        and before is not None
        and wanted < before
        and wanted <= (_nanos(old.status.capacity) or 0)
    ):
        path.child("resources", "requests", "storage").forbidden("field can not be less than status.capacity")


def _nanos(amounts: Mapping[str, meta_pb2.Quantity]) -> int | None:
    if "storage" not in amounts:
        return None
    try:
        return quantity.parse(amounts["storage"].string).nanos
    except quantity.QuantityError:
        return None


def check_claim_status(root: Place, new: PersistentVolumeClaim, _: PersistentVolumeClaim) -> None:
    """Check a changed status of a PersistentVolumeClaim."""
    if not new.spec.access_modes:
        root.child("Spec", "accessModes").required()
    path, status = root.child("status"), new.status
    for name in sorted(status.capacity):
        _check_basic(path.child("capacity").key(name), status.capacity[name].string)
    at = path.child("allocatedResourceStatuses")
    for name in sorted(status.allocated_resource_statuses):
        _check_resizable(at, name)
        if status.allocated_resource_statuses[name] not in _RESIZES:
            at.not_supported(name, _RESIZES)
    at = path.child("allocatedResources")
    for name in sorted(status.allocated_resources):
        if _check_resizable(at, name):
            _check_basic(at.key(name), status.allocated_resources[name].string)


def _check_resizable(path: Place, name: str) -> bool:
    """Check what is said to be resized, and say whether it can be (validatePersistentVolumeClaimResourceKey)."""
    if not path.check_value(name, names.qualified_name):
        return False
    if name != "storage" and is_native(name):
        path.not_supported(name, ("storage",))
        return False
    return True
