"""NodeName: a Pod that names its node goes there or nowhere.

The queue holds no such Pod (spec.nodeName means bound); this serves questions of the form *would it fit on
that node*.
"""

from types import MappingProxyType

import numpy as np

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import NODE_NAME
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.interface import RUN, SKIP, UNRESOLVABLE, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState


def _wanted(pod: PodClass, _before: Changed, after: Changed) -> bool:
    return isinstance(after, NodeInfo) and after.name == pod.wanted_node


class NodeName(Filter):
    """Refuses every node but the wanted one."""

    reason = "node(s) didn't match the requested node name"
    reach = Reach.NONE
    describer = NODE_NAME
    hints_ignore_labels = True
    reads_requests = False
    #: the wanted node, when it comes
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _wanted})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN if pod.wanted_node else SKIP

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        codes = np.full(nodes.size, UNRESOLVABLE | 1, np.int64)
        row = nodes.rows.get(pod.wanted_node)
        if row is not None:
            codes[row] = 0
        return codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return 0 if nodes.names[row] == pod.wanted_node else UNRESOLVABLE | 1
