"""PURE: which volume a claim gets, and the next write about a claim or a volume; each brings the next look.

Follows `pkg/controller/volume/persistentvolume/pv_controller.go`. The four writes of a binding always have
the same order: the volume names its claim, the volume is Bound, the claim names its volume, the claim is
Bound. Any of them may be the last one that was done: the next look sees which are missing. The first, a
compare-and-swap, gives the volume away; so it never has two claims.

Of the volumes that will do, a claim gets one of those with the fewest access modes, of these the smallest
(`index.go`, FindMatchingVolume). Names decide between equals, so that the choice is the same every time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller import volumes as pv
from controller.plans import NORMAL, WARNING, Note, copy_of
from controller.volumes import Claim, StorageClass, Volume
from vaina.objects.selectors import LabelSelector, SelectorError, from_message
from vaina.objects.storage_classes import default_class


def find_match(claim: Claim, volumes: Iterable[Volume], *, waits: bool) -> Volume | None:
    """Return the best volume for a claim, or None.

    With `waits`, its class binds volumes when a Pod needs them: only one that is meant for the claim will do.
    """
    selector = _selector(claim)
    candidates: list[Volume] = []
    for volume in volumes:
        if volume.metadata.HasField("deletion_timestamp") or not _suits(volume, claim):
            continue
        if volume.spec.HasField("claim_ref"):
            if pv.is_meant_for(volume, claim):
                return volume
            continue
        if (
            waits
            or volume.status.phase != pv.AVAILABLE
            or pv.volume_class(volume) != pv.claim_class(claim)
            or not set(claim.spec.access_modes) <= set(volume.spec.access_modes)
            or selector is None
            or not selector.matches(volume.metadata.labels)
        ):
            continue
        candidates.append(volume)
    return min(candidates, key=_order, default=None)


def _order(volume: Volume) -> tuple[int, int, str]:
    return len(set(volume.spec.access_modes)), pv.storage(volume.spec.capacity), volume.metadata.name


def _suits(volume: Volume, claim: Claim) -> bool:
    return (
        pv.storage(volume.spec.capacity) >= pv.requested(claim)
        and (volume.spec.volume_mode or pv.FILESYSTEM) == (claim.spec.volume_mode or pv.FILESYSTEM)
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
    if pv.storage(volume.spec.capacity) < pv.requested(claim):
        return "requested PV is too small"
    if pv.volume_class(volume) != pv.claim_class(claim):
        return "storageClassName does not match"
    if (volume.spec.volume_mode or pv.FILESYSTEM) != (claim.spec.volume_mode or pv.FILESYSTEM):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: at most one write, and the Events after it. Without a write nothing is left to do."""

    #: the object as it shall be, on the version that it was made from
    write: Claim | Volume | None = None
    #: its status is written, and otherwise metadata and spec
    is_status: bool = False
    #: about the claim or volume that was looked at
    says: tuple[Note, ...] = ()


class World(Protocol):
    """What is known besides; claims are found by namespace/name."""

    def claim(self, key: str) -> Claim | None: ...

    def volume(self, name: str) -> Volume | None: ...

    def volumes_for(self, claim: Claim) -> Iterable[Volume]:
        """Return the volumes that could be for a claim: those of its class, and those that name it."""
        ...

    def storage_classes(self) -> Iterable[StorageClass]: ...

    def waiting_pods(self, claim: Claim) -> Sequence[str]: ...


def next_for_claim(claim: Claim, world: World) -> Step:
    """Return the next thing to do about a claim (syncClaim)."""
    if pv.BIND_COMPLETED in claim.metadata.annotations:
        return _bound_claim(claim, world)
    if claim.spec.volume_name:
        return _requesting_claim(claim, world)
    classes = {found.metadata.name: found for found in world.storage_classes()}
    waits = pv.waits_for_consumer(classes.get(pv.claim_class(claim)))
    volume = find_match(claim, world.volumes_for(claim), waits=waits)
    if volume is not None:
        return _bind(volume, claim)
    if pv.has_no_class(claim) and (name := default_class(classes.values())):
        # A default class that came after the claim (RetroactiveDefaultStorageClass).
        changed = copy_of(claim)
        changed.spec.storage_class_name = name
        return Step(changed)
    if waits and pv.SELECTED_NODE not in claim.metadata.annotations:
        return _pending(claim, _why_waiting(claim, world))
    if pv.claim_class(claim):
        return _provision(claim, classes.get(pv.claim_class(claim)))
    words = "no persistent volumes available for this claim and no storage class is set"
    return _pending(claim, Note(NORMAL, "FailedBinding", words))


