"""NodeResourcesFit: what a Pod requests must be free on the node; nodes are preferred by how much is taken.

By default those with more left (LeastAllocated); MostAllocated packs, RequestedToCapacityRatio follows a line
that the user draws. Filtering counts real requests; the first two count 100m and 200Mi for a container that
names none, so that Pods without requests spread as well (upstream's `NonZeroRequested`). Follows
`plugins/noderesources/fit.go`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import CPU, MEMORY, Resolved, Rows, Snapshot
from scheduler.explain.lacks import NODE_RESOURCES_FIT
from scheduler.framework.events import Changed, ClusterEvent, always
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
from scheduler.framework.plugin import Filter, Score
from scheduler.framework.resource_scoring import (
    CPU_AND_MEMORY,
    LEAST_ALLOCATED,
    MOST_ALLOCATED,
    ResourceSpec,
    Strategy,
    UtilizationShapePoint,
    parts,
    requested_to_capacity_ratio,
    score,
    score_row,
)
from scheduler.framework.state import CycleState

TOO_MANY_PODS: Final = "Too many pods"


@dataclass(frozen=True, slots=True)
class RequestedToCapacityRatio:
    """The line of that strategy."""

    shape: tuple[UtilizationShapePoint, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoringStrategy:
    """How nodes are preferred."""

    #: LeastAllocated, MostAllocated or RequestedToCapacityRatio
    type: str = "LeastAllocated"
    resources: tuple[ResourceSpec, ...] = CPU_AND_MEMORY
    requested_to_capacity_ratio: RequestedToCapacityRatio | None = None


@dataclass(frozen=True, slots=True)
class NodeResourcesFitArgs:
    """Arguments (`NodeResourcesFitArgs`)."""

    #: extended resources that are not looked at when filtering
    ignored_resources: tuple[str, ...] = ()
    #: what stands before the slash of such resources
    ignored_resource_groups: tuple[str, ...] = ()
    scoring_strategy: ScoringStrategy = ScoringStrategy()


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


class NodeResourcesFit(Filter, Score):
    """Refuses nodes without room, and prefers by what is taken."""

    reach = Reach.ROW
    describer = NODE_RESOURCES_FIT
    hints_ignore_labels = True
    #: room that is given back, or a node with enough of it
    hints = MappingProxyType(
        {
            ClusterEvent.ASSIGNED_POD_DELETE: always,
            ClusterEvent.ASSIGNED_POD_SCALE_DOWN: _gives_back,
            ClusterEvent.NODE_ADD: _has_room,
            ClusterEvent.NODE_UPDATE_ALLOCATABLE: _has_room,
        }
    )

    def __init__(self, args: NodeResourcesFitArgs = NodeResourcesFitArgs()) -> None:
        self._args = args
        strategy = args.scoring_strategy
        self._strategy = _strategy(strategy)
        self._resources = strategy.resources or CPU_AND_MEMORY
        #: whether a row's score may be computed in place
        self._plain = self._strategy is LEAST_ALLOCATED and set(self._resources) == set(CPU_AND_MEMORY)
        self._ignores = bool(args.ignored_resources or args.ignored_resource_groups)
        self._score_key = f"{self.name}/score"

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        resolved = nodes.resolve(pod)
        if self._ignores:
            resolved = tuple(
                item
                for item, (name, _) in zip(resolved, pod.requests, strict=True)
                if not self._is_ignored(name)
            )
        state.write(self.name, resolved)
        return RUN

    def sign(self, pod: PodClass) -> Hashable:
        return pod.requests, pod.nonzero_cpu, pod.nonzero_memory

    def _is_ignored(self, resource: str) -> bool:
        if not self._ignores or not is_extended(resource):
            return False
        group, slash, _ = resource.partition("/")
        return resource in self._args.ignored_resources or (
            bool(slash) and group in self._args.ignored_resource_groups
        )

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (
            TOO_MANY_PODS,
            *(f"Insufficient {name}" for name, _ in pod.requests if not self._is_ignored(name)),
        )

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

    def room(
        self, state: CycleState, pod: PodClass, nodes: Snapshot
    ) -> Sequence[tuple[str, int, int]] | None:
        # Not where no node has a resource, or there are too many reasons.
        resolved: Resolved = state.read(self.name, tuple)
        names = [name for name, _ in pod.requests if not self._is_ignored(name)]
        if len(resolved) >= MAX_REASON or any(index < 0 for index, _ in resolved):
            return None
        return [(name, index, amount) for name, (index, amount) in zip(names, resolved, strict=True)]

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        use_requested = self._strategy.use_requested
        state.write(self._score_key, parts(pod, nodes, self._resources, use_requested=use_requested))
        return True

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        return score(self._strategy, state.read(self._score_key, tuple), rows, len(nodes.valid[rows]))

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        if not self._plain:
            return score_row(self._strategy, state.read(self._score_key, tuple), row)
        # Asked for every Pod: written out.
        total = weights = 0
        allocatable = nodes.allocatable[CPU].item(row)
        if allocatable > 0:
            weights = 1
            free = allocatable - nodes.nonzero_cpu.item(row) - pod.nonzero_cpu
            if free > 0:
                total = free * MAX_SCORE // allocatable
        allocatable = nodes.allocatable[MEMORY].item(row)
        if allocatable > 0:
            weights += 1
            free = allocatable - nodes.nonzero_memory.item(row) - pod.nonzero_memory
            if free > 0:
                total += free * MAX_SCORE // allocatable
        return total // weights if weights else 0


def is_extended(resource: str) -> bool:
    """Say whether a resource is none of Kubernetes' own (`helper.IsExtendedResourceName`)."""
    return "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")


def _strategy(strategy: ScoringStrategy) -> Strategy:
    match strategy.type:
        case "MostAllocated":
            return MOST_ALLOCATED
        case "RequestedToCapacityRatio":
            assert strategy.requested_to_capacity_ratio is not None
            return requested_to_capacity_ratio(strategy.requested_to_capacity_ratio.shape)
        case _:
            return LEAST_ALLOCATED
