"""SchedulingGates: a Pod with gates in its spec stays out of the queue until the last one is taken away.

Follows KEP-3521.
"""

from collections.abc import Mapping
from types import MappingProxyType

from scheduler.columns.pod_info import PodClass
from scheduler.framework.events import ClusterEvent, Hint


class SchedulingGates:
    """Keeps gated Pods out of the queue."""

    name = "SchedulingGates"
    #: nothing that happens to others: with its last gate gone a Pod asks something else, and comes in by that
    hints: Mapping[ClusterEvent, Hint] = MappingProxyType({})

    def pre_enqueue(self, pod: PodClass) -> str:
        """Say which gates are left."""
        return f"waiting for scheduling gates: [{' '.join(pod.gates)}]" if pod.gates else ""
