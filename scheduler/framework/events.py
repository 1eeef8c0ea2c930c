"""What happens in a cluster that could make a rejected Pod schedulable, and how a plugin says so.

The values are the labels of upstream's metrics (resource and action). A hint gets the object before and after
the change; it may say yes too often, never too seldom: a Pod that no hint wakes sleeps for five minutes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass, PodInfo


class ClusterEvent(StrEnum):
    """One kind of change."""

    NODE_ADD = "NodeAdd"
    NODE_UPDATE_ALLOCATABLE = "NodeUpdateNodeAllocatable"
    NODE_UPDATE_LABEL = "NodeUpdateNodeLabel"
    #: taints, and whether the node is unschedulable
    NODE_UPDATE_TAINT = "NodeUpdateNodeTaint"
    NODE_UPDATE_FEATURES = "NodeUpdateNodeDeclaredFeature"
    NODE_DELETE = "NodeDelete"
    ASSIGNED_POD_ADD = "AssignedPodAdd"
    ASSIGNED_POD_UPDATE_LABEL = "AssignedPodUpdatePodLabel"
    ASSIGNED_POD_SCALE_DOWN = "AssignedPodUpdatePodScaleDown"
    ASSIGNED_POD_DELETE = "AssignedPodDelete"
    # Of storage: of claims hints get which (`ClaimsChanged`); the rest is in the catalogue.
    VOLUME_ADD = "PersistentVolumeAdd"
    VOLUME_UPDATE = "PersistentVolumeUpdate"
    CLAIM_ADD = "PersistentVolumeClaimAdd"
    CLAIM_UPDATE = "PersistentVolumeClaimUpdate"
    CLASS_ADD = "StorageClassAdd"
    CLASS_UPDATE = "StorageClassUpdate"
    CSI_NODE_ADD = "CSINodeAdd"
    CSI_NODE_UPDATE = "CSINodeUpdate"
    CSI_DRIVER_ADD = "CSIDriverAdd"
    CSI_DRIVER_UPDATE = "CSIDriverUpdate"
    CAPACITY_ADD = "CSIStorageCapacityAdd"
    CAPACITY_UPDATE = "CSIStorageCapacityUpdate"
    ATTACHMENT_DELETE = "VolumeAttachmentDelete"


@dataclass(frozen=True, slots=True)
class ClaimsChanged:
    """PersistentVolumeClaims that came or changed, those of one batch together."""

    #: namespace/name
    keys: frozenset[str]


#: a Pod or a node, before or after; which claims; None: not there
Changed = PodInfo | NodeInfo | ClaimsChanged | None
#: an event, and what it happened to before and after
Happened = tuple[ClusterEvent, Changed, Changed]
#: (a rejected Pod's class, before, after) -> whether it is worth another attempt
Hint = Callable[[PodClass, Changed, Changed], bool]


def of_its_claims(pod: PodClass, _before: Changed, after: Changed) -> bool:
    """Say whether claims that changed are a Pod's own (isSchedulableAfterPersistentVolumeClaimChange)."""
    return not isinstance(after, ClaimsChanged) or not after.keys.isdisjoint(pod.claim_keys())


def of_who_had_claims(_pod: PodClass, before: Changed, _after: Changed) -> bool:
    """Say whether a Pod that gave its place back had claims: what was promised to it may be free."""
    return not isinstance(before, PodInfo) or bool(before.pod_class.claims)


def of_who_had_attached(_pod: PodClass, before: Changed, _after: Changed) -> bool:
    """Say whether a Pod that went had attached volumes (isSchedulableAfterPodDeleted of NodeVolumeLimits)."""
    return not isinstance(before, PodInfo) or bool(before.pod_class.claims or before.pod_class.attached)


def of_who_has_attached(pod: PodClass, _before: Changed, _after: Changed) -> bool:
    """Say whether a Pod could want a volume that was detached (isSchedulableAfterVolumeAttachmentDeleted)."""
    return bool(pod.claims or pod.attached)


def of_who_had_storage(pod: PodClass, before: Changed, after: Changed) -> bool:
    """Say whether a Pod that went had claims, or a disk of this one (isSchedulableAfterPodDeleted)."""
    if not isinstance(before, PodInfo):
        return True
    theirs = {disk.word for disk in before.pod_class.disks}
    return of_who_had_claims(pod, before, after) or any(disk.word in theirs for disk in pod.disks)


def of_a_node(takes: Callable[[PodClass, NodeInfo], bool]) -> Hint:
    """Return a hint that a node takes a Pod which it did not take before, or was not there."""

    def hint(pod: PodClass, before: Changed, after: Changed) -> bool:
        if not isinstance(after, NodeInfo) or not takes(pod, after):
            return False
        return not isinstance(before, NodeInfo) or not takes(pod, before)

    return hint


def always(_pod: PodClass, _before: Changed, _after: Changed) -> bool:
    """Say that any such change is worth another attempt."""
    return True
