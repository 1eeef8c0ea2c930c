"""PURE: what the cluster view keeps of a Pod and of a Node.

A Pod's word is kubectl's STATUS column, its health says how it is drawn. A Pod is in trouble when somebody
should look: it failed, a container cannot start or has failed and waits to be started again, no node takes it,
or its node is silent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.objects.nodes import allocatable
from vaina.objects.pods import FAILED, SUCCEEDED, is_ready, pod_requests
from vaina.objects.quantity import QuantityError
from vaina.printers.pod_summary import summarise

MIB: Final = 1024 * 1024
#: what a container says while nothing is wrong with it
_STARTING: Final = frozenset(("", "ContainerCreating", "PodInitializing"))
UNSCHEDULABLE: Final = "Unschedulable"
#: letters of a word; a status may have any number of them
MAX_WORD: Final = 64
_TRUE: Final = "True"


class Health(IntEnum):
    """How something is, in the order of how much it matters."""

    #: it does what it should
    WELL = 0
    #: it is on its way: not there yet, or ending
    WAITING = 1
    #: somebody should look
    TROUBLE = 2
    #: it has done what it should
    ENDED = 3


@dataclass(frozen=True, slots=True)
class PodRow:
    """A Pod."""

    namespace: str
    name: str
    uid: str
    #: empty: it has none
    node: str
    #: kind/name of its controller, or empty
    owner: str
    labels: Mapping[str, str]
    word: str
    health: Health
    #: requests, thousandths of a core and MiB
    cpu: int
    memory: int
    #: since when it is so, or was made; seconds since the epoch
    since: int
    restarts: int


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A Node."""

    name: str
    word: str
    health: Health
    #: what it has for Pods, thousandths of a core, MiB, and their number
    cpu: int
    memory: int
    pods: int


class Rows:
    """Makes rows. Pods that have the same labels share them."""

    #: sets of labels that are shared; beyond it all are forgotten
    MAX_LABELS: Final = 20_000

    def __init__(self) -> None:
        self._labels: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}

    def pod(self, pod: pod_pb2.Pod) -> PodRow:
        """Return what is shown of a Pod."""
        meta, owner = pod.metadata, controller_of(pod.metadata)
        summary = summarise(pod)
        health, word = _judge(pod, summary.status)
        cpu, memory = _requests(pod)
        return PodRow(
            meta.namespace, meta.name, meta.uid, pod.spec.node_name,
            f"{owner.kind}/{owner.name}" if owner is not None else "",
            self._shared(meta.labels), word[:MAX_WORD], health, cpu, memory, _since(pod), summary.restarts,
        )  # fmt: skip

    def _shared(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        key = tuple(sorted(labels.items()))
        known = self._labels.get(key)
        if known is None:
            if len(self._labels) >= self.MAX_LABELS:
                self._labels.clear()
            known = self._labels[key] = dict(key)
        return known


def node_row(node: node_pb2.Node) -> NodeRow:
    """Return what is shown of a Node."""
    ready = get_condition(node.status, "Ready")
    pressed = [
        condition.type
        for condition in node.status.conditions
        if condition.type != "Ready" and condition.status == _TRUE
    ]
    words = ["Unknown" if ready is None else "Ready" if ready.status == _TRUE else "NotReady", *pressed]
    health = Health.WELL if words == ["Ready"] else Health.TROUBLE
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
        health = max(health, Health.WAITING)
    try:
        has = allocatable(node)
    except QuantityError:
        has = {}
    return NodeRow(
        node.metadata.name, ",".join(words)[:MAX_WORD], health,
        has.get("cpu", 0), has.get("memory", 0) // MIB, has.get("pods", 0),
    )  # fmt: skip


def _requests(pod: pod_pb2.Pod) -> tuple[int, int]:
    try:
        asked = pod_requests(pod)
    except QuantityError:
        return 0, 0
    return asked.get("cpu", 0), asked.get("memory", 0) // MIB


def _judge(pod: pod_pb2.Pod, word: str) -> tuple[Health, str]:
    phase = pod.status.phase
    if pod.metadata.HasField("deletion_timestamp"):
        return (Health.TROUBLE if word == "Unknown" else Health.WAITING), word
    if phase == SUCCEEDED:
        return Health.ENDED, word
    if phase in (FAILED, "Unknown"):
        return Health.TROUBLE, word
    scheduled = get_condition(pod.status, "PodScheduled")
    if scheduled is not None and scheduled.status != _TRUE and scheduled.reason == UNSCHEDULABLE:
        return Health.TROUBLE, UNSCHEDULABLE
    if any(map(_is_failing, (*pod.status.init_container_statuses, *pod.status.container_statuses))):
        return Health.TROUBLE, word
    if phase == "Running" and is_ready(pod):
        return Health.WELL, word
    # "Running" would not say what it waits for.
    return Health.WAITING, "NotReady" if word == "Running" else word


def _is_failing(status: pod_pb2.ContainerStatus) -> bool:
    state = status.state
    if state.HasField("waiting"):
        return state.waiting.reason not in _STARTING
    return state.HasField("terminated") and state.terminated.exit_code != 0


def _since(pod: pod_pb2.Pod) -> int:
    moments: Iterable[Timestamp] = (
        condition.last_transition_time for condition in pod.status.conditions if condition.type == "Ready"
    )
    return next((one.seconds for one in moments if one.seconds), pod.metadata.creation_timestamp.seconds)
