"""NodeUnschedulable: a cordoned node takes only Pods that tolerate the taint of that name."""

from types import MappingProxyType
from typing import Final

import numpy as np

from scheduler.columns.node_info import NO_SCHEDULE, NodeInfo, Taint
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import NODE_UNSCHEDULABLE
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.interface import RUN, SKIP, UNRESOLVABLE, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState

TAINT: Final = Taint("node.kubernetes.io/unschedulable", "", NO_SCHEDULE)


def _usable(_pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(after, NodeInfo) or after.unschedulable:
        return False
    return not isinstance(before, NodeInfo) or before.unschedulable


class NodeUnschedulable(Filter):
    """Refuses cordoned nodes."""

    reason = "node(s) were unschedulable"
    reach = Reach.NONE
    describer = NODE_UNSCHEDULABLE
    hints_ignore_labels = True
    reads_requests = False
    #: a node that may be used, when it might not before
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _usable, ClusterEvent.NODE_UPDATE_TAINT: _usable})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return SKIP if pod.tolerates(TAINT) else RUN

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        cordoned = nodes.unschedulable[rows]
        return cordoned * np.int64(UNRESOLVABLE | 1) if cordoned.any() else None

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return UNRESOLVABLE | 1 if nodes.unschedulable[row] else 0
