"""PrioritySort and SchedulingGates: which Pod is next in the queue, and which stay out of it."""

from types import MappingProxyType

from scheduler.columns.pod_info import PodClass
from scheduler.framework.binding_points import InQueue
from scheduler.framework.plugin import Plugin


class PrioritySort:
    """Pods of a higher priority first, among equals those that have waited longer."""

    name = "PrioritySort"

    def sort_key(self, pod: InQueue) -> tuple[float, ...]:
        return (-pod.info.pod_class.priority, pod.since)


class SchedulingGates(Plugin):
    """Keeps a Pod with gates out of the queue until the last one is taken away (KEP-3521)."""

    #: nothing that happens to others: with its last gate gone a Pod asks something else, and comes in by that
    hints = MappingProxyType({})

    def pre_enqueue(self, pod: PodClass) -> str:
        return f"waiting for scheduling gates: [{' '.join(pod.gates)}]" if pod.gates else ""
