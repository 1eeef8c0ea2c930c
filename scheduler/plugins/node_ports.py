"""NodePorts: a host port is used once on a node; the address 0.0.0.0 collides with every other."""

from types import MappingProxyType

import numpy as np

from scheduler.columns.pod_asks import ANY_ADDRESS
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import NODE_PORTS
from scheduler.framework.events import Changed, ClusterEvent, always
from scheduler.framework.interface import RUN, SKIP, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState


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
    """Refuses nodes where a wanted port is taken."""

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
