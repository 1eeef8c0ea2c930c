"""The plugins that look at one node: its name, whether it is cordoned, its taints, host ports and features."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from scheduler.columns.node_info import NO_SCHEDULE, PREFER_NO_SCHEDULE, Taint
from scheduler.columns.pod_asks import ANY_ADDRESS
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import (
    NODE_DECLARED_FEATURES,
    NODE_NAME,
    NODE_PORTS,
    NODE_UNSCHEDULABLE,
    TAINT_TOLERATION,
)
from scheduler.framework.events import Changed, ClusterEvent, always, of_a_node
from scheduler.framework.interface import (
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    CycleState,
    PreFilterResult,
    Reach,
    Scores,
    scale_to_max,
)
from scheduler.framework.plugin import Filter, Score


class NodeName(Filter):
    """Refuses every node but the wanted one.

    The queue holds no such Pod (spec.nodeName means bound); this serves questions of the form *would it fit on
    that node*.
    """

    reason = "node(s) didn't match the requested node name"
    reach = Reach.NONE
    describer = NODE_NAME
    hints_ignore_labels = True
    reads_requests = False
    hints = MappingProxyType(
        {ClusterEvent.NODE_ADD: of_a_node(lambda pod, node: node.name == pod.wanted_node)}
    )

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


TAINT: Final = Taint("node.kubernetes.io/unschedulable", "", NO_SCHEDULE)


_USABLE: Final = of_a_node(lambda _pod, node: not node.unschedulable)


class NodeUnschedulable(Filter):
    """Refuses cordoned nodes to Pods that do not tolerate the taint of that name."""

    reason = "node(s) were unschedulable"
    reach = Reach.NONE
    describer = NODE_UNSCHEDULABLE
    hints_ignore_labels = True
    reads_requests = False
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _USABLE, ClusterEvent.NODE_UPDATE_TAINT: _USABLE})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return SKIP if pod.tolerates(TAINT) else RUN

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        cordoned = nodes.unschedulable[rows]
        return cordoned * np.int64(UNRESOLVABLE | 1) if cordoned.any() else None

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return UNRESOLVABLE | 1 if nodes.unschedulable[row] else 0


def _asks(pod: PodClass, taints: Sequence[Taint]) -> int:
    return sum(taint.effect == PREFER_NO_SCHEDULE and not pod.tolerates(taint) for taint in taints)


_TOLERATED: Final = of_a_node(lambda pod, node: not pod.untolerated(node.taints))


class TaintToleration(Filter, Score):
    """Refuses nodes by taints that keep away, and prefers those with fewer taints that only ask to.

    Whether a set of taints is tolerated is asked once a distinct set, not once a node.
    """

    reason = "node(s) had untolerated taint(s)"
    reach = Reach.NONE
    describer = TAINT_TOLERATION
    hints_ignore_labels = True
    reads_requests = False
    scales = True
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _TOLERATED, ClusterEvent.NODE_UPDATE_TAINT: _TOLERATED})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN if len(nodes.taint_sets) else SKIP

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        answers = np.zeros(nodes.taint_sets.size, np.int64)
        for code, taints in enumerate(nodes.taint_sets.values):
            if taints and pod.untolerated(taints):
                answers[code] = UNRESOLVABLE | 1
        return answers[nodes.taints[rows]]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        taints = nodes.taint_sets.values[nodes.taints.item(row)]
        return UNRESOLVABLE | 1 if taints and pod.untolerated(taints) else 0

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        # Without a single taint of this effect every node would get the same.
        return any(taints and _asks(pod, taints) for taints in nodes.taint_sets.values)

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        counts = np.array([_asks(pod, taints or ()) for taints in nodes.taint_sets.values], np.int64)
        return counts[nodes.taints[rows]]

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return _asks(pod, nodes.taint_sets.values[nodes.taints.item(row)] or ())

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return scale_to_max(raw, high, reverse=True)


def _gives_back(pod: PodClass, before: Changed, _after: Changed) -> bool:
    if not isinstance(before, PodInfo):
        return False
    return any(
        wanted.protocol == held.protocol
        and wanted.port == held.port
        and (wanted.address == held.address or ANY_ADDRESS in (wanted.address, held.address))
        for wanted in pod.host_ports
        for held in before.pod_class.host_ports
    )


class NodePorts(Filter):
    """Refuses nodes where a wanted port is taken; the address 0.0.0.0 collides with every other."""

    reason = "node(s) didn't have free ports for the requested pod ports"
    reach = Reach.ROW
    describer = NODE_PORTS
    hints_ignore_labels = True
    hints_read_class_only = True
    reads_requests = False
    #: a Pod that gives a wanted port back, or a new node
    hints = MappingProxyType({ClusterEvent.ASSIGNED_POD_DELETE: _gives_back, ClusterEvent.NODE_ADD: always})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN if pod.host_ports else SKIP

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        codes: Codes | None = None
        for port in pod.host_ports:
            taken = nodes.port_conflicts(port, rows)
            if taken is not None:
                codes = taken.astype(np.int64) if codes is None else codes | taken
        return codes

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        rows = slice(row, row + 1)
        for port in pod.host_ports:
            taken = nodes.port_conflicts(port, rows)
            if taken is not None and taken[0]:
                return 1
        return 0


_DECLARES: Final = of_a_node(lambda pod, node: pod.features <= node.features)


class NodeDeclaredFeatures(Filter):
    """Refuses nodes whose kubelet does not declare the features that the Pod needs (KEP-5328).

    Which those are is read from the spec (`scheduler.columns.pod_asks.features_of`). Follows
    `plugins/nodedeclaredfeatures` of Kubernetes 1.37, where it is always on and the last of the default plugins.
    """

    reason = "node(s) didn't match Pod's required features"
    reach = Reach.NONE
    describer = NODE_DECLARED_FEATURES
    hints_ignore_labels = True
    reads_requests = False
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _DECLARES, ClusterEvent.NODE_UPDATE_FEATURES: _DECLARES})

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN if pod.features else SKIP

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        lacking = [node is None or not pod.features <= node.features for node in nodes.infos]
        return (np.array(lacking, np.bool_) * np.int64(UNRESOLVABLE | 1))[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        node = nodes.infos[row]
        return UNRESOLVABLE | 1 if node is None or not pod.features <= node.features else 0
