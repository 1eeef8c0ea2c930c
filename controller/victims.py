"""PURE: which Pods go first when there are too many. The order of upstream's ActivePodsWithRanks.

Unassigned before assigned; Pending before Unknown before Running; not ready before ready; lower deletion
cost; nodes with more replicas; ready for a shorter time; more restarts; newer. Times count by the power of
two of their age, so that not only the newest go. The uid breaks ties, so that the choice is always the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects.integers import parse_int
from vaina.objects.pods import get_condition, is_ready

#: annotation of a Pod: lower goes first
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def choose_victims(
    pods: Sequence[pod_pb2.Pod], count: int, *, now: float, related: Iterable[pod_pb2.Pod] = ()
) -> tuple[pod_pb2.Pod, ...]:
    """Return the `count` Pods to delete of a controller's active ones.

    `related` are active Pods of controllers with the same owner; they count for how crowded a node is.
    """
    if count >= len(pods):
        return tuple(pods)
    uids = {pod.metadata.uid for pod in pods}
    crowd = Counter(pod.spec.node_name for pod in pods)
    crowd.update(pod.spec.node_name for pod in related if pod.metadata.uid not in uids)
    # The first half of the rank leaves few Pods to compare by the rest, which costs three times as much.
    coarse = [_coarse_rank(pod, crowd) for pod in pods]
    worst = sorted(coarse)[count - 1] if count > 0 else ()
    near = [(rank, pod) for rank, pod in zip(coarse, pods, strict=True) if rank <= worst]
    near.sort(key=lambda one: (one[0], _fine_rank(one[1], now)))
    return tuple(pod for _, pod in near[:count])


def age_ratios(pods: Sequence[pod_pb2.Pod], victims: Sequence[pod_pb2.Pod], now: float) -> list[float]:
    """Return the age of each ready victim by that of the youngest ready Pod, in whole numbers.

    Upstream's are whole too; there are none when all Pods go.
    """
    if len(victims) >= len(pods):
        return []
    youngest = max(
        (seconds_of(pod.metadata.creation_timestamp) for pod in pods if is_ready(pod)), default=now
    )
    least = round((now - youngest) * 1000)
    if least <= 0:
        return []
    ages = (now - seconds_of(pod.metadata.creation_timestamp) for pod in victims if is_ready(pod))
    return [float(round(age * 1000) // least) for age in ages]


def _coarse_rank(pod: pod_pb2.Pod, crowd: Counter[str]) -> tuple[int, ...]:
    node = pod.spec.node_name
    return bool(node), _PHASES.get(pod.status.phase, 2), is_ready(pod), _deletion_cost(pod), -crowd[node]


def _fine_rank(pod: pod_pb2.Pod, now: float) -> tuple[object, ...]:
    restarts = 0
    for status in pod.status.container_statuses:
        restarts = max(restarts, status.restart_count)
    ready = get_condition(pod.status, "Ready")
    since = ready.last_transition_time if ready is not None and ready.status == "True" else None
    return (
        _age_rank(seconds_of(since), now) if since is not None else 0,
        -restarts,
        _age_rank(seconds_of(pod.metadata.creation_timestamp), now),
        pod.metadata.uid,
    )


def _age_rank(since: float, now: float) -> int:
    """Return the power of two of an age in nanoseconds; -1 for an age of 0 or less."""
    nanoseconds = round((now - since) * 1e9)
    return nanoseconds.bit_length() - 1 if nanoseconds > 0 else -1


def _deletion_cost(pod: pod_pb2.Pod) -> int:
    """Return a Pod's deletion cost; 0 for a text that the apiserver would not take, as upstream."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    cost = parse_int(text, bits=32)
    return cost if cost is not None and str(cost) == text else 0
