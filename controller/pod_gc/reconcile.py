"""PURE: which Pods nobody else will remove. Follows upstream's pkg/controller/podgc."""

from collections.abc import Collection, Sequence

from controller.pods import is_ending
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import seconds_of
from vaina.objects.nodes import is_ready
from vaina.objects.pods import is_terminal

#: a person gives it to a node that is off and stays off for a while
OUT_OF_SERVICE_TAINT = "node.kubernetes.io/out-of-service"


#: why Pods are removed, in upstream's words: their node is no more; they are ending on a node that is out of
#: service, or were never given to one, so that no kubelet will end them; they have ended, and are too many
ORPHANED, OUT_OF_SERVICE, UNSCHEDULED, TERMINATED = "orphaned", "out-of-service", "unscheduled", "terminated"


def is_out_of_service(node: node_pb2.Node) -> bool:
    """Say whether a person has marked a node as one that is off, and it is not ready.

    https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown
    """
    return not is_ready(node) and any(taint.key == OUT_OF_SERVICE_TAINT for taint in node.spec.taints)


def reconcile(
    pods: Sequence[pod_pb2.Pod],
    *,
    absent_nodes: Collection[str],
    keep_terminated: int,
    out_of_service: Collection[str] = (),
) -> dict[str, list[pod_pb2.Pod]]:
    """Return the Pods to delete without grace, by why; of ended ones `keep_terminated` may stay (0: all).

    `absent_nodes` were asked for and certainly do not exist; of `out_of_service` nodes `is_out_of_service`
    holds.
    """
    orphaned = [pod for pod in pods if pod.spec.node_name in absent_nodes]
    ending = [pod for pod in pods if is_ending(pod)]
    unscheduled = [pod for pod in ending if not pod.spec.node_name]
    given_up = sorted(
        (
            pod
            for pod in ending
            if pod.spec.node_name in out_of_service and pod.spec.node_name not in absent_nodes
        ),
        key=_order,
    )
    gone = {pod.metadata.uid for pod in given_up}
    ended = [
        pod
        for pod in pods
        if is_terminal(pod) and pod.spec.node_name not in absent_nodes and pod.metadata.uid not in gone
    ]
    ended.sort(key=_order)
    surplus = ended[:-keep_terminated] if keep_terminated > 0 else []
    return {ORPHANED: orphaned, OUT_OF_SERVICE: given_up, UNSCHEDULED: unscheduled, TERMINATED: surplus}


def _order(pod: pod_pb2.Pod) -> tuple[bool, float, str]:
    """Sort evicted Pods first, then the oldest (byEvictionAndCreationTimestamp)."""
    evicted = pod.status.phase == "Failed" and pod.status.reason == "Evicted"
    return not evicted, seconds_of(pod.metadata.creation_timestamp), pod.metadata.name


class AbsentNodes:
    """Node names that Pods have and no node has, with since when. Owned by the Pod collector."""

    def __init__(self, quarantine_seconds: float) -> None:
        self._quarantine, self._since = quarantine_seconds, dict[str, float]()

    def observe(self, used: Collection[str], existing: Collection[str], now: float) -> frozenset[str]:
        """Return the names that have been absent for the whole quarantine; `now` is monotonic seconds."""
        absent = {name for name in used if name and name not in existing}
        self._since = {name: self._since.get(name, now) for name in absent}
        return frozenset(name for name, since in self._since.items() if now - since >= self._quarantine)
