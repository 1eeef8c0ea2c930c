"""NodeVolumeLimits: a node takes no more volumes of a driver than its CSINode says (`plugins/nodevolumelimits/csi.go`).

A volume that several Pods of a node use counts once. A claim without a volume counts for the driver of its class.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.events import ClusterEvent, Hint, always, of_its_claims, of_who_had_claims
from scheduler.framework.interface import RUN, SKIP, Codes, PreFilterResult, Reach
from scheduler.framework.state import CycleState
from scheduler.volumes.catalogue import Catalogue

REASON: Final = "node(s) exceed max volume count"

#: driver -> volumes, each once
_Attached = dict[str, set[str]]


class NodeVolumeLimits:
    """Refuses nodes that have as many volumes as they take."""

    name = "NodeVolumeLimits"
    reach = Reach.ROW
    reads_requests = False

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """A Pod that gives its volumes back, and a node that takes more."""
        events = (
            ClusterEvent.NODE_ADD, ClusterEvent.CSI_NODE_ADD, ClusterEvent.CSI_NODE_UPDATE, ClusterEvent.VOLUME_ADD,
        )  # fmt: skip
        return dict.fromkeys(events, always) | {
            ClusterEvent.ASSIGNED_POD_DELETE: of_who_had_claims,
            ClusterEvent.CLAIM_ADD: of_its_claims,
            ClusterEvent.CLAIM_UPDATE: of_its_claims,
        }

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.claims or not self._catalogue.has_limits:
            return SKIP
        wanted = self._attached(pod.claim_keys())
        state.write(self.name, wanted)
        return RUN if wanted else SKIP

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON,)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        every = range(nodes.size)[rows] if isinstance(rows, slice) else rows.tolist()
        return np.array([self.filter_row(state, pod, nodes, row) for row in every], np.int64)

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        limits = self._catalogue.limits(nodes.names[row] or "")
        if not limits:
            return 0
        wanted = state.read(self.name, dict)
        there: _Attached | None = None
        for driver, volumes in wanted.items():
            if driver not in limits:
                continue
            if there is None:
                there = self._attached(nodes.claims.on(row))
            attached = there.get(driver, set())
            if volumes - attached and len(attached | volumes) > limits[driver]:
                return 1
        return 0

    def _attached(self, claims: Iterable[str]) -> _Attached:
        found: _Attached = {}
        for key in claims:
            claim = self._catalogue.claims.get(key)
            if claim is None:
                continue
            volume = self._catalogue.volumes.get(claim.volume_name)
            if volume is not None:
                if volume.driver:
                    found.setdefault(volume.driver, set()).add(volume.handle)
                continue
            storage = self._catalogue.classes.get(claim.class_name)
            if storage is not None and storage.provisioner:
                found.setdefault(storage.provisioner, set()).add(key)
        return found
