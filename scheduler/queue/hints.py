"""Hints that look at the columns: whether a Pod that went left room for a parked Pod.

Upstream wakes every Pod that was refused for want of room whenever any Pod goes (`noderesources/fit.go`,
`isSchedulableAfterPodEvent`). With ten thousand parked that is ten thousand attempts for each deletion; here
only those are woken for which there is room now on that node, or which could make some by preemption.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from scheduler.columns.node_table import BASIC_RESOURCES, NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.framework.events import Changed, ClusterEvent, Happened, Hint
from scheduler.queue.unschedulable import Screen

FIT: Final = "NodeResourcesFit"
#: resources whose columns every configuration looks at come first
_BASIC: Final = len(BASIC_RESOURCES)


def screens(table: NodeTable) -> dict[str, Screen]:
    """Return what tells at one look that a Pod that went leaves room for no parked Pod, for `with_room`."""
    return {FIT: RoomScreen(table)}


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

    Extended resources are not looked at, because a configuration can have them ignored, nor is the room that
    is kept for nominated Pods.
    """
    return _may_fit(table, table.resolve(pod), pod.priority if pod.may_preempt else None, gone)


def _may_fit(
    table: NodeTable, requests: Iterable[tuple[int, int]], priority: int | None, gone: Changed
) -> bool:
    """Say so of requests by column; `priority` is None for a Pod that may not preempt."""
    if not isinstance(gone, PodInfo) or not gone.node_name:
        # Nobody says where.
        return True
    row = table.rows.get(gone.node_name)
    if row is None:
        return False
    # Asked for each Pod that goes: plain loops, and what decides soonest first.
    nodes, short = table.snapshot(), False
    for index, amount in requests:
        if index < _BASIC:
            most = nodes.allocatable[index].item(row)
            if amount > most:
                # Not on an empty node either.
                return False
            short = short or amount > most - nodes.requested[index].item(row)
    if not short and nodes.pod_count.item(row) < nodes.max_pods.item(row):
        return True
    if priority is not None:
        for level, counts in nodes.priorities.items():
            if level < priority and counts.item(row):
                return True
    return False


class RoomScreen:
    """Says that a Pod that goes left no room, even for one that asks the least of all and may evict most."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        #: of the resources of every configuration; None: there is nobody
        self._least: list[int] | None = None
        #: the highest of those who may preempt
        self._priority: int | None = None
        #: (column, amount) of what everybody asks for
        self._requests: tuple[tuple[int, int], ...] = ()

    def join(self, pod: PodClass) -> None:
        asked = [pod.request(name) for name in BASIC_RESOURCES]
        self._least = asked if self._least is None else [*map(min, self._least, asked)]
        self._requests = tuple((index, amount) for index, amount in enumerate(self._least) if amount)
        if pod.may_preempt and (self._priority is None or pod.priority > self._priority):
            self._priority = pod.priority

    def clear(self) -> None:
        self._least = self._priority = None
        self._requests = ()

    def nobody(self, happened: Happened) -> bool:
        event, before, _ = happened
        return event is ClusterEvent.ASSIGNED_POD_DELETE and not _may_fit(
            self._table, self._requests, self._priority, before
        )
