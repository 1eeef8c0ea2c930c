"""NodeUnschedulable: a cordoned node (spec.unschedulable) takes only Pods that tolerate the taint of that
name.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.columns.node_info import NO_SCHEDULE, NodeInfo, Taint
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import NODE_UNSCHEDULABLE
from scheduler.framework.events import Changed, ClusterEvent, Hint
from scheduler.framework.interface import RUN, SKIP, UNRESOLVABLE, Codes, PreFilterResult, Reach
from scheduler.framework.state import CycleState

REASON: Final = "node(s) were unschedulable"
TAINT: Final = Taint("node.kubernetes.io/unschedulable", "", NO_SCHEDULE)


class NodeUnschedulable:
    """Refuses cordoned nodes."""

    name = "NodeUnschedulable"
    reach = Reach.NONE
    describer = NODE_UNSCHEDULABLE
    hints_ignore_labels = True
    reads_requests = False

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """A node that may be used."""
        return {ClusterEvent.NODE_ADD: _usable, ClusterEvent.NODE_UPDATE_TAINT: _usable}

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return SKIP if pod.tolerates(TAINT) else RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON,)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        cordoned = nodes.unschedulable[rows]
        if not cordoned.any():
            return None
        return cordoned * np.int64(UNRESOLVABLE | 1)

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return UNRESOLVABLE | 1 if nodes.unschedulable[row] else 0


def _usable(_pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(after, NodeInfo) or after.unschedulable:
        return False
    return not isinstance(before, NodeInfo) or before.unschedulable
