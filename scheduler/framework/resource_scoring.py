"""What nodes score by how much of their resources is taken: strategies, and the columns they look at.

Shared by NodeResourcesFit and NodeResourcesBalancedAllocation. Integer arithmetic as upstream has it
(`plugins/noderesources`: resource_allocation.go, least_allocated.go, most_allocated.go,
requested_to_capacity_ratio.go): a resource that the node does not have is left out, and so is an extended one
that the Pod does not ask for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import CPU, MEMORY, Rows, Snapshot
from scheduler.framework.interface import MAX_SCORE, Scores

#: what a shape's scores go up to (`MaxCustomPriorityScore`)
MAX_SHAPE_SCORE: Final = 10
MAX_UTILIZATION: Final = 100


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """A resource that counts, and how much."""

    name: str
    weight: int = 1


#: `defaultResourceSpec`
CPU_AND_MEMORY: Final = (ResourceSpec("cpu"), ResourceSpec("memory"))


@dataclass(frozen=True, slots=True)
class UtilizationShapePoint:
    """What a node gets when so much of a resource is used: per cent, and 0..10."""

    utilization: int
    score: int


class Part(NamedTuple):
    """One resource of one Pod over all nodes."""

    #: int64[N]
    allocatable: NDArray[np.int64]
    #: int64[N], without the Pod
    requested: NDArray[np.int64]
    amount: int
    weight: int


def parts(
    pod: PodClass, nodes: Snapshot, resources: Sequence[ResourceSpec], *, use_requested: bool
) -> tuple[Part, ...]:
    """Return the columns that count for a Pod, in the order of the resources.

    CPU and memory count as they are requested, or with 100m and 200Mi for a container that names none.
    """
    found: list[Part] = []
    for spec in resources:
        index = nodes.resources.get(spec.name, -1)
        if spec.name in ("cpu", "memory") and not use_requested:
            cpu = spec.name == "cpu"
            requested, amount = (
                (nodes.nonzero_cpu, pod.nonzero_cpu) if cpu else (nodes.nonzero_memory, pod.nonzero_memory)
            )
            found.append(Part(nodes.allocatable[CPU if cpu else MEMORY], requested, amount, spec.weight))
            continue
        amount = pod.request(spec.name)
        if index < 0 or (amount == 0 and is_scalar(spec.name)):
            continue
        found.append(Part(nodes.allocatable[index], nodes.requested[index], amount, spec.weight))
    return tuple(found)


def is_scalar(name: str) -> bool:
    """Say whether a resource is neither CPU, memory nor local storage (`util.IsScalarResourceName`)."""
    return "/" in name or name.startswith(("hugepages-", "attachable-volumes-"))


class Strategy(NamedTuple):
    """What one resource scores: the same for columns and for one node."""

    #: (allocatable > 0, requested with the Pod) -> score; int64[rows] each
    columns: Callable[[NDArray[np.int64], NDArray[np.int64]], Scores]
    single: Callable[[int, int], int]
    use_requested: bool = False
    #: a resource that scores nothing does not weigh, and the mean is rounded rather than cut
    rounded: bool = False


LEAST_ALLOCATED: Final = Strategy(
    lambda allocatable, requested: np.maximum(allocatable - requested, 0) * MAX_SCORE // allocatable,
    lambda allocatable, requested: max(allocatable - requested, 0) * MAX_SCORE // allocatable,
)
MOST_ALLOCATED: Final = Strategy(
    lambda allocatable, requested: np.minimum(requested, allocatable) * MAX_SCORE // allocatable,
    lambda allocatable, requested: min(requested, allocatable) * MAX_SCORE // allocatable,
)


def requested_to_capacity_ratio(shape: Sequence[UtilizationShapePoint]) -> Strategy:
    """Return the strategy of a broken line through points of rising utilization."""
    scores = line_of(shape)

    def columns(allocatable: NDArray[np.int64], requested: NDArray[np.int64]) -> Scores:
        found: Scores = scores[np.minimum(requested, allocatable) * MAX_UTILIZATION // allocatable]
        return found

    def single(allocatable: int, requested: int) -> int:
        return int(scores[min(requested, allocatable) * MAX_UTILIZATION // allocatable])

    return Strategy(columns, single, use_requested=True, rounded=True)


def line_of(shape: Sequence[UtilizationShapePoint]) -> Scores:
    """Return what a node gets for each per cent of use (int64[101], 0..100; `BuildBrokenLinearFunction`)."""
    return np.array([_on_line(shape, used) for used in range(MAX_UTILIZATION + 1)], np.int64)


def _on_line(shape: Sequence[UtilizationShapePoint], used: int) -> int:
    factor = MAX_SCORE // MAX_SHAPE_SCORE
    before: UtilizationShapePoint | None = None
    for point in shape:
        if used <= point.utilization:
            if before is None:
                return point.score * factor
            rise = (point.score - before.score) * factor * (used - before.utilization)
            # Go's division cuts towards zero.
            return before.score * factor + int(rise / (point.utilization - before.utilization))
        before = point
    return shape[-1].score * factor


def score(strategy: Strategy, of: Sequence[Part], rows: Rows, count: int) -> Scores:
    """Return the weighted mean of the resources that each of `rows` has (int64[count])."""
    if of and not strategy.rounded and all(part.allocatable[rows].min(initial=1) > 0 for part in of):
        return _score_where_all_have_all(strategy, of, rows)
    total, weights = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for part in of:
        allocatable = part.allocatable[rows]
        there = allocatable > 0
        scored = strategy.columns(np.maximum(allocatable, 1), part.requested[rows] + part.amount)
        counts = there & (scored > 0) if strategy.rounded else there
        total += np.where(counts, scored, np.int64(0)) * part.weight
        weights += counts * np.int64(part.weight)
    safe = np.maximum(weights, 1)
    return np.floor(total / safe + 0.5).astype(np.int64) if strategy.rounded else total // safe


def _score_where_all_have_all(strategy: Strategy, of: Sequence[Part], rows: Rows) -> Scores:
    """The usual case, with half the passes over the columns."""
    total: Scores | None = None
    for part in of:
        scored = strategy.columns(part.allocatable[rows], part.requested[rows] + part.amount)
        if part.weight != 1:
            scored = scored * part.weight
        total = scored if total is None else total + scored
    assert total is not None
    return total // max(sum(part.weight for part in of), 1)


def score_row(strategy: Strategy, of: Sequence[Part], row: int) -> int:
    """Return what `score` would for one row."""
    total = weights = 0
    for part in of:
        allocatable = part.allocatable.item(row)
        if allocatable <= 0:
            continue
        scored = strategy.single(allocatable, part.requested.item(row) + part.amount)
        if scored > 0 or not strategy.rounded:
            total += scored * part.weight
            weights += part.weight
    if not weights:
        return 0
    return int(total / weights + 0.5) if strategy.rounded else total // weights
