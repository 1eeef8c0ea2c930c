"""VolumeRestrictions: a claim with access mode ReadWriteOncePod is for one Pod alone (KEP-2485, `plugins/volumerestrictions`).

Upstream's rules for disks of GCE, AWS, RBD and iSCSI that Pods name themselves are not here (docs/limits.md).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.events import ClusterEvent, Hint, of_its_claims, of_who_had_claims
from scheduler.framework.interface import RUN, SKIP, Codes, PreFilterResult, Reach
from scheduler.framework.state import CycleState
from scheduler.volumes.catalogue import Catalogue

REASON: Final = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
MODE: Final = "ReadWriteOncePod"


class VolumeRestrictions:
    """Refuses every node while another Pod has the claim."""

    name = "VolumeRestrictions"
    #: a Pod anywhere may have it
    reach = Reach.GLOBAL
    reads_requests = False

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """A Pod that gives the claim back, or another claim."""
        return {
            ClusterEvent.ASSIGNED_POD_DELETE: of_who_had_claims,
            ClusterEvent.CLAIM_ADD: of_its_claims,
            ClusterEvent.CLAIM_UPDATE: of_its_claims,
        }

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.claims:
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
        return RUN if alone else SKIP

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON,)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        # Whoever has it may be evicted: that is not for ever.
        taken = self.filter_row(state, pod, nodes, 0)
        return np.full(len(nodes.valid[rows]), taken, np.int64) if taken else None

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return int(any(nodes.claims.users(key) for key in state.read(self.name, tuple)))
