"""VolumeRestrictions: what Pods may not have at once (`plugins/volumerestrictions`).

A claim with access mode ReadWriteOncePod is for one Pod alone (KEP-2485). A disk that Pods name themselves is
for one Pod of a node: of GCE, iSCSI and RBD unless all only read it, of AWS always; RBD images are the same
when they share a monitor, pool and name.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from scheduler.columns.pod_asks import Disk
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import Asked, by_words
from scheduler.framework.events import ClusterEvent, of_its_claims, of_who_had_storage
from scheduler.framework.interface import RUN, SKIP, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState
from scheduler.volumes.catalogue import Catalogue

REASON: Final = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
DISK_CONFLICT: Final = "node(s) had no available disk"
MODE: Final = "ReadWriteOncePod"


def _words(asked: Asked, index: int) -> str:
    there, claims = asked.nodes.claims.on(asked.row(index)), asked.nodes.claims
    disks = [disk.word for disk in asked.pod.disks if _is_taken(disk, there)]
    if disks:
        return f"disk {' and '.join(disks)} is used by another Pod there"
    taken: list[str] = []
    for key in asked.evaluation.state.read(VolumeRestrictions.name, tuple):
        users = sorted(name for name, row in asked.nodes.rows.items() if key in claims.on(row))
        if users:
            taken.append(f"claim {key} (ReadWriteOncePod) is used by a Pod on {' and '.join(users)}")
    return " and ".join(taken)


class VolumeRestrictions(Filter):
    """Refuses every node while another Pod has the claim, and nodes where one has the disk."""

    #: a Pod anywhere may have it
    reach = Reach.GLOBAL
    reads_requests = False
    describer = by_words(_words)
    #: a Pod that gives claim or disk back, or another claim
    hints = MappingProxyType(
        {
            ClusterEvent.ASSIGNED_POD_DELETE: of_who_had_storage,
            ClusterEvent.CLAIM_ADD: of_its_claims,
            ClusterEvent.CLAIM_UPDATE: of_its_claims,
        }
    )

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.has_storage:
            return SKIP
        alone: list[str] = []
        for wanted in pod.claims:
            if wanted.ephemeral:
                # It has one user by itself.
                continue
            key = f"{pod.group.namespace}/{wanted.name}"
            claim = self._catalogue.claims.get(key)
            if claim is None:
                return PreFilterResult(rejected=f'persistentvolumeclaim "{wanted.name}" not found')
            if MODE in claim.access_modes:
                alone.append(key)
        state.write(self.name, tuple(alone))
        return RUN if alone or pod.disks else SKIP

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON, DISK_CONFLICT)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        # Whoever has it may be evicted: that is not for ever.
        if pod.disks:
            every = range(nodes.size)[rows] if isinstance(rows, slice) else rows.tolist()
            return np.array([self.filter_row(state, pod, nodes, row) for row in every], np.int64)
        taken = self.filter_row(state, pod, nodes, 0)
        return np.full(len(nodes.valid[rows]), taken, np.int64) if taken else None

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        # The disk is asked about first, and one reason is told (Filter).
        if pod.disks:
            there = nodes.claims.on(row)
            if there and any(_is_taken(disk, there) for disk in pod.disks):
                return 2
        return int(any(nodes.claims.users(key) for key in state.read(self.name, tuple)))


def _is_taken(disk: Disk, there: Mapping[str, int]) -> bool:
    """Say whether a disk is there already: one that both only read does no harm."""
    return f"{disk.word}:rw" in there or (not disk.read_only and f"{disk.word}:ro" in there)
