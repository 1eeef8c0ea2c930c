"""PURE: what a PersistentVolumeClaim takes of a ResourceQuota.

Itself and its storage, of all claims and of those of its class.

Follows `pkg/quota/v1/evaluator/core/persistent_volume_claims.go`.
"""

from typing import Final

from vaina.api.core.v1 import persistent_volume_pb2
from vaina.objects.amounts import ONE
from vaina.objects.quantity import Amount, QuantityError, parse

Claim = persistent_volume_pb2.PersistentVolumeClaim

_CLAIMS: Final = "persistentvolumeclaims"
_STORAGE: Final = "requests.storage"
#: before it stands the name of a class
_OF_CLASS: Final = ".storageclass.storage.k8s.io/"
_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_NANO: Final = 10**9


def is_claims(name: str) -> bool:
    """Say whether claims take a resource of this name."""
    if name in {_CLAIMS, _STORAGE, f"count/{_CLAIMS}"}:
        return True
    _, found, what = name.partition(_OF_CLASS)
    return bool(found) and what in {_CLAIMS, _STORAGE}


def claim_usage(claim: Claim) -> dict[str, Amount]:
    """Return what a claim takes, by all the names that a quota may use for it."""
    used = {_CLAIMS: ONE}
    of_class = class_of(claim) + _OF_CLASS if class_of(claim) else ""
    if of_class:
        used[of_class + _CLAIMS] = ONE
    storage = _storage(claim)
    if storage is not None:
        used[_STORAGE] = storage
        if of_class:
            used[of_class + _STORAGE] = storage
    return used


def class_of(claim: Claim) -> str:
    """Return the name of a claim's StorageClass; the old annotation goes before the field."""
    return claim.metadata.annotations.get(_CLASS_ANNOTATION, "") or claim.spec.storage_class_name


def attributes_classes(claim: Claim) -> list[str]:
    """Return the VolumeAttributesClasses that a claim wants, has, or is on its way to (KEP-3751)."""
    status = claim.status
    named = (
        claim.spec.volume_attributes_class_name,
        status.current_volume_attributes_class_name,
        status.modify_volume_status.target_volume_attributes_class_name,
    )
    return [name for name in dict.fromkeys(named) if name]


def _storage(claim: Claim) -> Amount | None:
    """Return what is requested, or what was given already where that is more; in whole bytes."""
    amounts: list[Amount] = []
    for found in (claim.spec.resources.requests, claim.status.allocated_resources):
        try:
            if "storage" in found:
                amounts.append(parse(found["storage"].string))
        except QuantityError:
            continue
    if not amounts:
        return None
    most = max(amounts, key=lambda amount: amount.nanos)
    return Amount(-(-most.nanos // _NANO) * _NANO, most.format)
