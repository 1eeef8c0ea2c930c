"""PURE: which Pods go first when there are too many. The order of upstream's ActivePodsWithRanks.

Unassigned before assigned; Pending before Unknown before Running; not ready before ready; lower deletion cost; nodes with
more replicas; ready for a shorter time; more restarts; newer. Times count by the power of two of their age, so that not only
the newest go; the uid breaks ties, so that the choice is the same for everybody who sees the same Pods.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects.pods import get_condition, is_ready

#: annotation of a Pod: lower goes first
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def choose_victims(
    pods: Sequence[pod_pb2.Pod], count: int, *, now: float, related: Iterable[pod_pb2.Pod] = ()
) -> tuple[pod_pb2.Pod, ...]:
    """Return the `count` Pods to delete.

    Args:
        pods: the active Pods of the controller.
        count: how many are too many.
        now: seconds since the epoch.
        related: active Pods of controllers with the same owner; they count for how crowded a node is.
    """
    if count >= len(pods):
        return tuple(pods)
    uids = {pod.metadata.uid for pod in pods}
    crowd = Counter(pod.spec.node_name for pod in pods)
    crowd.update(pod.spec.node_name for pod in related if pod.metadata.uid not in uids)
    return tuple(sorted(pods, key=lambda pod: _rank(pod, crowd, now))[:count])


def _rank(pod: pod_pb2.Pod, crowd: Counter[str], now: float) -> tuple[object, ...]:
    ready = is_ready(pod)
    restarts = max((status.restart_count for status in pod.status.container_statuses), default=0)
    return (
        bool(pod.spec.node_name),
        _PHASES.get(pod.status.phase, 2),
        ready,
        _deletion_cost(pod),
        -crowd[pod.spec.node_name],
        _age_rank(_ready_since(pod), now) if ready else 0,
        -restarts,
        _age_rank(seconds_of(pod.metadata.creation_timestamp), now),
        pod.metadata.uid,
    )


def _age_rank(since: float, now: float) -> int:
    """The power of two of an age in nanoseconds; -1 for an age that is none."""
    nanoseconds = round((now - since) * 1e9)
    return nanoseconds.bit_length() - 1 if nanoseconds > 0 else -1


def _ready_since(pod: pod_pb2.Pod) -> float:
    condition = get_condition(pod.status, "Ready")
    return seconds_of(condition.last_transition_time) if condition is not None else 0.0


def _deletion_cost(pod: pod_pb2.Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0
