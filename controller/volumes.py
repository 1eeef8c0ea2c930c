"""PURE: class, size and owner of PersistentVolumes and claims.

Names follow `component-helpers/storage/volume`.
"""

from collections.abc import Mapping
from typing import Final

from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.objects.meta import is_controlled_by
from vaina.objects.quantity import QuantityError, value

Volume = persistent_volume_pb2.PersistentVolume
Claim = persistent_volume_pb2.PersistentVolumeClaim
StorageClass = storage_class_pb2.StorageClass

#: index of Pods by the claims they use
BY_CLAIM: Final = "pod-claims"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
#: of claims: who is to make the volume; the second is read by older provisioners
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER: Final = "volume.beta.kubernetes.io/storage-provisioner"
#: what named the class before there was a field
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"

WAIT_FOR_FIRST_CONSUMER: Final = "WaitForFirstConsumer"
FILESYSTEM: Final = "Filesystem"

AVAILABLE, BOUND, RELEASED, FAILED = "Available", "Bound", "Released", "Failed"
PENDING, LOST = "Pending", "Lost"
DELETE, RETAIN, RECYCLE = "Delete", "Retain", "Recycle"


def claim_key(claim: Claim) -> str:
    """Return namespace/name."""
    return f"{claim.metadata.namespace}/{claim.metadata.name}"


def reference_key(volume: Volume) -> str:
    """Return namespace/name of the claim that a volume is for; empty: for any."""
    if not volume.spec.HasField("claim_ref"):
        return ""
    return f"{volume.spec.claim_ref.namespace}/{volume.spec.claim_ref.name}"


def claim_class(claim: Claim) -> str:
    """Return the class of a claim; the old annotation goes before the field."""
    return claim.metadata.annotations.get(CLASS_ANNOTATION, "") or claim.spec.storage_class_name


def volume_class(volume: Volume) -> str:
    """Return the class of a volume."""
    return volume.metadata.annotations.get(CLASS_ANNOTATION, "") or volume.spec.storage_class_name


def has_no_class(claim: Claim) -> bool:
    """Say whether a claim names no class (an empty name is one): it may get the default one, later too."""
    return (
        not claim.spec.HasField("storage_class_name") and CLASS_ANNOTATION not in claim.metadata.annotations
    )


def storage(amounts: Mapping[str, meta_pb2.Quantity]) -> int:
    """Return an amount of storage in bytes; 0 for none, and for one that cannot be read."""
    if "storage" not in amounts:
        return 0
    try:
        return value(amounts["storage"].string or "0")
    except QuantityError:
        return 0


def requested(claim: Claim) -> int:
    """Return the bytes that a claim asks for."""
    return storage(claim.spec.resources.requests)


def is_meant_for(volume: Volume, claim: Claim) -> bool:
    """Say whether a volume names this claim, and no other that had the same name (IsVolumeBoundToClaim)."""
    if reference_key(volume) != claim_key(claim):
        return False
    return volume.spec.claim_ref.uid in ("", claim.metadata.uid)


def waits_for_consumer(found: StorageClass | None) -> bool:
    """Say whether volumes of a class are bound when a Pod needs them."""
    return found is not None and found.volume_binding_mode == WAIT_FOR_FIRST_CONSUMER


def claims_of(pod: pod_pb2.Pod) -> list[str]:
    """Return the claims that a Pod uses, as namespace/name: those it names, and those that are made for it."""
    namespace = pod.metadata.namespace
    found = []
    for volume in pod.spec.volumes:
        source = volume.volume_source
        if source.HasField("persistent_volume_claim"):
            found.append(f"{namespace}/{source.persistent_volume_claim.claim_name}")
        elif source.HasField("ephemeral"):
            found.append(f"{namespace}/{pod.metadata.name}-{volume.name}")
    return found


def uses_claim(pod: pod_pb2.Pod, claim: Claim) -> bool:
    """Say whether a Pod uses a claim of its namespace: names it, or is the one it was made for (podUsesPVC)."""
    name = claim.metadata.name
    return any(
        volume.volume_source.persistent_volume_claim.claim_name == name
        if volume.volume_source.HasField("persistent_volume_claim")
        else volume.volume_source.HasField("ephemeral")
        and f"{pod.metadata.name}-{volume.name}" == name
        and is_controlled_by(claim.metadata, pod.metadata.uid)
        for volume in pod.spec.volumes
    )
