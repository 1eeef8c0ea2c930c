"""What the watches show, brought into cache and queue. Batch by batch, never across an await.

Level-triggered: each Pod is looked at as it is now, and put where it belongs; what an event is called does
not matter. Called by the informers' tasks, on the loop of the scheduling task.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from scheduler.cache.cache import Cache
from scheduler.columns.node_info import NodeChange, NodeInfo, compile_node
from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME, NOT_STARTED, PodCompiler, PodInfo
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.queue.scheduling_queue import SchedulingQueue
from vaina.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from vaina.clock import Clock
from vaina.objects.pods import is_resized

log = structlog.stdlib.get_logger(__name__)

_NODE_EVENTS = (
    (NodeChange.ADDED, ClusterEvent.NODE_ADD),
    (NodeChange.ALLOCATABLE, ClusterEvent.NODE_UPDATE_ALLOCATABLE),
    (NodeChange.LABELS, ClusterEvent.NODE_UPDATE_LABEL),
    (NodeChange.TAINTS, ClusterEvent.NODE_UPDATE_TAINT),
    (NodeChange.FEATURES, ClusterEvent.NODE_UPDATE_FEATURES),
)
_TERMINAL = ("Succeeded", "Failed")


class Expectant(Protocol):
    """Who keeps room for Pods that are to come (`scheduler.preempting`)."""

    def observe(self, info: PodInfo) -> None:
        """A Pod has no node; its status may say which it has in view."""

    def placed(self, uid: str, node_name: str) -> None:
        """A Pod has a node."""

    def gone(self, uid: str) -> None:
        """A Pod is no more."""

    def room_on(self, node_name: str) -> None:
        """There may be room on a node that was not there before."""

    def node_gone(self, node_name: str) -> None:
        """A node is no more."""


class EventHandlers:
    """Keeps cache and queue true. Owned by the scheduling task."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        cache: Cache,
        queue: SchedulingQueue,
        *,
        compiler: PodCompiler,
        clock: Clock,
        scheduler_names: frozenset[str],
        heard: frozenset[ClusterEvent],
        settle: Callable[[str, str], None],
        expectant: Expectant,
        wake: Callable[[], None],
        observe: Callable[[ClusterEvent, Sequence[float]], None] = lambda _event, _seconds: None,
    ) -> None:
        """Make the handlers; `heard` are the events that some plugin listens to.

        `settle` is told where a Pod is (binding), or that there is no more to say of it (no node).
        Pods of other schedulers than `scheduler_names` are counted when they are bound, and otherwise left
        alone.
        """
        self._cache, self._queue, self._compiler, self._clock = cache, queue, compiler, clock
        self._scheduler_names, self._heard, self._settle, self._wake = scheduler_names, heard, settle, wake
        self._expectant, self._observe = expectant, observe
        #: event -> seconds that the queue took, for those that were not told of yet
        self._took: dict[ClusterEvent, list[float]] = {}

    def on_pods(self, changes: Sequence[tuple[pod_pb2.Pod | None, pod_pb2.Pod | None]]) -> None:
        for old, new in changes:
            if new is None:
                assert old is not None
                self._gone(old)
            elif new.status.phase in _TERMINAL:
                # What has ended takes no room, though its object stays.
                self._gone(new)
            elif new.spec.node_name:
                self._bound(new, new.spec.node_name)
            else:
                self._pending(new)
        self._tell()

    def on_nodes(self, changes: Sequence[tuple[node_pb2.Node | None, node_pb2.Node | None]]) -> None:
        for old, new in changes:
            if new is not None:
                self._node(new)
            elif old is not None:
                before = self._cache.remove_node(old.metadata.name)
                self._expectant.node_gone(old.metadata.name)
                self._happened(ClusterEvent.NODE_DELETE, before, None)
        self._tell()

    def on_namespaces(
        self, changes: Sequence[tuple[namespace_pb2.Namespace | None, namespace_pb2.Namespace | None]]
    ) -> None:
        for old, new in changes:
            if new is not None:
                self._cache.table.set_namespace(new.metadata.name, new.metadata.labels)
            elif old is not None:
                self._cache.table.set_namespace(old.metadata.name, None)

    def _node(self, node: node_pb2.Node) -> None:
        try:
            info = compile_node(node)
        except ValueError as error:
            log.warning("node cannot be read", node=node.metadata.name, error=str(error))
            return
        before: NodeInfo | None = self._cache.node(info.name)
        change = self._cache.upsert_node(info)
        for flag, event in _NODE_EVENTS:
            if flag in change:
                self._happened(event, before, info)
        if change:
            self._expectant.room_on(info.name)

    def _bound(self, pod: pod_pb2.Pod, node_name: str) -> None:
        meta = pod.metadata
        uid = meta.uid
        held = self._cache.get(uid)
        info: PodInfo | None
        if (
            held is not None
            and held.info.generation == meta.generation
            and not held.info.resized
            and held.info.pod_class.group.is_of(meta)
            and not is_resized(pod)
        ):
            if not held.assumed and held.node_name == node_name:
                # Its status changed: nothing to the columns, but to the order of victims, where the longest
                # running ones come last.
                if held.info.started == NOT_STARTED and pod.status.HasField("start_time"):
                    self._cache.refresh(held.info.at(node_name, pod))
                return
            # Other changes of the spec would have moved the generation, but for labels and a resize.
            info = held.info.at(node_name, pod)
        else:
            info = self._compile(pod)
        if info is None:
            return
        before = self._cache.put(info)
        self._queue.delete(uid)
        self._expectant.placed(uid, info.node_name)
        self._settle(uid, info.node_name)
        if before is None or before.assumed:
            self._happened(ClusterEvent.ASSIGNED_POD_ADD, None, info)
        elif before.info.pod_class is not info.pod_class:
            if before.info.pod_class.group is not info.pod_class.group:
                self._happened(ClusterEvent.ASSIGNED_POD_UPDATE_LABEL, before.info, info)
            if before.info.pod_class.shape is not info.pod_class.shape:
                self._happened(ClusterEvent.ASSIGNED_POD_SCALE_DOWN, before.info, info)

    def _pending(self, pod: pod_pb2.Pod) -> None:
        uid = pod.metadata.uid
        ours = (pod.spec.scheduler_name or DEFAULT_SCHEDULER_NAME) in self._scheduler_names
        if not ours or pod.metadata.HasField("deletion_timestamp"):
            self._queue.delete(uid)
            self._expectant.gone(uid)
            return
        if uid not in self._queue and self._cache.get(uid) is not None:
            # Bound as far as we know; the watch is behind us.
            return
        info = self._compile(pod)
        if info is not None:
            self._expectant.observe(info)
            self._queue.add(info, now=self._clock.monotonic())

    def _gone(self, pod: pod_pb2.Pod) -> None:
        uid = pod.metadata.uid
        self._queue.delete(uid)
        held = self._cache.get(uid)
        info = self._cache.remove(uid)
        self._expectant.gone(uid)
        self._settle(uid, "")
        if info is not None and held is not None:
            # One that was only assumed there does not say so itself.
            self._happened(ClusterEvent.ASSIGNED_POD_DELETE, info.at(held.node_name), None)
            self._expectant.room_on(held.node_name)

    def _compile(self, pod: pod_pb2.Pod) -> PodInfo | None:
        try:
            return self._compiler.compile(pod)
        except ValueError as error:
            # Validation refuses such a Pod; one that is there all the same must not stop the others.
            log.warning(
                "pod cannot be read", pod=f"{pod.metadata.namespace}/{pod.metadata.name}", error=str(error)
            )
            return None

    def _happened(self, event: ClusterEvent, before: Changed, after: Changed) -> None:
        if event in self._heard:
            now = self._clock.monotonic()
            self._queue.on_event(event, before, after, now=now)
            self._took.setdefault(event, []).append(self._clock.monotonic() - now)

    def _tell(self) -> None:
        took, self._took = self._took, {}
        for event, seconds in took.items():
            self._observe(event, seconds)
        self._wake()
