"""PURE: what a DaemonSet does next: which nodes get a Pod, which Pods go, and what its status says.

Follows `manage`, `rollingUpdate`, NodeShouldRunDaemonPod and `updateDaemonSetStatus` of
`pkg/controller/daemon` (https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/). The scheduler
binds the Pods: each names its node by an affinity to metadata.name.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from controller.plans import copy_of, sooner
from controller.pods import available_in, is_ending, pod_from_template
from vaina.api.apps.v1 import daemon_set_pb2
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.backoff import Backoff
from vaina.clock import seconds_of
from vaina.kinds import DAEMON_SET
from vaina.objects.meta import new_controller_ref
from vaina.objects.nodes import selects, untolerated
from vaina.objects.pods import is_ready, is_terminal
from vaina.objects.rollouts import POD_TEMPLATE_GENERATION, REVISION_HASH, TEMPLATE_GENERATION, amount_of

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
    counted = daemon_set.metadata.annotations.get(TEMPLATE_GENERATION)
    if counted:
        pod.metadata.labels[POD_TEMPLATE_GENERATION] = counted
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


Status = daemon_set_pb2.DaemonSetStatus
Pods = Sequence[pod_pb2.Pod]


@dataclass(slots=True)
class Plan:
    """What to write. Empty: nothing until something changes."""

    create: list[str] = field(default_factory=list[str])
    delete: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    #: of those: Pods that ended by themselves
    ended: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    #: Pods that are not available, and go or get a second one only as long as that holds, without any bound
    unserving: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    status: Status | None = None
    #: when to look again, seconds from now
    wake_seconds: float | None = None

    @property
    def acts(self) -> bool:
        return bool(self.create or self.delete)


def reconcile(
    daemon_set: DaemonSet,
    nodes: Iterable[node_pb2.Node],
    pods: Pods,
    revision_hash: str,
    now: float,
    held_back: Collection[str] = frozenset(),
) -> Plan:
    """Decide for one DaemonSet.

    `pods` are those that it controls, `revision_hash` is of its template now, `held_back` are nodes on which
    a Pod that ended may not be replaced yet.
    """
    by_node: dict[str, list[pod_pb2.Pod]] = {}
    for pod in sorted(pods, key=_order):
        by_node.setdefault(node_of(pod), []).append(pod)
    # By name, so that two processes that both think they lead choose the same nodes first.
    named = {node.metadata.name: node for node in sorted(nodes, key=lambda node: node.metadata.name)}
    step = _Step(daemon_set, named, by_node, revision_hash, now)
    if not daemon_set.metadata.HasField("deletion_timestamp"):
        step.manage(held_back)
        if not step.plan.acts and daemon_set.spec.update_strategy.type == "RollingUpdate":
            step.roll()
    status = step.status()
    step.plan.status = None if status == daemon_set.status else status
    return step.plan


def _order(pod: pod_pb2.Pod) -> tuple[bool, float, str]:
    """Sort a node's Pods: bound ones first, then the oldest (podByCreationTimestampAndPhase)."""
    return not pod.spec.node_name, seconds_of(pod.metadata.creation_timestamp), pod.metadata.name


