"""PrioritySort: Pods of a higher priority first, among equals those that have waited longer (upstream's QueueSort plugin)."""


def sort_key(priority: int, since: float) -> tuple[int, float]:
    """Return what Pods in the active queue are ordered by, smallest first.

    Args:
        priority: spec.priority.
        since: when the Pod came to the queue, in seconds.
    """
    return (-priority, since)
