"""VolumeZone: a Pod goes to the zone and region that its bound volumes are labelled with (`plugins/volumezone`).

A node without any such label is in no zone, and takes everything. Values of a volume may be several, joined by `__`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.columns.node_selection import holds
from scheduler.columns.pod_asks import NodeRequirement
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.events import ClusterEvent, Hint, always
from scheduler.framework.interface import RUN, SKIP, UNRESOLVABLE, Codes, PreFilterResult, Reach
from scheduler.framework.state import CycleState
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.objects import VolumeInfo

REASON: Final = "node(s) had no available volume zone"
#: older names, and what they are called today
LABELS: Final = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region": "topology.kubernetes.io/region",
}


class VolumeZone:
    """Refuses nodes of other zones."""

    name = "VolumeZone"
    reach = Reach.NONE

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """Other volumes, claims or classes, and nodes with other labels."""
        events = (
            ClusterEvent.NODE_ADD, ClusterEvent.NODE_UPDATE_LABEL, ClusterEvent.VOLUME_ADD, ClusterEvent.VOLUME_UPDATE,
            ClusterEvent.CLAIM_ADD, ClusterEvent.CLAIM_UPDATE, ClusterEvent.CLASS_ADD,
        )  # fmt: skip
        return dict.fromkeys(events, always)

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.claims:
            return SKIP
        wanted = [item for volume in self._volumes(pod) for item in _zones(volume)]
        if not wanted:
            return SKIP
        placed = np.zeros(nodes.size, np.bool_)
        for label in LABELS:
            placed |= holds(NodeRequirement(label, "Exists"), nodes)
        refused = np.zeros(nodes.size, np.bool_)
        for label, values in wanted:
            fits = holds(NodeRequirement(label, "In", values), nodes)
            if label in LABELS and LABELS[label] != label:
                fits |= holds(NodeRequirement(LABELS[label], "In", values), nodes)
            refused |= ~fits
        state.write(self.name, (refused & placed) * np.int64(UNRESOLVABLE | 1))
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (REASON,)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        codes: Codes = state.read(self.name, np.ndarray)
        return codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return int(state.read(self.name, np.ndarray)[row])

    def _volumes(self, pod: PodClass) -> list[VolumeInfo]:
        claims = [self._catalogue.claims.get(key) for key in pod.claim_keys()]
        found = [self._catalogue.volumes.get(claim.volume_name) for claim in claims if claim is not None]
        return [volume for volume in found if volume is not None]


def _zones(volume: VolumeInfo) -> list[tuple[str, tuple[str, ...]]]:
    return [(key, tuple(volume.labels[key].split("__"))) for key in LABELS if key in volume.labels]
