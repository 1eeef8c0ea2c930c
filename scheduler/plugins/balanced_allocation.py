"""NodeResourcesBalancedAllocation: prefers nodes whose resources are used in like measure once the Pod is there.

The score is what the Pod does to the balance: 50 plus half of (50 + balance with it - balance without it),
where the balance is 100 less the standard deviation of the used shares
(`plugins/noderesources/balanced_allocation.go`). Pods that request none of the resources are left out: they
would all go to one node.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import MAX_SCORE, Reach, Scores
from scheduler.framework.plugin import Score
from scheduler.framework.resource_scoring import CPU_AND_MEMORY, Part, ResourceSpec, parts
from scheduler.framework.state import CycleState

_HALF = MAX_SCORE // 2


@dataclass(frozen=True, slots=True)
class NodeResourcesBalancedAllocationArgs:
    """Arguments (`NodeResourcesBalancedAllocationArgs`)."""

    #: weights are always 1
    resources: tuple[ResourceSpec, ...] = CPU_AND_MEMORY


class BalancedAllocation(Score):
    """Prefers balance."""

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
        # Asked for every Pod: the usual case is written out.
        of: Sequence[Part] = state.read(self.name, tuple)
        if len(of) == 2:
            first, second = of
            has, other = first.allocatable.item(row), second.allocatable.item(row)
            if has > 0 and other > 0:
                used, also = first.requested.item(row), second.requested.item(row)
                apart = abs(min(used / has, 1.0) - min(also / other, 1.0))
                now = abs(min((used + first.amount) / has, 1.0) - min((also + second.amount) / other, 1.0))
                change = int((1.0 - now / 2) * MAX_SCORE) - int((1.0 - apart / 2) * MAX_SCORE)
                return _HALF + int((_HALF + change) / 2)
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
    """Return what `_balances` does where all have both, in place.

    For a Pod of a class of its own this is most of its decision.
    """
    first: NDArray[np.float64] = used[0] / sizes[0]
    np.minimum(first, 1.0, out=first)
    second: NDArray[np.float64] = used[1] / sizes[1]
    np.minimum(second, 1.0, out=second)
    first -= second
    np.abs(first, out=first)
    first /= 2
    np.subtract(1.0, first, out=first)
    first *= MAX_SCORE
    return first.astype(np.int64)


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
