"""PURE: what etcd saw happen to what a scheduler decides by, and what of it that may not have seen yet."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.judge.reference import World
from bench.judge.reference.storage import StorageObject
from bench.judge.reference.world import Placed
from vaina.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2

#: changes by others that a scheduler may not have seen when it decided
LAG: Final = 300
#: changes of storage that are remembered besides, for each of these: what binds volumes writes some for each Pod
STORAGE_LAG: Final = 8
#: types of events: a Pod that waits has a node in view (status.nominatedNodeName), and no longer
IN_VIEW: Final = "IN_VIEW"
NOT_IN_VIEW: Final = "NOT_IN_VIEW"


@dataclass(frozen=True)
class Happened:
    """An event of a watch."""

    #: ADDED, MODIFIED, DELETED; of a watch of Pods that wait and have a node in view alone IN_VIEW, and
    #: NOT_IN_VIEW when they have left it
    type: str
    object: (
        pod_pb2.Pod
        | node_pb2.Node
        | namespace_pb2.Namespace
        | pod_disruption_budget_pb2.PodDisruptionBudget
        | StorageObject
    )

    @property
    def version(self) -> int:
        """The order of all that happened, over all kinds."""
        return int(self.object.metadata.resource_version or 0)


#: takes back in a world what somebody changed
Undo = Callable[[World], None]


class Lately:
    """What others changed, the last first: so many changes of nodes and Pods, and of storage in between."""

    def __init__(self, lag: int) -> None:
        self._lag, self._counted = lag, 0
        self._undo: deque[tuple[Undo, bool, tuple[Placed, ...]]] = deque(maxlen=lag * (1 + STORAGE_LAG))

    def __iter__(self) -> Iterator[tuple[Undo, tuple[Placed, ...]]]:
        return ((undo, pods) for undo, _, pods in reversed(self._undo))

    def append(self, undo: Undo, *pods: Placed, counts: bool = True) -> None:
        """Note a change.

        Args:
            undo: takes it back.
            pods: the Pod that changed, as it was and as it is; none: it was something else.
            counts: against the lag: one of a node or a Pod.
        """
        if not self._lag:
            return
        if len(self._undo) == self._undo.maxlen:
            self._counted -= self._undo[0][1]
        self._undo.append((undo, counts, pods))
        self._counted += counts
        while self._counted > self._lag:
            self._counted -= self._undo.popleft()[1]


def in_order(happened: Iterable[Happened]) -> Sequence[Happened]:
    """Return events in the order of their versions."""
    return sorted(happened, key=lambda one: one.version)


def is_unchanged(before: node_pb2.Node, after: node_pb2.Node) -> bool:
    """Say whether only a heartbeat came."""
    return (
        before.spec == after.spec
        and before.metadata.labels == after.metadata.labels
        and before.status.allocatable == after.status.allocatable
        and before.status.images == after.status.images
    )


def alike(pod: pod_pb2.Pod) -> bytes:
    """Return what Pods have in common that are decided alike."""
    alike = pod_pb2.Pod(spec=pod.spec)
    alike.metadata.namespace = pod.metadata.namespace
    alike.metadata.labels.update(pod.metadata.labels)
    return alike.SerializeToString(deterministic=True)


def is_terminating(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod is being deleted."""
    return pod.metadata.HasField("deletion_timestamp")


def name_of(pod: pod_pb2.Pod) -> str:
    """Return namespace/name."""
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
