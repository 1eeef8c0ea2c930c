"""PURE: the taints that follow from a node's conditions, and what NoExecute taints mean for a Pod.

Names, effects and the mapping are upstream's (nodelifecycle and tainteviction controllers).
"""

from collections.abc import Mapping, Sequence

from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import seconds_of, timestamp
from vaina.objects.conditions import find_condition
from vaina.objects.nodes import tolerates

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
#: of the tolerations that the apiserver gives to Pods without any (upstream: DefaultTolerationSeconds)
DEFAULT_TOLERATION_SECONDS = 300
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

_SILENT = (NOT_READY, UNREACHABLE)

#: condition type -> status -> taint
_BY_CONDITION = {
    "Ready": {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
#: (key, effect) of the taints that this controller adds and removes; it leaves all others alone
MANAGED = frozenset(
    {(key, NO_SCHEDULE) for statuses in _BY_CONDITION.values() for key in statuses.values()}
    | {(UNSCHEDULABLE, NO_SCHEDULE), (NOT_READY, NO_EXECUTE), (UNREACHABLE, NO_EXECUTE)}
)


def wants_no_execute(node: node_pb2.Node) -> bool:
    """Say whether a node's Ready condition calls for a NoExecute taint."""
    ready = find_condition(node.status.conditions, "Ready")
    return ready is not None and ready.status in _BY_CONDITION["Ready"]


def wanted_taints(node: node_pb2.Node, *, may_evict: bool) -> set[tuple[str, str]]:
    """Return key and effect of the taints that a node's conditions call for; NoExecute only with `may_evict`."""
    wanted: set[tuple[str, str]] = set()
    for condition_type, statuses in _BY_CONDITION.items():
        condition = find_condition(node.status.conditions, condition_type)
        key = statuses.get(condition.status) if condition is not None else None
        if key is not None:
            wanted.add((key, NO_SCHEDULE))
            if condition_type == "Ready" and may_evict:
                wanted.add((key, NO_EXECUTE))
    if node.spec.unschedulable:
        wanted.add((UNSCHEDULABLE, NO_SCHEDULE))
    return wanted


def compute_taints(
    node: node_pb2.Node, *, may_evict: bool, now: float, may_begin: bool = True
) -> tuple[node_pb2.Taint, ...] | None:
    """Return all taints that a node should have, or None when it has them. Taints of others stay as they are.

    Without `may_begin` a node that has no NoExecute taint gets none; one that it has follows its condition.
    """
    wanted = wanted_taints(node, may_evict=may_evict)
    has_one = any(taint.key in _SILENT and taint.effect == NO_EXECUTE for taint in node.spec.taints)
    if not may_begin and not has_one:
        wanted = {(key, effect) for key, effect in wanted if effect != NO_EXECUTE}
    kept = [
        taint
        for taint in node.spec.taints
        if (taint.key, taint.effect) not in MANAGED or (taint.key, taint.effect) in wanted
    ]
    there = {(taint.key, taint.effect) for taint in kept}
    added = [
        node_pb2.Taint(key=key, effect=effect, time_added=timestamp(now))
        for key, effect in sorted(wanted - there)
    ]
    if not added and len(kept) == len(node.spec.taints):
        return None
    return (*kept, *added)


def _is_default(toleration: pod_pb2.Toleration) -> bool:
    """Say whether the apiserver gave a Pod this toleration, or might have."""
    return (
        toleration.key in _SILENT
        and toleration.operator == "Exists"
        and toleration.effect == NO_EXECUTE
        and toleration.toleration_seconds == DEFAULT_TOLERATION_SECONDS
    )


class FirstSeen:
    """When NoExecute taints that do not say when they were added were seen first.

    Upstream likewise keeps what it has scheduled for a Pod, and forgets it when it ends (`processPodOnNode`
    in `pkg/controller/tainteviction/taint_eviction.go`). Owned by the controller.
    """

    def __init__(self) -> None:
        #: by node, and by key and effect
        self._nodes: dict[str, dict[tuple[str, str], float]] = {}

    def look(self, node: node_pb2.Node, now: float) -> Mapping[tuple[str, str], float]:
        """Note a node's taints; return since when those without a time are there, by key and effect."""
        known = self._nodes.get(node.metadata.name, {})
        found = {
            (taint.key, taint.effect): known.get((taint.key, taint.effect), now)
            for taint in node.spec.taints
            if taint.effect == NO_EXECUTE and not taint.HasField("time_added")
        }
        if found:
            self._nodes[node.metadata.name] = found
        else:
            self._nodes.pop(node.metadata.name, None)
        return found

    def forget(self, name: str) -> None:
        self._nodes.pop(name, None)


def eviction_of(
    pod: pod_pb2.Pod,
    taints: Sequence[node_pb2.Taint],
    seen: Mapping[tuple[str, str], float],
    *,
    default_seconds: float,
    now: float,
) -> float | None:
    """Return when NoExecute taints drive a Pod away, in seconds since the epoch; None: it may stay.

    `seen` says since when taints without a time are there, by key and effect (`FirstSeen`). `default_seconds`
    is for the taints of a silent node, when the Pod says nothing of its own: the apiserver gives every such
    Pod tolerations of 300 s, as upstream's admission does, and exactly those count as saying nothing.

    For a taint that was there before the Pod, time begins when the Pod comes to the node, as upstream; when
    nobody says when that was, with its creation.
    """
    times: list[float] = []
    came = find_condition(pod.status.conditions, "PodScheduled")
    bound = seconds_of(pod.metadata.creation_timestamp)
    if came is not None and came.status == "True":
        bound = max(bound, seconds_of(came.last_transition_time))
    for taint in taints:
        if taint.effect != NO_EXECUTE:
            continue
        there = seen.get((taint.key, taint.effect), now)
        if taint.HasField("time_added"):
            there = seconds_of(taint.time_added)
        since = max(there, bound)
        matching = [item for item in pod.spec.tolerations if tolerates(item, taint)]
        if taint.key in _SILENT and all(_is_default(item) for item in matching):
            times.append(since + default_seconds)
            continue
        if not matching:
            times.append(there)
            continue
        limits = [item.toleration_seconds for item in matching if item.HasField("toleration_seconds")]
        if limits:
            times.append(since + max(min(limits), 0))
    return min(times, default=None)