class _Step:
    """One look. Lives for one call."""

    def __init__(
        self,
        daemon_set: DaemonSet,
        nodes: Mapping[str, node_pb2.Node],
        by_node: Mapping[str, Pods],
        revision_hash: str,
        now: float,
    ) -> None:
        self.set, self.nodes, self.by_node = daemon_set, nodes, by_node
        self.hash, self.now, self.plan = revision_hash, now, Plan()
        self.fits = {name: fit(daemon_set, node) for name, node in nodes.items()}
        self.desired = sum(1 for found in self.fits.values() if found.runs)
        rolling = daemon_set.spec.update_strategy.rolling_update
        self.surge = amount_of(rolling.max_surge, self.desired, round_up=True)
        self.away = amount_of(rolling.max_unavailable, self.desired, round_up=True)
        if not self.surge and not self.away:
            # A share that rounds to no node: at least one has to move.
            self.away = 1

    def manage(self, held_back: Collection[str]) -> None:
        for name, found in self.fits.items():
            pods = self.by_node.get(name, ())
            if found.runs and not pods:
                self.plan.create.append(name)
            elif not found.stays:
                self.plan.delete.extend(pod for pod in pods if not is_ending(pod))
            else:
                self._clear(name, pods, held_back)
                if self.surge and found.runs and all(map(is_ending, pods)):
                    # With surge there may be two: the next Pod need not wait.
                    self.plan.create.append(name)
        for name, pods in self.by_node.items():
            # The Pod collector deletes bound Pods of lost nodes; a Pod without a node was changed by hand.
            if name and name not in self.nodes:
                self.plan.delete.extend(pod for pod in pods if not is_ending(pod) and not pod.spec.node_name)

    def _clear(self, node: str, pods: Pods, held_back: Collection[str]) -> None:
        running: list[pod_pb2.Pod] = []
        for pod in pods:
            if is_ending(pod):
                continue
            if is_terminal(pod):
                if node not in held_back:
                    self.plan.delete.append(pod)
                    self.plan.ended.append(pod)
            else:
                running.append(pod)
        if not self.surge:
            self.plan.delete.extend(running[1:])
            return
        new = [pod for pod in running if self._is_new(pod)]
        old = [pod for pod in running if not self._is_new(pod)]
        # The oldest of either may be there as long as the old one serves and the new one does not yet.
        self.plan.delete.extend([*new[1:], *old[1:]])
        if new and old and not is_ready(old[0]):
            self._replace(old[0])
        elif new and old and self._is_available(new[0]):
            self.plan.delete.append(old[0])

    def roll(self) -> None:
        if self.surge:
            self._roll_with_surge()
        else:
            self._roll_in_place()

    def _pair(self, name: str) -> tuple[pod_pb2.Pod | None, pod_pb2.Pod | None, bool]:
        """Return a node's Pods of the new and of an older template, and whether any is ending."""
        pods = self.by_node.get(name, ())
        steady = [pod for pod in pods if not is_ending(pod)]
        new = next((pod for pod in steady if self._is_new(pod)), None)
        old = next((pod for pod in steady if not self._is_new(pod)), None)
        return new, old, len(steady) < len(pods)

    def _roll_in_place(self) -> None:
        """Delete Pods of older templates, as many as may be away beside those that are.

        Also what is away on a node that should have none now counts, as upstream: a node that has fallen silent
        is none of those, and its daemon is away as well.
        """
        unavailable = 0
        candidates: list[pod_pb2.Pod] = []
        for name in self._rolled():
            new, old, _ = self._pair(name)
            if new is not None:
                unavailable += not self._is_available(new)
            elif old is None:
                unavailable += 1
            elif not self._is_available(old):
                # It is not available: its place may be taken at once.
                unavailable += 1
                self._replace(old)
            else:
                candidates.append(old)
        self.plan.delete.extend(candidates[: max(0, self.away - unavailable)])

    def _rolled(self) -> Iterator[str]:
        """Yield the nodes that should have a daemon, and those that have one that has not ended."""
        for name, found in self.fits.items():
            if found.runs or any(not is_terminal(pod) for pod in self.by_node.get(name, ())):
                yield name

    def _roll_with_surge(self) -> None:
        surging = 0
        candidates: list[str] = []
        for name in self._meant():
            new, old, ending = self._pair(name)
            if old is None:
                surging += ending and new is not None
            elif new is None:
                if self._is_available(old):
                    candidates.append(name)
                else:
                    self.plan.create.append(name)
                    self.plan.unserving.append(old)
            else:
                # `manage` decides when the old one may go.
                surging += 1
        self.plan.create.extend(candidates[: max(0, self.surge - surging)])

    def _replace(self, old: pod_pb2.Pod) -> None:
        self.plan.delete.append(old)
        self.plan.unserving.append(old)

    def _meant(self) -> list[str]:
        return [name for name, found in self.fits.items() if found.runs]

    def _is_new(self, pod: pod_pb2.Pod) -> bool:
        return pod.metadata.labels.get(REVISION_HASH) == self.hash

    def _is_available(self, pod: pod_pb2.Pod) -> bool:
        if not is_ready(pod):
            return False
        left = available_in(pod, self.set.spec.min_ready_seconds, self.now)
        if left > 0:
            self.plan.wake_seconds = sooner(self.plan.wake_seconds, left)
        return left <= 0

    def status(self) -> Status:
        status = copy_of(self.set.status)
        current = misplaced = ready = available = updated = 0
        for name, found in self.fits.items():
            pods = self.by_node.get(name, ())
            if not found.runs:
                misplaced += bool(pods)
                continue
            if not pods:
                continue
            current += 1
            # Of two Pods the first counts, as upstream: with surge a node is updated when its old Pod is gone.
            ready += is_ready(pods[0])
            available += self._is_available(pods[0])
            updated += self._is_new(pods[0])
        status.observed_generation = self.set.metadata.generation
        status.desired_number_scheduled, status.current_number_scheduled = self.desired, current
        status.number_misscheduled, status.number_ready = misplaced, ready
        status.number_available, status.number_unavailable = available, self.desired - available
        status.updated_number_scheduled = updated
        return status
