"""NodeResourcesBalancedAllocation: prefers nodes whose CPU and memory are used in like measure once the Pod is there.

The score is what the Pod does to the balance: 50 plus half of (50 + balance with it - balance without it), where the balance is
100 less the standard deviation of the used shares. Pods that request neither CPU nor memory are left out: they would all go
to one node.
"""

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import CPU, MEMORY, Rows, Snapshot
from scheduler.framework.interface import MAX_SCORE, Reach, Scores
from scheduler.framework.state import CycleState

_HALF = MAX_SCORE // 2


class BalancedAllocation:
    """Prefers balance."""

    name = "NodeResourcesBalancedAllocation"
    reach = Reach.ROW
    scales = False

    def pre_score(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> bool:
        cpu, memory = pod.request("cpu"), pod.request("memory")
        state.write(self.name, (cpu, memory))
        return cpu > 0 or memory > 0

    def score(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Scores:
        asked_cpu, asked_memory = state.read(self.name, tuple)
        all_cpu, all_memory = nodes.allocatable[CPU][rows], nodes.allocatable[MEMORY][rows]
        cpu, memory = nodes.requested[CPU][rows], nodes.requested[MEMORY][rows]
        both = (all_cpu > 0) & (all_memory > 0)
        after = _balance(_share(cpu + asked_cpu, all_cpu), _share(memory + asked_memory, all_memory), both)
        before = _balance(_share(cpu, all_cpu), _share(memory, all_memory), both)
        # Go's division cuts towards zero.
        return _HALF + np.trunc((_HALF + after - before) / 2).astype(np.int64)

    def score_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        all_cpu, all_memory = nodes.allocatable[CPU].item(row), nodes.allocatable[MEMORY].item(row)
        if all_cpu <= 0 or all_memory <= 0:
            return _HALF + _HALF // 2
        asked_cpu, asked_memory = state.read(self.name, tuple)
        cpu, memory = nodes.requested[CPU].item(row), nodes.requested[MEMORY].item(row)
        after = int(
            (
                1.0
                - abs(min((cpu + asked_cpu) / all_cpu, 1.0) - min((memory + asked_memory) / all_memory, 1.0))
                / 2
            )
            * MAX_SCORE
        )
        before = int((1.0 - abs(min(cpu / all_cpu, 1.0) - min(memory / all_memory, 1.0)) / 2) * MAX_SCORE)
        return _HALF + int((_HALF + after - before) / 2)

    def scale(self, raw: Scores, low: int, high: int) -> Scores:
        return raw


def _share(used: NDArray[np.int64], allocatable: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.minimum(used / np.maximum(allocatable, 1), 1.0)


def _balance(cpu: NDArray[np.float64], memory: NDArray[np.float64], both: NDArray[np.bool_]) -> Scores:
    # Of two shares the standard deviation is half of their distance; of one it is nothing.
    deviation = np.where(both, np.abs(cpu - memory) / 2, 0.0)
    return ((1.0 - deviation) * MAX_SCORE).astype(np.int64)
