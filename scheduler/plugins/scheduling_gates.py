"""SchedulingGates: a Pod with gates in its spec stays out of the queue until the last one is taken away.

Follows KEP-3521.
"""

from scheduler.columns.pod_info import PodClass


class SchedulingGates:
    """Keeps gated Pods out of the queue."""

    name = "SchedulingGates"

    def pre_enqueue(self, pod: PodClass) -> str:
        """Say which gates are left."""
        return f"waiting for scheduling gates: [{' '.join(pod.gates)}]" if pod.gates else ""
