"""Hints that look at the columns: whether what happened left room for a parked Pod.

Upstream wakes every Pod that was refused for want of room whenever any Pod goes (`noderesources/fit.go`,
`isSchedulableAfterPodEvent`). With ten thousand parked that is ten thousand attempts for each deletion; here only those are
woken for whom there is room now on that very node, or who could make some by preemption.
"""

from collections.abc import Mapping
from typing import Final

from scheduler.columns.node_table import BASIC_RESOURCES, NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.framework.events import Changed, ClusterEvent, Hint

FIT: Final = "NodeResourcesFit"
#: resources whose columns every configuration looks at come first
_BASIC: Final = len(BASIC_RESOURCES)

#: plugins whose hints look at what a Pod asks of nodes, and not at its labels
BY_SHAPE: Final = frozenset(
    {"NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", FIT}
)


def with_room(
    hints: Mapping[ClusterEvent, Mapping[str, Hint]], table: NodeTable
) -> dict[ClusterEvent, dict[str, Hint]]:
    """Return hints in which a Pod's going wakes for want of room only those for whom there is some."""
    found = {event: dict(of) for event, of in hints.items()}
    if FIT in found.get(ClusterEvent.ASSIGNED_POD_DELETE, {}):

        def went(pod: PodClass, before: Changed, after: Changed) -> bool:
            return may_fit(table, pod, before)

        found[ClusterEvent.ASSIGNED_POD_DELETE][FIT] = went
    return found


def may_fit(table: NodeTable, pod: PodClass, gone: Changed) -> bool:
    """Say whether there may be room for a Pod on the node that another has left.

    Rather too often than too seldom: extended resources are not looked at, for a configuration can have them ignored, nor is
    the room that is kept for nominated Pods.
    """
    if not isinstance(gone, PodInfo) or not gone.node_name:
        # Nobody says where.
        return True
    row = table.rows.get(gone.node_name)
    if row is None:
        return False
    # Asked for each Pod that goes: plain loops, and what decides soonest first.
    nodes, short = table.snapshot(), False
    for index, amount in table.resolve(pod):
        if index < _BASIC:
            most = nodes.allocatable[index].item(row)
            if amount > most:
                # Not on an empty node either.
                return False
            short = short or amount > most - nodes.requested[index].item(row)
    if not short and nodes.pod_count.item(row) < nodes.max_pods.item(row):
        return True
    if pod.may_preempt:
        for level, counts in nodes.priorities.items():
            if level < pod.priority and counts.item(row):
                return True
    return False
