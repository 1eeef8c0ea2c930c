"""PURE: when a node was last heard of, and what to do about it and its Pods.

Follows upstream's pkg/controller/nodelifecycle and tainteviction. Beyond them, the Pods of a node that does
not answer get phase Unknown, reason NodeLost, until the kubelet's next report.

A sign of life is a change of the node's Lease, or of the heartbeat in its Ready condition, by this
controller's own clock; what the clocks of nodes say does not matter. A controller that has just started gives
every node the full time; but the time of one that never reported began when it was made (`tryUpdateNodeHealth`
in `node_lifecycle_controller.go`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from controller.node_lifecycle.taints import compute_taints, eviction_of
from controller.plans import copy_of, sooner
from controller.pods import with_target_condition
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import find_condition, get_condition, set_condition
from vaina.objects.pods import is_mirror, is_terminal

#: conditions that a kubelet reports; they become Unknown when it falls silent
REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
NODE_LOST = "NodeLost"
NOTHING_SEEN: Final[Mapping[tuple[str, str], float]] = {}


class Life(Enum):
    """What is known of a node's kubelet."""

    #: it has given a sign in time
    HEARD = "heard"
    SILENT = "silent"
    #: it has not reported a status since the node was made, and should have
    NEVER_HEARD = "never heard"


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What to write. All empty: nothing."""

    conditions: tuple[node_pb2.NodeCondition, ...] = ()
    #: all taints, or None when they are right
    taints: tuple[node_pb2.Taint, ...] | None = None
    #: Pods with the status to write, as of the version that was judged
    lost: tuple[pod_pb2.Pod, ...] = ()
    evict: tuple[pod_pb2.Pod, ...] = ()
    #: when the next Pod must go, seconds from now
    wake_seconds: float | None = None


def reconcile(  # noqa: PLR0913 - what is known of a node, each by its name
    node: node_pb2.Node,
    pods: Sequence[pod_pb2.Pod],
    *,
    life: Life,
    may_evict: bool,
    default_seconds: float,
    now: float,
    seen: Mapping[tuple[str, str], float] = NOTHING_SEEN,
    may_begin: bool = True,
) -> NodePlan:
    """Decide what to do for one node and the Pods that are bound to it.

    `may_evict`: anything may be driven from anywhere; not while most nodes seem gone (I13). `may_begin`: this
    node may begin to be driven empty, since its zone has a token for it (`zones`). `default_seconds`: how
    long a Pod that says nothing may stay on a silent node. `seen`: since when NoExecute taints without a time
    are there (`FirstSeen`).
    """
    conditions = _silence(node, life, now)
    after = node
    if conditions:
        after = copy_of(node)
        for condition in conditions:
            set_condition(after.status, condition, now)
    taints = compute_taints(after, may_evict=may_evict, now=now, may_begin=may_begin)
    ready = find_condition(after.status.conditions, "Ready")
    silent = life is not Life.HEARD and ready is not None and ready.status == "Unknown"
    lost = tuple(
        _lost(pod, node.metadata.name, now)
        for pod in pods
        if silent and not is_terminal(pod) and (pod.status.phase, pod.status.reason) != ("Unknown", NODE_LOST)
    )
    evict: list[pod_pb2.Pod] = []
    wake: float | None = None
    if may_evict:
        effective = taints if taints is not None else tuple(node.spec.taints)
        for pod in pods:
            if pod.metadata.HasField("deletion_timestamp") or is_terminal(pod) or is_mirror(pod):
                continue
            at = eviction_of(pod, effective, seen, default_seconds=default_seconds, now=now)
            if at is None:
                continue
            if at <= now:
                evict.append(pod)
            else:
                wake = sooner(wake, at - now)
    return NodePlan(conditions=conditions, taints=taints, lost=lost, evict=tuple(evict), wake_seconds=wake)


def is_news(node: node_pb2.Node) -> bool:
    """Say whether a node that is silent now has not been written off yet."""
    ready = find_condition(node.status.conditions, "Ready")
    return ready is None or ready.status != "Unknown"


def _silence(node: node_pb2.Node, life: Life, now: float) -> tuple[node_pb2.NodeCondition, ...]:
    if life is Life.HEARD:
        return ()
    wanted = []
    for condition_type in REPORTED:
        known = find_condition(node.status.conditions, condition_type)
        if known is None:
            condition = node_pb2.NodeCondition(
                type=condition_type, status="Unknown", reason="NodeStatusNeverUpdated",
                message="Kubelet never posted node status.",
            )  # fmt: skip
        elif known.status != "Unknown":
            condition = node_pb2.NodeCondition(
                type=condition_type, status="Unknown", reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
            )  # fmt: skip
            condition.last_heartbeat_time.CopyFrom(known.last_heartbeat_time)
        else:
            continue
        condition.last_transition_time.CopyFrom(timestamp(now))
        wanted.append(condition)
    return tuple(wanted)


def _lost(pod: pod_pb2.Pod, node: str, now: float) -> pod_pb2.Pod:
    lost = copy_of(pod)
    lost.status.phase, lost.status.reason = "Unknown", NODE_LOST
    lost.status.message = f"Node {node} which was running pod {pod.metadata.name} is unresponsive"
    ready = get_condition(lost.status, "Ready")
    if ready is not None and ready.status == "True":
        ready.status = "False"
        ready.last_transition_time.CopyFrom(timestamp(now))
    return lost


def driven_away(pod: pod_pb2.Pod, now: float) -> pod_pb2.Pod:
    """Return what to write of a Pod's status before it is deleted for a NoExecute taint."""
    message = "Taint manager: deleting due to NoExecute taint"
    return with_target_condition(pod, "True", now, reason="DeletionByTaintManager", message=message)


