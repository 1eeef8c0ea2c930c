"""DeadlineSort: the Pod that must run soonest goes first (earliest deadline first).

The annotation `example.com/deadline` is a time (RFC 3339). Pods with one go before those without; these keep
the order of PrioritySort: priority, then waiting time.
"""

from datetime import datetime

from scheduler.framework.plugin import Plugin

DEADLINE = "example.com/deadline"


class DeadlineSort(Plugin):
    """Orders the queue."""

    def sort_key(self, pod):
        given = pod.info.pod.metadata.annotations.get(DEADLINE, "")
        try:
            deadline = datetime.fromisoformat(given).timestamp() if given else float("inf")
        except ValueError:
            # What cannot be read is no deadline.
            deadline = float("inf")
        return (deadline, -pod.info.pod_class.priority, pod.since)
