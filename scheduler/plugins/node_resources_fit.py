"""NodeResourcesFit: what a Pod requests must be free on the node; nodes with more left are preferred (LeastAllocated).

Filtering counts real requests; scoring counts 100m and 200Mi for a container that names none, so that Pods without requests
spread as well (upstream's `NonZeroRequested`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import CPU, MEMORY, Resolved, Rows, Snapshot
from scheduler.framework.events import Changed, ClusterEvent, Hint, always
from scheduler.framework.interface import (
    MAX_REASON,
    MAX_SCORE,
    RUN,
    UNRESOLVABLE,
    Codes,
    PreFilterResult,
    Reach,
    Scores,
)
from scheduler.framework.state import CycleState

TOO_MANY_PODS: Final = "Too many pods"


class NodeResourcesFit:
    """Refuses nodes without room, and prefers those with much of it."""

    name = "NodeResourcesFit"
    reach = Reach.ROW
    scales = False

    @property
    def hints(self) -> Mapping[ClusterEvent, Hint]:
        """Room that is given back, or a node with enough of it."""
        return {
            ClusterEvent.ASSIGNED_POD_DELETE: always,
            ClusterEvent.ASSIGNED_POD_SCALE_DOWN: _gives_back,
            ClusterEvent.NODE_ADD: _has_room,
            ClusterEvent.NODE_UPDATE_ALLOCATABLE: _has_room,
        }

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        state.write(self.name, nodes.resolve(pod))
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (TOO_MANY_PODS, *(f"Insufficient {name}" for name, _ in pod.requests))

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        codes = (nodes.pod_count[rows] >= nodes.max_pods[rows]).astype(np.int64)
        resolved: Resolved = state.read(self.name, tuple)
        for number, (index, amount) in enumerate(resolved, start=1):
            bit = 1 << min(number, MAX_REASON)
            if index < 0:
                codes |= UNRESOLVABLE | bit
                continue
            allocatable = nodes.allocatable[index][rows]
            lacks = amount > allocatable - nodes.requested[index][rows]
            if lacks.any():
                codes |= np.where(lacks, np.int64(bit), np.int64(0))
                # Not even the empty node would do: nobody's eviction helps.
                codes |= np.where(amount > allocatable, np.int64(UNRESOLVABLE), np.int64(0))
        return codes

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        code = 1 if nodes.pod_count.item(row) >= nodes.max_pods.item(row) else 0
        resolved: Resolved = state.read(self.name, tuple)
        number = 0
        for index, amount in resolved:
            number += 1
            if index < 0:
                code |= UNRESOLVABLE | 1 << min(number, MAX_REASON)
                continue
            allocatable = nodes.allocatable[index].item(row)
            if amount > allocatable - nodes.requested[index].item(row):
                code |= 1 << min(number, MAX_REASON)
                if amount > allocatable:
                    code |= UNRESOLVABLE
        return code

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        has_cpu, cpu = _least(nodes.allocatable[CPU][rows], nodes.nonzero_cpu[rows] + pod.nonzero_cpu)
        has_memory, memory = _least(
            nodes.allocatable[MEMORY][rows], nodes.nonzero_memory[rows] + pod.nonzero_memory
        )
        parts = has_cpu.astype(np.int64) + has_memory
        return (cpu + memory) // np.maximum(parts, 1)

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        total = parts = 0
        allocatable = nodes.allocatable[CPU].item(row)
        if allocatable > 0:
            parts = 1
            free = allocatable - nodes.nonzero_cpu.item(row) - pod.nonzero_cpu
            if free > 0:
                total = free * MAX_SCORE // allocatable
        allocatable = nodes.allocatable[MEMORY].item(row)
        if allocatable > 0:
            parts += 1
            free = allocatable - nodes.nonzero_memory.item(row) - pod.nonzero_memory
            if free > 0:
                total += free * MAX_SCORE // allocatable
        return total // parts if parts else 0

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return raw


def _least(allocatable: NDArray[np.int64], requested: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Scores]:
    """Return whether a resource counts, and the share of it that stays free, in hundredths."""
    there = allocatable > 0
    free = np.maximum(allocatable - requested, 0)
    return there, np.where(there, free * MAX_SCORE // np.maximum(allocatable, 1), np.int64(0))


def _gives_back(pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(before, PodInfo) or not isinstance(after, PodInfo):
        return False
    had, has = dict(before.pod_class.requests), dict(after.pod_class.requests)
    return any(has.get(name, 0) < had.get(name, 0) for name, _ in pod.requests)


def _has_room(pod: PodClass, before: Changed, after: Changed) -> bool:
    if not isinstance(after, NodeInfo) or after.max_pods < 1:
        return False
    if any(amount > after.allocatable.get(name, 0) for name, amount in pod.requests):
        return False
    if not isinstance(before, NodeInfo) or after.max_pods > before.max_pods:
        return True
    return any(after.allocatable.get(name, 0) > before.allocatable.get(name, 0) for name, _ in pod.requests)