def _why_waiting(claim: Claim, world: World) -> Note:
    names = world.waiting_pods(claim)
    if not names:
        words = "waiting for first consumer to be created before binding"
        return Note(NORMAL, "WaitForFirstConsumer", words)
    what = f"pods {','.join(names)}" if len(names) > 1 else f"pod {names[0]}"
    return Note(NORMAL, "WaitForPodScheduled", f"waiting for {what} to be scheduled")


def _provision(claim: Claim, found: StorageClass | None) -> Step:
    """Ask the class's provisioner for a volume, by the claim's annotation (provisionClaimOperationExternal)."""
    if found is None:
        words = f'storageclass.storage.k8s.io "{pv.claim_class(claim)}" not found'
        return _pending(claim, Note(WARNING, "ProvisioningFailed", words))
    name = found.provisioner
    if name.startswith("kubernetes.io/"):
        words = f"no volume plugin matched name: {name}"
        return _pending(claim, Note(WARNING, "ProvisioningFailed", words))
    annotations = claim.metadata.annotations
    if any(annotations.get(key) != name for key in (pv.STORAGE_PROVISIONER, pv.BETA_STORAGE_PROVISIONER)):
        changed = copy_of(claim)
        changed.metadata.annotations[pv.STORAGE_PROVISIONER] = name
        changed.metadata.annotations[pv.BETA_STORAGE_PROVISIONER] = name
        return Step(changed)
    words = (
        f"Waiting for a volume to be created either by the external provisioner '{name}' or manually by the system administrator. "
        "If volume creation is delayed, please verify that the provisioner is running and correctly registered."
    )
    return _pending(claim, Note(NORMAL, "ExternalProvisioning", words))


def _requesting_claim(claim: Claim, world: World) -> Step:
    volume = world.volume(claim.spec.volume_name)
    if volume is None:
        return _pending(claim)
    if not volume.spec.HasField("claim_ref"):
        reason = why_not(volume, claim)
        if reason:
            words = f'Cannot bind to requested volume "{volume.metadata.name}": {reason}'
            return _pending(claim, Note(WARNING, "VolumeMismatch", words))
        return _bind(volume, claim)
    if pv.is_meant_for(volume, claim):
        return _bind(volume, claim)
    words = f'volume "{volume.metadata.name}" already bound to a different claim.'
    return _pending(claim, Note(WARNING, "FailedBinding", words))


def _bound_claim(claim: Claim, world: World) -> Step:
    if not claim.spec.volume_name:
        words = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return _lost(claim, "ClaimLost", words)
    volume = world.volume(claim.spec.volume_name)
    if volume is None:
        return _lost(
            claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        )
    if not volume.spec.HasField("claim_ref") or volume.spec.claim_ref.uid == claim.metadata.uid:
        return _bind(volume, claim)
    words = "Two claims are bound to the same volume, this one is bound incorrectly"
    return _lost(claim, "ClaimMisbound", words)


def _bind(volume: Volume, claim: Claim) -> Step:
    """Return the first write of a binding that is missing."""
    reference, meta = volume.spec.claim_ref, claim.metadata
    if not volume.spec.HasField("claim_ref") or reference.uid != meta.uid:
        given = copy_of(volume)
        if not pv.is_meant_for(volume, claim):
            given.metadata.annotations[pv.BOUND_BY_CONTROLLER] = "yes"
        reference = given.spec.claim_ref
        reference.kind, reference.api_version = "PersistentVolumeClaim", "v1"
        reference.namespace, reference.name, reference.uid = meta.namespace, meta.name, meta.uid
        reference.resource_version = meta.resource_version
        return Step(given)
    if volume.status.phase != pv.BOUND:
        return _phase(volume, pv.BOUND)
    if claim.spec.volume_name != volume.metadata.name or pv.BIND_COMPLETED not in meta.annotations:
        taken = copy_of(claim)
        if claim.spec.volume_name != volume.metadata.name:
            taken.spec.volume_name = volume.metadata.name
            taken.metadata.annotations[pv.BOUND_BY_CONTROLLER] = "yes"
        taken.metadata.annotations[pv.BIND_COMPLETED] = "yes"
        return Step(taken)
    if claim.status.phase != pv.BOUND:
        bound = copy_of(claim)
        status = bound.status
        status.phase = pv.BOUND
        status.ClearField("access_modes")
        status.access_modes.extend(volume.spec.access_modes)
        status.ClearField("capacity")
        for key in volume.spec.capacity:
            status.capacity[key].CopyFrom(volume.spec.capacity[key])
        return Step(bound, is_status=True)
    return Step()


