"""TaintToleration: nodes keep away Pods that do not tolerate their taints.

NoSchedule and NoExecute refuse; PreferNoSchedule counts against the node. Whether a set of taints is
tolerated is asked once a distinct set, not once a node.
"""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from scheduler.columns.node_info import PREFER_NO_SCHEDULE, NodeInfo, Taint
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import TAINT_TOLERATION
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.interface import (
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    PreFilterResult,
    Reach,
    Scores,
    scale_to_max,
)
from scheduler.framework.plugin import Filter, Score
from scheduler.framework.state import CycleState


def _asks(pod: PodClass, taints: Sequence[Taint]) -> int:
    return sum(taint.effect == PREFER_NO_SCHEDULE and not pod.tolerates(taint) for taint in taints)


def _tolerated(pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(after, NodeInfo) or pod.untolerated(after.taints):
        return False
    return not isinstance(before, NodeInfo) or bool(pod.untolerated(before.taints))


class TaintToleration(Filter, Score):
    """Refuses nodes by taints that keep away, and prefers those with fewer taints that only ask to."""

    reason = "node(s) had untolerated taint(s)"
    reach = Reach.NONE
    describer = TAINT_TOLERATION
    hints_ignore_labels = True
    reads_requests = False
    scales = True
    #: a node whose taints are tolerated, when they were not before
    hints = MappingProxyType({ClusterEvent.NODE_ADD: _tolerated, ClusterEvent.NODE_UPDATE_TAINT: _tolerated})

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
