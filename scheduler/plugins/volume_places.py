"""VolumeBinding and VolumeZone: a Pod goes where its volumes are, or where they can be had.

Follow `plugins/volumebinding` and `plugins/volumezone`. Choosing volumes is done here, binding them in
`scheduler.bind.volume_binding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_selection import holds
from scheduler.columns.pod_asks import NodeRequirement
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import Asked, by_masks
from scheduler.framework.events import ClusterEvent, always, of_its_claims, of_who_had_claims
from scheduler.framework.interface import (
    RUN,
    SKIP,
    UNRESOLVABLE,
    Codes,
    CycleState,
    PreFilterResult,
    Reach,
    Scores,
)
from scheduler.framework.plugin import Filter, Score
from scheduler.framework.resource_scoring import UtilizationShapePoint, line_of
from scheduler.volumes.catalogue import Catalogue, Plan
from scheduler.volumes.matching import CLAIM_NOT_FOUND, REASONS, Found, find, lacks, needs
from scheduler.volumes.objects import VolumeInfo
from scheduler.volumes.scoring import capacity_scores
from vaina.quoting import go_quote

#: the less of it, the better (`SetDefaults_VolumeBindingArgs` of `apis/config/v1/defaults.go`)
DEFAULT_SHAPE: Final = (UtilizationShapePoint(0, 10), UtilizationShapePoint(100, 0))


@dataclass(frozen=True, slots=True)
class VolumeBindingArgs:
    """Arguments (`VolumeBindingArgs`)."""

    bind_timeout_seconds: int = 600
    #: what a node gets by how much of the storage there the claims would take; empty: the default
    shape: tuple[UtilizationShapePoint, ...] = DEFAULT_SHAPE


def _lacks(asked: Asked) -> list[tuple[NDArray[np.bool_], str]]:
    plugin = asked.answer.plugin
    assert isinstance(plugin, VolumeBinding)
    return lacks(plugin.catalogue, asked.evaluation.state.read(plugin.name, Found), asked.nodes)


class VolumeBinding(Filter, Score):
    """Refuses nodes that volumes cannot be had on, and prefers those with more storage than they take.

    A claim that is bound ties the Pod to the nodes that can reach its volume; one whose class waits for its
    first consumer takes the smallest volume that will do there, or has one made, where its driver has as much
    left if it says so (CSIStorageCapacity). Nodes are the better the smaller the share of the volumes there, or
    of what is left there, that the claims ask for (`scheduler.volumes.scoring`; StorageCapacityScoring, on by
    default since 1.37). A Pod whose claims are all bound is not scored: upstream gives it 0 everywhere.
    """

    reach = Reach.NONE
    reads_requests = False
    points = ("reserve", "preBind")
    describer = by_masks(_lacks)
    #: its claims, anything else of storage, nodes with other labels, and a Pod that did not get its volumes
    hints = MappingProxyType(
        {
            **dict.fromkeys(
                (
                    ClusterEvent.NODE_ADD, ClusterEvent.NODE_UPDATE_LABEL, ClusterEvent.VOLUME_ADD, ClusterEvent.VOLUME_UPDATE,
                    ClusterEvent.CLASS_ADD, ClusterEvent.CLASS_UPDATE, ClusterEvent.CSI_NODE_ADD, ClusterEvent.CSI_NODE_UPDATE,
                    ClusterEvent.CSI_DRIVER_ADD, ClusterEvent.CSI_DRIVER_UPDATE, ClusterEvent.CAPACITY_ADD, ClusterEvent.CAPACITY_UPDATE,
                ),
                always,
            ),
            ClusterEvent.CLAIM_ADD: of_its_claims,
            ClusterEvent.CLAIM_UPDATE: of_its_claims,
            ClusterEvent.ASSIGNED_POD_DELETE: of_who_had_claims,
        }
    )  # fmt: skip

    def __init__(
        self, args: VolumeBindingArgs = VolumeBindingArgs(), catalogue: Catalogue | None = None
    ) -> None:
        self.timeout_seconds = float(args.bind_timeout_seconds)
        self.catalogue = catalogue or Catalogue()
        #: what a node gets for each per cent of the storage there (int64[101])
        self._line = line_of(args.shape or DEFAULT_SHAPE)
        #: who was asked about last, and the answer: `plan` follows at once
        self._last: tuple[PodClass, Found] | None = None

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        if not pod.claims:
            return SKIP
        need = needs(self.catalogue, pod)
        if need.rejected:
            return PreFilterResult(rejected=need.rejected)
        found = find(self.catalogue, need, nodes)
        self._last = pod, found
        state.write(self.name, found)
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return REASONS

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        return state.read(self.name, Found).codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return int(state.read(self.name, Found).codes[row])

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        if not pod.claims:
            return False
        found = state.find(self.name, Found)
        if found is None:
            # Refused outright, or its pre-filter is disabled.
            need = needs(self.catalogue, pod)
            if need.rejected:
                return False
            found = find(self.catalogue, need, nodes)
            state.write(self.name, found)
        if not found.need.waiting:
            return False
        found.scores = capacity_scores(self.catalogue, found, nodes, self._line)
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        return self._scores(state)[rows]

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return self._scores(state).item(row)

    def _scores(self, state: CycleState) -> Scores:
        scores = state.read(self.name, Found).scores
        assert scores is not None
        return scores

    def plan(self, pod: PodClass, nodes: Snapshot, row: int) -> Plan:
        """Say what is to be done for the claims of a Pod that goes to a row.

        Asked in the same step as the decision, without an await since: what was found for that is still true,
        and is not looked for again.
        """
        last, self._last = self._last, None
        if last is not None and last[0] is pod:
            return last[1].plan(nodes, row)
        return find(self.catalogue, needs(self.catalogue, pod), nodes).plan(nodes, row)


NO_ZONE: Final = "node(s) had no available volume zone"
VOLUME_NOT_FOUND: Final = "persistentvolume {} not found"
NO_CLASS: Final = "PersistentVolumeClaim had no pv name and storageClass name"
CLASS_NOT_FOUND: Final = 'storageclass.storage.k8s.io "{}" not found'
NO_VOLUME: Final = "PersistentVolume had no name"
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
    """Refuses nodes of other zones and regions than those that the bound volumes are labelled with.

    A node without any such label is in no zone, and takes everything. Values of a volume may be several, joined
    by `__`. What an older label of a volume says is compared with the node's own older label where it has one,
    else with today's. Claims of ephemeral volumes are not looked at, as upstream.
    """

    reason = NO_ZONE
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
        """Return a claim's volume; None: it waits for its first consumer; a text: the Pod can go nowhere."""
        claim = self._catalogue.claims.get(f"{namespace}/{name}")
        if claim is None:
            return CLAIM_NOT_FOUND.format(name)
        if claim.volume_name:
            volume = self._catalogue.volumes.get(claim.volume_name)
            return VOLUME_NOT_FOUND.format(go_quote(claim.volume_name)) if volume is None else volume
        if not claim.class_name:
            return NO_CLASS
        found = self._catalogue.classes.get(claim.class_name)
        if found is None:
            return CLASS_NOT_FOUND.format(claim.class_name)
        return None if found.waits else NO_VOLUME


def _zones(volume: VolumeInfo) -> list[tuple[str, tuple[str, ...]]]:
    """Return the labels of zones with their values, if none of these is empty (LabelZonesToSet)."""
    found = [(key, tuple(volume.labels[key].split("__"))) for key in LABELS if key in volume.labels]
    return [(key, values) for key, values in found if all(values)]
