"""What plugins see of the node table: read-only views, true until the next mutation.

N is the number of rows in use or free again (`valid` says which); a view is cut to N. Values change under the
views while the scheduling task places Pods, which is what the incremental cycle lives on; nobody else may
look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import Domains, Interner, LabelColumn
from scheduler.columns.node_info import NodeInfo, Taint
from scheduler.columns.pod_asks import ANY_ADDRESS, HostPort
from scheduler.columns.pod_counts import ClaimUse, DomainSum, PortColumn, Sources
from scheduler.columns.pod_info import PodClass
from scheduler.columns.topology import Topology

#: all rows (a slice), or some
Rows = slice | NDArray[np.intp]

#: what a class asks, by column: (index of the resource, amount); index -1: no node has such a thing
Resolved = tuple[tuple[int, int], ...]

CPU, MEMORY, EPHEMERAL_STORAGE = 0, 1, 2


@dataclass(slots=True)
class Snapshot:
    """Columns of the node table. int64 amounts: CPU in thousandths, bytes, or units."""

    #: rows 0..size-1
    size: int
    #: by row; None where the row is free
    names: Sequence[str | None]
    #: by row: the node without its Pods, as it was read
    infos: Sequence[NodeInfo | None]
    rows: Mapping[str, int]
    #: bool[N]
    valid: NDArray[np.bool_]
    #: by resource index; int64[N] each
    allocatable: Sequence[NDArray[np.int64]]
    requested: Sequence[NDArray[np.int64]]
    #: int64[N]: requests for scoring (100m and 200Mi for a container that names none)
    nonzero_cpu: NDArray[np.int64]
    nonzero_memory: NDArray[np.int64]
    #: int64[N]
    max_pods: NDArray[np.int64]
    pod_count: NDArray[np.int64]
    #: bool[N]
    unschedulable: NDArray[np.bool_]
    #: int32[N]: code of each node's set of taints
    taints: NDArray[np.int32]
    taint_sets: Interner[tuple[Taint, ...]]
    labels: Mapping[str, LabelColumn]
    ports: Mapping[tuple[str, int], PortColumn]
    #: priority -> int32[N]: how many Pods of that priority a node holds
    priorities: Mapping[int, NDArray[np.int32]]
    #: image -> row -> bytes: where it is. No column, because a cluster may have a different image on every node
    images: Mapping[str, Mapping[int, int]]
    #: which claims the Pods of each row use
    claims: ClaimUse
    #: resource -> index
    resources: Mapping[str, int]
    #: Pods by what other Pods ask of them
    topology: Topology
    #: all rows
    all: slice

    def resolve(self, pod: PodClass) -> Resolved:
        index = self.resources
        return tuple((index.get(name, -1), amount) for name, amount in pod.requests)

    def port_conflicts(self, wanted: HostPort, rows: Rows) -> NDArray[np.bool_] | None:
        """Say for each of `rows` whether a Pod there uses the port (any address collides with all)."""
        column = self.ports.get((wanted.protocol, wanted.port))
        if column is None:
            return None
        if wanted.address == ANY_ADDRESS:
            return column.total[rows] > 0
        taken = np.zeros(len(self.valid[rows]), np.bool_)
        for address in (ANY_ADDRESS, wanted.address):
            counts = column.by_address.get(address)
            if counts is not None:
                taken |= counts[rows] > 0
        return taken

    def label_codes(self, key: str) -> LabelColumn | None:
        return self.labels.get(key)

    def domains_of(self, key: str) -> Domains:
        column = self.labels.get(key)
        if column is None:
            return Domains(key, np.zeros(self.size, np.int32), 1, alone=True, labelled=0)
        return column.domains(key, self.size)

    def sum_over(
        self, domains: Domains, sources: Sources, eligible: NDArray[np.bool_] | None = None
    ) -> DomainSum:
        """Return columns summed by the domains, with room for each of these."""
        found = self.topology.sum(domains.key, sources, eligible)
        found.reserve(domains.size)
        return found

    def holds_lower_priority(self, priority: int) -> NDArray[np.bool_]:
        """Say for each row whether a Pod of a lower priority is there (bool[N])."""
        found = np.zeros(self.size, np.bool_)
        for level, counts in self.priorities.items():
            if level < priority:
                found |= counts[: self.size] > 0
        return found
