"""NodeDeclaredFeatures: a Pod goes to nodes whose kubelet declares the features that the Pod needs (KEP-5328).

Which features those are is read from the spec (`scheduler.columns.pod_asks.features_of`). Follows
`plugins/nodedeclaredfeatures` of Kubernetes 1.37, where it is always on and the last of the default plugins.
"""

from types import MappingProxyType

import numpy as np

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import NODE_DECLARED_FEATURES
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.interface import RUN, SKIP, UNRESOLVABLE, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState


def _declares(pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(after, NodeInfo) or not pod.features <= after.features:
        return False
    return not isinstance(before, NodeInfo) or not pod.features <= before.features


class NodeDeclaredFeatures(Filter):
    """Refuses nodes that lack a feature."""

    reason = "node(s) didn't match Pod's required features"
    reach = Reach.NONE
    describer = NODE_DECLARED_FEATURES
    hints_ignore_labels = True
    reads_requests = False
    #: a node that declares all of them, when it did not before
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _declares, ClusterEvent.NODE_UPDATE_FEATURES: _declares})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN if pod.features else SKIP

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        lacking = [node is None or not pod.features <= node.features for node in nodes.infos]
        return (np.array(lacking, np.bool_) * np.int64(UNRESOLVABLE | 1))[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        node = nodes.infos[row]
        return UNRESOLVABLE | 1 if node is None or not pod.features <= node.features else 0
