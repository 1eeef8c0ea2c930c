"""PrioritySort: Pods of a higher priority first, among equals those that have waited longer (upstream's
QueueSort plugin).
"""

from scheduler.framework.binding_points import InQueue


class PrioritySort:
    """The order of the queue, unless a profile has another."""

    name = "PrioritySort"

    def sort_key(self, pod: InQueue) -> tuple[float, ...]:
        return (-pod.info.pod_class.priority, pod.since)
