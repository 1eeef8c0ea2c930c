"""PURE: which volume a claim gets.

Follows `component-helpers/storage/volume/pv_helpers.go` (FindMatchingVolume) and
`pkg/controller/volume/persistentvolume/index.go`: of the volumes that will do, those with the fewest access
modes first, then the smallest. Names decide between equals, so that the choice is the same every time.
"""

from collections.abc import Iterable

from controller.volumes import (
    AVAILABLE,
    FILESYSTEM,
    Claim,
    Volume,
    claim_class,
    is_meant_for,
    requested,
    storage,
    volume_class,
)
from vaina.objects.selectors import LabelSelector, SelectorError, from_message


def find_match(claim: Claim, volumes: Iterable[Volume], *, waits: bool) -> Volume | None:
    """Return the best volume for a claim; None: there is none.

    With `waits`, volumes of the claim's class are bound when a Pod needs them: only one that is meant for the
    claim will do.
    """
    selector = _selector(claim)
    candidates: list[Volume] = []
    for volume in volumes:
        if volume.metadata.HasField("deletion_timestamp") or not _suits(volume, claim):
            continue
        if volume.spec.HasField("claim_ref"):
            if is_meant_for(volume, claim):
                return volume
            continue
        if (
            waits
            or volume.status.phase != AVAILABLE
            or volume_class(volume) != claim_class(claim)
            or not set(claim.spec.access_modes) <= set(volume.spec.access_modes)
            or selector is None
            or not selector.matches(volume.metadata.labels)
        ):
            continue
        candidates.append(volume)
    return min(candidates, key=_order, default=None)


def _order(volume: Volume) -> tuple[int, int, str]:
    return len(set(volume.spec.access_modes)), storage(volume.spec.capacity), volume.metadata.name


def _suits(volume: Volume, claim: Claim) -> bool:
    return (
        storage(volume.spec.capacity) >= requested(claim)
        and (volume.spec.volume_mode or FILESYSTEM) == (claim.spec.volume_mode or FILESYSTEM)
        and volume.spec.volume_attributes_class_name == claim.spec.volume_attributes_class_name
    )


def _selector(claim: Claim) -> LabelSelector | None:
    """Return the selector of a claim; None, which selects nothing, when it cannot be read."""
    try:
        # For a claim, no selector selects everything, unlike elsewhere.
        return from_message(claim.spec.selector) if claim.spec.HasField("selector") else LabelSelector()
    except SelectorError:
        return None


def why_not(volume: Volume, claim: Claim) -> str:
    """Say why a claim cannot have the volume that it names; empty: it can (checkVolumeSatisfyClaim)."""
    if volume.metadata.HasField("deletion_timestamp"):
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if storage(volume.spec.capacity) < requested(claim):
        return "requested PV is too small"
    if volume_class(volume) != claim_class(claim):
        return "storageClassName does not match"
    if (volume.spec.volume_mode or FILESYSTEM) != (claim.spec.volume_mode or FILESYSTEM):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""
