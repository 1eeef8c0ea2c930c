"""SchedulingGates: a Pod with gates stays out of the queue until the last one is taken away (KEP-3521)."""

from types import MappingProxyType

from scheduler.columns.pod_info import PodClass
from scheduler.framework.plugin import Plugin


class SchedulingGates(Plugin):
    """Keeps gated Pods out of the queue."""

    #: nothing that happens to others: with its last gate gone a Pod asks something else, and comes in by that
    hints = MappingProxyType({})

    def pre_enqueue(self, pod: PodClass) -> str:
        return f"waiting for scheduling gates: [{' '.join(pod.gates)}]" if pod.gates else ""
