"""PURE: a DaemonSet's Pod for a node: whether there should be one, what it looks like, how long it waits.

Follows `pkg/controller/daemon/util/daemonset_util.go` and NodeShouldRunDaemonPod of `daemon_controller.go`.
The scheduler binds the Pods: each names its node by an affinity to metadata.name.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from controller.pods import pod_from_template
from vaina.api.apps.v1 import daemon_set_pb2
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.backoff import Backoff
from vaina.kinds import DAEMON_SET
from vaina.objects.meta import new_controller_ref
from vaina.objects.nodes import selects, untolerated
from vaina.objects.rollouts import REVISION_HASH

DaemonSet = daemon_set_pb2.DaemonSet

_NODE: Final = "node.kubernetes.io/"
#: taints that do not keep a DaemonSet's Pods away, whatever the template says
_TOLERATED: Final = (
    (f"{_NODE}not-ready", "NoExecute"),
    (f"{_NODE}unreachable", "NoExecute"),
    (f"{_NODE}disk-pressure", "NoSchedule"),
    (f"{_NODE}memory-pressure", "NoSchedule"),
    (f"{_NODE}pid-pressure", "NoSchedule"),
    (f"{_NODE}unschedulable", "NoSchedule"),
)
_OF_THE_NETWORK: Final = (f"{_NODE}network-unavailable", "NoSchedule")
_FIELD: Final = "metadata.name"
_BACKOFF: Final = Backoff(base_seconds=1.0, cap_seconds=900.0)
#: seconds after which a node's count of ended Pods begins again
_FORGET_SECONDS: Final = 1800.0
#: nodes that are remembered, of all DaemonSets; the oldest is forgotten first
MAX_NODES: Final = 20_000


class Fit(NamedTuple):
    """What holds for a node."""

    runs: bool
    #: a Pod that is there may stay
    stays: bool


def tolerations_of(spec: pod_pb2.PodSpec) -> list[pod_pb2.Toleration]:
    """Return what a DaemonSet's Pods tolerate: what the template says, and what every daemon does."""
    found = [*spec.tolerations]
    wanted = [*_TOLERATED, _OF_THE_NETWORK] if spec.host_network else [*_TOLERATED]
    for key, effect in wanted:
        made = pod_pb2.Toleration(key=key, operator="Exists", effect=effect)
        if made not in found:
            found.append(made)
    return found


def fit(daemon_set: DaemonSet, node: node_pb2.Node) -> Fit:
    """Say whether a node should have a Pod, and may keep one."""
    spec = daemon_set.spec.template.spec
    if spec.node_name not in ("", node.metadata.name) or not selects(spec, node):
        return Fit(False, False)
    tolerations = tolerations_of(spec)
    if untolerated(tolerations, node.spec.taints, ("NoSchedule", "NoExecute")):
        return Fit(False, not untolerated(tolerations, node.spec.taints, ("NoExecute",)))
    return Fit(True, True)


def new_pod(daemon_set: DaemonSet, revision_hash: str, node: str, name: str) -> pod_pb2.Pod:
    """Return the Pod to create for a node, under a name."""
    reference = new_controller_ref(daemon_set, DAEMON_SET.api_version, DAEMON_SET.kind)
    pod = pod_from_template(daemon_set.spec.template, daemon_set.metadata, reference, name)
    pod.metadata.labels[REVISION_HASH] = revision_hash
    tolerations = tolerations_of(pod.spec)
    del pod.spec.tolerations[:]
    pod.spec.tolerations.extend(tolerations)
    required = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    # The template's own terms chose the node; the Pod names this node alone.
    del required.node_selector_terms[:]
    required.node_selector_terms.add().match_fields.add(key=_FIELD, operator="In", values=[node])
    return pod


def node_of(pod: pod_pb2.Pod) -> str:
    """Return the node that a Pod is on, or is made for; empty when neither can be told."""
    if pod.spec.node_name:
        return pod.spec.node_name
    required = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    for term in required.node_selector_terms:
        for item in term.match_fields:
            if item.key == _FIELD and item.operator == "In" and len(item.values) == 1:
                return item.values[0]
    return ""


@dataclass(slots=True)
class _Ends:
    count: int
    last: float


class EndedPods:
    """How long a node waits for a new Pod after one has ended there: 1 s, doubling to 15 min.

    By DaemonSet, its generation and node: one that was changed begins anew, as with upstream's
    `failedPodsBackoffKey`. Owned by the controller; times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int, str], _Ends] = {}

    def note(self, uid: str, generation: int, node: str, now: float) -> None:
        known = self._ends.pop((uid, generation, node), None)
        count = known.count + 1 if known is not None and now - known.last < _FORGET_SECONDS else 1
        self._ends[uid, generation, node] = _Ends(count, now)
        if len(self._ends) > MAX_NODES:
            del self._ends[next(iter(self._ends))]

    def wait(self, uid: str, generation: int, node: str, now: float) -> float:
        """Return the seconds until the next one may be deleted; 0: now."""
        known = self._ends.get((uid, generation, node))
        if known is None or now - known.last >= _FORGET_SECONDS:
            return 0.0
        return max(0.0, known.last + _BACKOFF.delay(known.count - 1) - now)
