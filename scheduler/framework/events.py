"""What happens in a cluster that could make a rejected Pod schedulable, and how a plugin says so.

The values are the labels of upstream's metrics (resource and action). A hint gets the object before and after the change; it
may say yes too often, never too seldom: a Pod that no hint wakes sleeps for five minutes.
"""

from collections.abc import Callable
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
    NODE_DELETE = "NodeDelete"
    ASSIGNED_POD_ADD = "AssignedPodAdd"
    ASSIGNED_POD_UPDATE_LABEL = "AssignedPodUpdatePodLabel"
    ASSIGNED_POD_SCALE_DOWN = "AssignedPodUpdatePodScaleDown"
    ASSIGNED_POD_DELETE = "AssignedPodDelete"
    # Of storage: hints are asked with nothing before and nothing after, the catalogue has it.
    VOLUME_ADD = "PersistentVolumeAdd"
    VOLUME_UPDATE = "PersistentVolumeUpdate"
    CLAIM_ADD = "PersistentVolumeClaimAdd"
    CLAIM_UPDATE = "PersistentVolumeClaimUpdate"
    CLASS_ADD = "StorageClassAdd"
    CLASS_UPDATE = "StorageClassUpdate"
    CSI_NODE_ADD = "CSINodeAdd"
    CSI_NODE_UPDATE = "CSINodeUpdate"


#: a Pod or a node, before or after; None: not there
Changed = PodInfo | NodeInfo | None
#: (a rejected Pod's class, before, after) -> whether it is worth another attempt
Hint = Callable[[PodClass, Changed, Changed], bool]


def always(_pod: PodClass, _before: Changed, _after: Changed) -> bool:
    """Say that any such change is worth another attempt."""
    return True
