"""VolumeBinding: a Pod goes where its volumes are, or where they can be had.

A claim that is bound ties the Pod to the nodes that can reach its volume; one whose class waits for its first
consumer takes the smallest volume that will do there, or has one made, where its driver has as much left if
it says so (CSIStorageCapacity). That nodes with more left are no better is as upstream:
StorageCapacityScoring is off by default. Choosing is done here, binding in `scheduler.bind.volume_binding`.
Follows `plugins/volumebinding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.explain.lacks import Asked, by_masks
from scheduler.framework.events import ClusterEvent, always, of_its_claims, of_who_had_claims
from scheduler.framework.interface import RUN, SKIP, Codes, PreFilterResult, Reach
from scheduler.framework.plugin import Filter
from scheduler.framework.state import CycleState
from scheduler.volumes.catalogue import Catalogue, Plan
from scheduler.volumes.matching import REASONS, Found, find, lacks, needs


@dataclass(frozen=True, slots=True)
class VolumeBindingArgs:
    """Arguments (`VolumeBindingArgs`)."""

    #: how long a binding may take
    bind_timeout_seconds: int = 600


def _lacks(asked: Asked) -> list[tuple[NDArray[np.bool_], str]]:
    plugin = asked.answer.plugin
    assert isinstance(plugin, VolumeBinding)
    return lacks(plugin.catalogue, asked.evaluation.state.read(plugin.name, Found), asked.nodes)


class VolumeBinding(Filter):
    """Refuses nodes that volumes cannot be had on."""

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

    def plan(self, pod: PodClass, nodes: Snapshot, row: int) -> Plan:
        """Say what is to be done for the claims of a Pod that goes to a row.

        Asked in the same step as the decision, without an await since: what was found for that is still true,
        and is not looked for again.
        """
        last, self._last = self._last, None
        if last is not None and last[0] is pod:
            return last[1].plan(nodes, row)
        return find(self.catalogue, needs(self.catalogue, pod), nodes).plan(nodes, row)
