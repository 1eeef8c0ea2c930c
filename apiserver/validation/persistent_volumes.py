"""Rules for PersistentVolumes and PersistentVolumeClaims.

Follows `pkg/apis/core/validation`: ValidatePersistentVolume, ValidatePersistentVolumeClaim and their updates.
Upstream shows the difference of two specs after its sentence; here the sentence stands alone.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from google.protobuf.message import Message

from apiserver.validation import metadata
from apiserver.validation.persistent_volume_sources import check_source
from apiserver.validation.place import NOT_POSITIVE, Place
from apiserver.validation.scheduling import check_node_selector
from apiserver.validation.volume_legacy import check_access_modes, check_claim_spec
from vaina.api.core.v1 import persistent_volume_pb2, volume_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names, quantity

PersistentVolume = persistent_volume_pb2.PersistentVolume
PersistentVolumeClaim = persistent_volume_pb2.PersistentVolumeClaim

#: names the class of a claim, as it was done before the field
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_POLICIES: Final = ("Delete", "Recycle", "Retain")
_MODES: Final = ("Block", "Filesystem")
_CLASS: Final = "volumeAttributesClassName"
_SPEC_STAYS: Final = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_SOURCE_STAYS: Final = "spec.persistentvolumesource is immutable after creation"


def check_volume(root: Place, volume: PersistentVolume) -> None:
    """Check a new PersistentVolume."""
    metadata.check_create(root, volume.metadata, names.dns_1123_subdomain, namespaced=False)
    _check_spec(root.child("spec"), volume.spec)


def _check_spec(path: Place, spec: persistent_volume_pb2.PersistentVolumeSpec) -> None:
    if not spec.access_modes:
        path.child("accessModes").required()
    check_access_modes(path.child("accessModes"), spec.access_modes)
    _check_capacity(path.child("capacity"), spec)
    policy = spec.persistent_volume_reclaim_policy
    if policy and policy not in _POLICIES:
        path.child("persistentVolumeReclaimPolicy").not_supported(policy, _POLICIES)
    placed = _check_node_affinity(path.child("nodeAffinity"), spec)
    check_source(path, spec.persistent_volume_source, placed=placed)
    if policy == "Recycle" and _is_root(spec.persistent_volume_source):
        words = "may not be 'recycle' for a hostPath mount of '/'"
        path.child("persistentVolumeReclaimPolicy").forbidden(words)
    if spec.storage_class_name:
        path.child("storageClassName").check_value(spec.storage_class_name, names.dns_1123_subdomain)
    if spec.HasField("volume_mode") and spec.volume_mode not in _MODES:
        path.child("volumeMode").not_supported(spec.volume_mode, _MODES)
    if spec.HasField("volume_attributes_class_name"):
        _check_attributes_class(path, spec)


def check_inline_spec(path: Place, spec: persistent_volume_pb2.PersistentVolumeSpec) -> None:
    """Check the spec of a volume that is no object of its own.

    It names a driver's volume, and has nothing that only such an object has.
    """
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
    for name, given in (
        ("persistentVolumeReclaimPolicy", bool(spec.persistent_volume_reclaim_policy)),
        ("nodeAffinity", spec.HasField("node_affinity")),
        ("storageClassName", bool(spec.storage_class_name)),
        ("volumeMode", spec.HasField("volume_mode")),
    ):
        if given:
            path.child(name).forbidden(elsewhere)
    check_source(path, spec.persistent_volume_source, placed=False)
    if spec.HasField("volume_attributes_class_name"):
        path.child(_CLASS).forbidden(elsewhere)


def _check_capacity(path: Place, spec: persistent_volume_pb2.PersistentVolumeSpec) -> None:
    if not spec.capacity:
        path.required()
    if list(spec.capacity) != ["storage"]:
        shown = {name: spec.capacity[name].string for name in spec.capacity}
        path.not_supported(shown, ("storage",))
    for name in sorted(spec.capacity):
        text = spec.capacity[name].string
        try:
            if quantity.parse(text).nanos <= 0:
                path.key(name).invalid(text, NOT_POSITIVE)
        except quantity.QuantityError as error:
            path.key(name).invalid(text, str(error))


def _check_node_affinity(path: Place, spec: persistent_volume_pb2.PersistentVolumeSpec) -> bool:
    """Check which nodes can reach the storage; say whether anything is said of it."""
    if not spec.HasField("node_affinity"):
        return False
    if not spec.node_affinity.HasField("required"):
        path.child("required").required("must specify required node constraints")
    else:
        check_node_selector(path.child("required"), spec.node_affinity.required)
    return True


def _is_root(source: persistent_volume_pb2.PersistentVolumeSource) -> bool:
    return source.HasField("host_path") and str(PurePosixPath(source.host_path.path)) in ("/", "//")


def _check_attributes_class(path: Place, spec: persistent_volume_pb2.PersistentVolumeSpec) -> None:
    path.child(_CLASS).check_required(
        spec.volume_attributes_class_name, names.dns_1123_subdomain, "an empty string is disallowed"
    )
    if not spec.persistent_volume_source.HasField("csi"):
        path.child("csi").required("has to be specified when using volumeAttributesClassName")


def check_volume_update(root: Place, new: PersistentVolume, old: PersistentVolume) -> None:
    """Check a changed PersistentVolume: its storage stays where it is."""
    check_volume(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    if _source_bytes(new, old) != _source_bytes(old, old):
        root.child("spec", "persistentvolumesource").forbidden(_SOURCE_STAYS)
    root.child("volumeMode").check_immutable(_given(new.spec, "volume_mode"), _given(old.spec, "volume_mode"))
    if old.spec.HasField("node_affinity"):
        root.child("nodeAffinity").check_immutable(new.spec.node_affinity, old.spec.node_affinity)
    at = root.child("spec", _CLASS)
    field = "volume_attributes_class_name"
    if old.spec.HasField(field) and not new.spec.HasField(field):
        at.forbidden("update from non-nil value to nil is forbidden")


def _source_bytes(volume: PersistentVolume, old: PersistentVolume) -> bytes:
    """Return the source in a form that can be compared.

    A Secret for growing may be named later than the rest.
    """
    source = volume.spec.persistent_volume_source
    if volume is not old and not old.spec.persistent_volume_source.csi.HasField(
        "controller_expand_secret_ref"
    ):
        copy = persistent_volume_pb2.PersistentVolumeSource()
        copy.CopyFrom(source)
        if copy.HasField("csi"):
            copy.csi.ClearField("controller_expand_secret_ref")
        source = copy
    return source.SerializeToString(deterministic=True)


def check_claim(root: Place, claim: PersistentVolumeClaim) -> None:
    """Check a new PersistentVolumeClaim."""
    metadata.check_create(root, claim.metadata, names.dns_1123_subdomain, namespaced=True)
    check_claim_spec(root.child("spec"), claim.spec)


def check_claim_update(root: Place, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
    """Check a changed PersistentVolumeClaim.

    The volume may be named once, and a bound claim may ask for more.
    """
    metadata.check_update(root, new.metadata, old.metadata)
    check_claim(root, new)
    if not _is_class_moved(new, old):
        said, before = (claim.metadata.annotations.get(CLASS_ANNOTATION, "") for claim in (new, old))
        root.child("metadata", "annotations", CLASS_ANNOTATION).check_immutable(said, before)
    if _spec_bytes(new, new, old) != _spec_bytes(old, new, old):
        root.child("spec").forbidden(_SPEC_STAYS)
    _check_size(root.child("spec"), new, old)
    root.child("volumeMode").check_immutable(_given(new.spec, "volume_mode"), _given(old.spec, "volume_mode"))
    field = "volume_attributes_class_name"
    if old.spec.volume_attributes_class_name and not new.spec.HasField(field):
        root.child("spec", _CLASS).forbidden("update from non-nil value to nil is forbidden")


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
    spec.ClearField("volume_attributes_class_name")
    if not old.spec.volume_name:
        spec.ClearField("volume_name")
    if new.status.phase == "Bound":
        spec.resources.requests.pop("storage", None)
    has_class = old.spec.HasField("storage_class_name") or CLASS_ANNOTATION in old.metadata.annotations
    if not has_class or _is_class_moved(new, old):
        # A default class that came later may be filled in.
        spec.ClearField("storage_class_name")
    return spec.SerializeToString(deterministic=True)


def _check_size(path: Place, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
    """A claim may shrink again when growing failed, but never to less than it has."""
    sizes = [_nanos(claim.spec.resources.requests) for claim in (new, old)]
    if None in sizes:
        return
    has = _nanos(old.status.capacity) or 0
    if (sizes[0] or 0) < (sizes[1] or 0) and (sizes[0] or 0) <= has:
        path.child("resources", "requests", "storage").forbidden("field can not be less than status.capacity")


def _nanos(amounts: Mapping[str, meta_pb2.Quantity]) -> int | None:
    if "storage" not in amounts:
        return None
    try:
        return quantity.parse(amounts["storage"].string).nanos
    except quantity.QuantityError:
        return None


def check_claim_status_update(root: Place, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
    """Check a changed status of a PersistentVolumeClaim."""
    metadata.check_update(root, new.metadata, old.metadata)
    if not new.spec.access_modes:
        root.child("Spec", "accessModes").required()
    for field, amounts in (
        ("capacity", new.status.capacity),
        ("allocatedResources", new.status.allocated_resources),
    ):
        for name in sorted(amounts):
            text, at = amounts[name].string, root.child("status", field).key(name)
            try:
                if quantity.parse(text).nanos < 0:
                    at.invalid(text, "must be greater than or equal to 0")
            except quantity.QuantityError as error:
                at.invalid(text, str(error))


def _given(message: Message, field: str) -> object:
    return getattr(message, field) if message.HasField(field) else None