def next_for_volume(volume: Volume, world: World) -> Step:
    """Return the next thing to do about a volume (syncVolume). The caller makes sure when a claim seems gone."""
    if not volume.spec.HasField("claim_ref") or not volume.spec.claim_ref.uid:
        return Step() if volume.status.phase == pv.AVAILABLE else _phase(volume, pv.AVAILABLE)
    claim = world.claim(pv.reference_key(volume))
    if claim is None or claim.metadata.uid != volume.spec.claim_ref.uid:
        return _reclaim(volume)
    if not claim.spec.volume_name:
        # The claim's own look completes the binding.
        return Step()
    if claim.spec.volume_name == volume.metadata.name:
        return Step() if volume.status.phase == pv.BOUND else _phase(volume, pv.BOUND)
    if pv.PROVISIONED_BY in volume.metadata.annotations and _policy(volume) == pv.DELETE:
        # It was made for a claim that has another volume by now.
        return _reclaim(volume)
    return _unbind(volume)


def _unbind(volume: Volume) -> Step:
    free = copy_of(volume)
    if pv.BOUND_BY_CONTROLLER in volume.metadata.annotations:
        free.spec.ClearField("claim_ref")
        del free.metadata.annotations[pv.BOUND_BY_CONTROLLER]
    else:
        # A person reserved it for that claim, and it stays reserved.
        free.spec.claim_ref.uid = ""
    return Step(free)


def _policy(volume: Volume) -> str:
    return volume.spec.persistent_volume_reclaim_policy


def _reclaim(volume: Volume) -> Step:
    """Return the next step of a volume whose claim is gone (reclaimVolume)."""
    if volume.status.phase not in (pv.RELEASED, pv.FAILED):
        return _phase(volume, pv.RELEASED)
    policy = _policy(volume)
    if policy == pv.RETAIN or volume.status.phase == pv.FAILED:
        return Step()
    if policy == pv.DELETE:
        if pv.PROVISIONED_BY in volume.metadata.annotations:
            # Its provisioner sees that it is released, and deletes it.
            return Step()
        words = f'error getting deleter volume plugin for volume "{volume.metadata.name}": no deletable volume plugin matched'
        return _failed(volume, "VolumeFailedDelete", words)
    if policy == pv.RECYCLE:
        return _failed(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
    return _failed(volume, "VolumeUnknownReclaimPolicy", "Volume has an unrecognized reclaim policy")


def _failed(volume: Volume, reason: str, words: str) -> Step:
    failed = copy_of(volume)
    failed.status.phase, failed.status.message = pv.FAILED, words
    return Step(failed, is_status=True, says=(Note(WARNING, reason, words),))


def _phase(volume: Volume, phase: str) -> Step:
    changed = copy_of(volume)
    changed.status.phase, changed.status.message = phase, ""
    return Step(changed, is_status=True)


def _pending(claim: Claim, *says: Note) -> Step:
    return Step(says=says) if claim.status.phase == pv.PENDING else _emptied(claim, pv.PENDING)


def _lost(claim: Claim, reason: str, words: str) -> Step:
    if claim.status.phase == pv.LOST:
        return Step()
    return _emptied(claim, pv.LOST, Note(WARNING, reason, words))


def _emptied(claim: Claim, phase: str, *says: Note) -> Step:
    changed = copy_of(claim)
    changed.status.phase = phase
    changed.status.ClearField("access_modes")
    changed.status.ClearField("capacity")
    return Step(changed, is_status=True, says=says)