def is_written_off(node: node_pb2.Node) -> bool:
    """Say whether a node's Ready condition says that it fell silent, and its kubelet has not reported since."""
    ready = find_condition(node.status.conditions, "Ready")
    return ready is not None and ready.status == "Unknown"


def suspects_itself(silent: int, total: int, threshold: float) -> bool:
    """Say whether so many nodes are silent that the fault is more likely on this side (I13; 0.55 upstream)."""
    return silent > 0 and silent / total >= threshold


@dataclass(slots=True)
class Heartbeat:
    """What is known of one node."""

    #: monotonic seconds of the last sign
    heard: float
    #: the values that must change
    lease: tuple[int, int] = (0, 0)
    status: int = 0
    #: whether a Ready condition has been reported at all
    reported: bool = False


class Heartbeats:
    """By node. Owned by the node life-cycle controller."""

    def __init__(self, *, grace_seconds: float, startup_grace_seconds: float) -> None:
        self._grace, self._startup_grace = grace_seconds, startup_grace_seconds
        self._by_node: dict[str, Heartbeat] = {}

    def on_node(self, name: str, *, heartbeat: int | None, now: float, age: float = 0.0) -> None:
        """Take note of a node's status.

        `heartbeat` is of its Ready condition, seconds since the epoch, None when it has never been reported;
        `now` is monotonic seconds, `age` the seconds since the node was made.
        """
        heard = now - max(age, 0.0) if heartbeat is None else now
        known = self._by_node.setdefault(name, Heartbeat(heard=heard))
        if heartbeat is not None:
            if heartbeat != known.status or not known.reported:
                known.heard = now
            known.status, known.reported = heartbeat, True

    def on_lease(self, name: str, renewed: tuple[int, int], *, now: float) -> None:
        """Note the renewal of a Lease; one without a node is left out: it would make the next of the name
        look old.
        """
        known = self._by_node.get(name)
        if known is not None and renewed != known.lease:
            known.lease, known.heard = renewed, now

    def forget(self, name: str) -> None:
        self._by_node.pop(name, None)

    def life(self, name: str, now: float) -> Life:
        known = self._by_node.get(name)
        if known is None:
            return Life.HEARD
        if known.reported:
            return Life.SILENT if now - known.heard > self._grace else Life.HEARD
        return Life.NEVER_HEARD if now - known.heard > self._startup_grace else Life.HEARD
