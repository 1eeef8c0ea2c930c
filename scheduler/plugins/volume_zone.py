"""VolumeZone: a Pod goes to the zone and region that its bound volumes are labelled with (`plugins/volumezone`).

A node without any such label is in no zone, and takes everything. Values of a volume may be several, joined
by `__`. What an older label of a volume says is compared with the node's own older label where it has one,
else with today's. Claims of ephemeral volumes are not looked at, as upstream.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_selection import holds
from scheduler.columns.pod_asks import NodeRequirement
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import by_masks
from scheduler.framework.events import ClusterEvent, always, of_its_claims
from scheduler.framework.interface import RUN, SKIP, UNRESOLVABLE, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.objects import VolumeInfo
from vaina.quoting import go_quote

REASON: Final = "node(s) had no available volume zone"
#: older names, and what they are called today
LABELS: Final = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region": "topology.kubernetes.io/region",
}


@dataclass(frozen=True, slots=True)
class _Refused:
    """Which rows are refused: by all volumes together (codes, int64[N]), and for which label (bool[N])."""

    codes: Codes
    lacks: list[tuple[NDArray[np.bool_], str]]


class VolumeZone(Filter):
    """Refuses nodes of other zones."""

    reason = REASON
    reach = Reach.NONE
    reads_requests = False
    #: its claims, other volumes or classes, and nodes with other labels
    hints = MappingProxyType(
        {
            **dict.fromkeys(
                (
                    ClusterEvent.NODE_ADD, ClusterEvent.NODE_UPDATE_LABEL, ClusterEvent.VOLUME_ADD,
                    ClusterEvent.VOLUME_UPDATE, ClusterEvent.CLASS_ADD,
                ),
                always,
            ),
            ClusterEvent.CLAIM_ADD: of_its_claims,
            ClusterEvent.CLAIM_UPDATE: of_its_claims,
        }
    )  # fmt: skip
    describer = by_masks(lambda asked: asked.evaluation.state.read(VolumeZone.name, _Refused).lacks)

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.claims:
            return SKIP
        wanted: list[tuple[str, str, tuple[str, ...]]] = []
        for claim in pod.claims:
            if claim.ephemeral:
                continue
            volume = self._volume(claim.name, pod.group.namespace)
            if isinstance(volume, str):
                return PreFilterResult(rejected=volume)
            if volume is not None:
                wanted += [(volume.name, label, values) for label, values in _zones(volume)]
        if not wanted:
            return SKIP
        placed = np.zeros(nodes.size, np.bool_)
        for label in LABELS:
            placed |= holds(NodeRequirement(label, "Exists"), nodes)
        refused = np.zeros(nodes.size, np.bool_)
        lacks: list[tuple[NDArray[np.bool_], str]] = []
        for volume_name, label, values in wanted:
            fits = holds(NodeRequirement(label, "In", values), nodes)
            if LABELS[label] != label:
                unsaid = holds(NodeRequirement(label, "DoesNotExist"), nodes)
                fits |= unsaid & holds(NodeRequirement(LABELS[label], "In", values), nodes)
            lacks.append((placed & ~fits, f"volume {volume_name} is in {label}={' or '.join(values)}"))
            refused |= ~fits
        state.write(self.name, _Refused((refused & placed) * np.int64(UNRESOLVABLE | 1), lacks))
        return RUN

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        return state.read(self.name, _Refused).codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return int(state.read(self.name, _Refused).codes[row])

    def _volume(self, name: str, namespace: str) -> VolumeInfo | str | None:
        """Return the volume of a claim; None: it waits for its first consumer.

        A text: why the Pod can go nowhere.
        """
        claim = self._catalogue.claims.get(f"{namespace}/{name}")
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.volume_name:
            volume = self._catalogue.volumes.get(claim.volume_name)
            return f"persistentvolume {go_quote(claim.volume_name)} not found" if volume is None else volume
        if not claim.class_name:
            return "PersistentVolumeClaim had no pv name and storageClass name"
        found = self._catalogue.classes.get(claim.class_name)
        if found is None:
            return f'storageclass.storage.k8s.io "{claim.class_name}" not found'
        return None if found.waits else "PersistentVolume had no name"


def _zones(volume: VolumeInfo) -> list[tuple[str, tuple[str, ...]]]:
    """Return the labels of zones with their values.

    One with an empty value among others is not counted (LabelZonesToSet).
    """
    found = [(key, tuple(volume.labels[key].split("__"))) for key in LABELS if key in volume.labels]
    return [(key, values) for key, values in found if all(values)]
