"""NodeResourcesFit and NodeResourcesBalancedAllocation: what a Pod requests, and what nodes have free.

Follows `plugins/noderesources`: fit.go, balanced_allocation.go.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Resolved, Rows, Snapshot
from scheduler.explain.lacks import NODE_RESOURCES_FIT
from scheduler.framework.events import Changed, ClusterEvent, always
from scheduler.framework.interface import (
    MAX_REASON,
    MAX_SCORE,
    RUN,
    UNRESOLVABLE,
    Codes,
    CycleState,
    PreFilterResult,
    Reach,
    Scores,
)
from scheduler.framework.plugin import Filter, Score
from scheduler.framework.resource_scoring import (
    CPU_AND_MEMORY,
    LEAST_ALLOCATED,
    MOST_ALLOCATED,
    Part,
    ResourceSpec,
    Strategy,
    UtilizationShapePoint,
    parts,
    requested_to_capacity_ratio,
    score,
    score_row,
)

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
    """Refuses nodes without room, and prefers by what is taken.

    By default those with more left (LeastAllocated); MostAllocated packs, RequestedToCapacityRatio follows a
    line that the user draws. Filtering counts real requests; the first two count 100m and 200Mi for a
    container that names none, so that Pods without requests spread as well (upstream's `NonZeroRequested`).
    """

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
        return score_row(self._strategy, state.read(self._score_key, tuple), row)


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


_HALF = MAX_SCORE // 2


@dataclass(frozen=True, slots=True)
class NodeResourcesBalancedAllocationArgs:
    """Arguments (`NodeResourcesBalancedAllocationArgs`)."""

    #: weights are always 1
    resources: tuple[ResourceSpec, ...] = CPU_AND_MEMORY


class BalancedAllocation(Score):
    """Prefers nodes whose resources are used in like measure once the Pod is there.

    The score is what the Pod does to the balance: 50 plus half of (50 + balance with it - balance without it),
    where the balance is 100 less the standard deviation of the used shares. Pods that request none of the
    resources are left out: they would all go to one node.
    """

    name = "NodeResourcesBalancedAllocation"
    reach = Reach.ROW

    def __init__(
        self, args: NodeResourcesBalancedAllocationArgs = NodeResourcesBalancedAllocationArgs()
    ) -> None:
        self._resources = args.resources or CPU_AND_MEMORY

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        state.write(self.name, parts(pod, nodes, self._resources, use_requested=True))
        return any(pod.request(spec.name) > 0 for spec in self._resources)

    def sign(self, pod: PodClass) -> Hashable:
        return pod.requests

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        of: Sequence[Part] = state.read(self.name, tuple)
        allocatable = [part.allocatable[rows] for part in of]
        used = [part.requested[rows] for part in of]
        count = len(nodes.valid[rows])
        with_it = [taken + part.amount for taken, part in zip(used, of, strict=True)]
        if len(of) == 2 and all(has.min(initial=1) > 0 for has in allocatable):
            # The usual case, with half the passes over the columns.
            sizes = [has.astype(np.float64) for has in allocatable]
            change = _balances_of_two(with_it, sizes)
            change -= _balances_of_two(used, sizes)
        else:
            change = _balances(with_it, allocatable, count) - _balances(used, allocatable, count)
        change += _HALF
        # Half of it; Go's division cuts towards zero, a shift downwards.
        return _HALF + ((change + (change < 0)) >> 1)

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        of: Sequence[Part] = state.read(self.name, tuple)
        before: list[float] = []
        after: list[float] = []
        for allocatable, requested, amount, _ in of:
            has = allocatable.item(row)
            if has > 0:
                used = requested.item(row)
                before.append(min(used / has, 1.0))
                after.append(min((used + amount) / has, 1.0))
        return _HALF + int((_HALF + _balance(after) - _balance(before)) / 2)


def _balance(shares: Sequence[float]) -> int:
    if len(shares) == 2:
        return int((1.0 - abs(shares[0] - shares[1]) / 2) * MAX_SCORE)
    if len(shares) < 2:
        return MAX_SCORE
    mean = sum(shares) / len(shares)
    variance = sum((share - mean) * (share - mean) for share in shares) / len(shares)
    return int((1.0 - variance**0.5) * MAX_SCORE)


def _balances_of_two(used: Sequence[NDArray[np.int64]], sizes: Sequence[NDArray[np.float64]]) -> Scores:
    """Return what `_balances` does where all have both, in place: most of the decision for a lone Pod."""
    first, second = _share(used[0], sizes[0]), _share(used[1], sizes[1])
    first -= second
    np.abs(first, out=first)
    first *= 0.5
    np.subtract(1.0, first, out=first)
    first *= MAX_SCORE
    return first.astype(np.int64)


def _share(used: NDArray[np.int64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = used / size
    # To look whether it is needed takes a third of it.
    return np.minimum(share, 1.0, out=share) if share.max(initial=0.0) > 1.0 else share


def _balances(
    used: Sequence[NDArray[np.int64]], allocatable: Sequence[NDArray[np.int64]], count: int
) -> Scores:
    shares = [
        np.minimum(taken / np.maximum(has, 1), 1.0) for taken, has in zip(used, allocatable, strict=True)
    ]
    there = [has > 0 for has in allocatable]
    if len(shares) == 2:
        # Of two shares the standard deviation is half of their distance; of one it is nothing.
        deviation = np.where(there[0] & there[1], np.abs(shares[0] - shares[1]) / 2, 0.0)
        balance: NDArray[np.float64] = (1.0 - deviation) * MAX_SCORE
        return balance.astype(np.int64)
    # Rare: more resources than CPU and memory, of which a node may have any.
    return np.array(
        [
            _balance([float(share[i]) for share, has in zip(shares, there, strict=True) if has[i]])
            for i in range(count)
        ],
        np.int64,
    )
