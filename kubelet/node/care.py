"""What a node does for itself beside its Pods.

It measures, makes room, evicts, and keeps the tree of cgroups. Shell.

Made by `kubelet.build` for nodes that run something (hollow ones have nothing to measure). One TaskGroup, run
by the node's manager.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from kubelet.config import KubeletConfig
from kubelet.containers.cgroups import (
    CgroupLimits,
    burstable_limits,
    pod_cgroup,
    pod_cgroup_limits,
    qos_cgroup,
)
from kubelet.containers.resources import cpu_shares
from kubelet.decide.resize import IN_PROGRESS
from kubelet.decide.termination import Verdict
from kubelet.eviction.manager import Eviction, EvictionManager, EvictionSettings
from kubelet.eviction.ranking import REASON
from kubelet.eviction.signals import Observation, Signal, parse_thresholds
from kubelet.images.collector import ImageCollector
from kubelet.images.inventory import ImagePolicy
from kubelet.machine.capacity import Resources
from kubelet.machine.cgroups import PodCgroups
from kubelet.metrics import KubeletMetrics
from kubelet.pod.tools import EventSink
from kubelet.pod.workers import PodWorkers
from kubelet.runtime.interface import ImageService, Runtime, RuntimeFailure
from kubelet.runtime.records import Uid
from kubelet.stats.provider import NodeStats
from kubelet.stats.sampler import Sampler
from kubelet.status.node_status import NodeSeen
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import Clock
from vaina.objects.conditions import get_condition
from vaina.objects.pods import BEST_EFFORT, BURSTABLE

log = structlog.stdlib.get_logger(__name__)

#: how often the shares of the QoS classes are brought up to date, and strangers' cgroups removed
TIDY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class CareTools:
    """What it works with."""

    clock: Clock
    events: EventSink
    metrics: KubeletMetrics
    stats: NodeStats
    cgroups: PodCgroups
    images: ImageCollector
    cgroup_parent: str
    allocatable: Resources
    #: 0: no limit
    pod_pids_limit: int
    #: between two looks at what containers use
    sample_seconds: float


class NodeCare:
    """Owned by the kubelet's build."""

    def __init__(self, tools: CareTools, settings: EvictionSettings) -> None:
        self._tools = tools
        self._workers: Callable[[], PodWorkers | None] = lambda: None
        self._node: Callable[[], node_pb2.Node | None] = lambda: None
        self._changed: Callable[[], None] = lambda: None
        self.sampler = Sampler(tools.stats, tools.clock, self._pods, seconds=tools.sample_seconds)
        self.evictions = EvictionManager(
            settings, tools.clock, observe=self._observe, measures=tools.stats, pods=self._pods,
            evict=self._evict, clear_up=self._clear_up, tell=self.tell, tell_pod=self._tell_pod,
            count=lambda signal: tools.metrics.evictions.labels(signal).inc(), changed=self._say_changed,
        )  # fmt: skip

    def attach(
        self,
        workers: Callable[[], PodWorkers],
        node: Callable[[], node_pb2.Node],
        changed: Callable[[], None],
    ) -> None:
        """Say whose node it is, once that is made."""
        self._workers, self._node, self._changed = workers, node, changed

    def look(self) -> NodeSeen:
        """Return what the Node's status says of it."""
        return NodeSeen(self.evictions.conditions, tuple(self._tools.images.images))

    def tell(self, reason: str, message: str) -> None:
        """Say something about the node in an event."""
        node = self._node()
        if node is not None:
            self._tools.events.event(node, "Warning", reason, message)

    async def run(self) -> None:
        """Care until cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in (self._tools.images.run, self.evictions.run, self.sampler.run, self._tidy):
                group.create_task(job())

    def _pods(self) -> Iterable[pod_pb2.Pod]:
        workers = self._workers()
        return (
            [worker.allocated_pod for worker in workers.all() if worker.holds_resources]
            if workers is not None
            else []
        )

    def _resizing(self) -> frozenset[str]:
        """Return the Pods whose workers have yet to give them what they were allocated.

        Less may have been refused.
        """
        workers = self._workers()
        found = [
            (worker.uid, get_condition(worker.reported, IN_PROGRESS))
            for worker in (workers.all() if workers is not None else ())
        ]
        return frozenset(
            uid for uid, condition in found if condition is not None and condition.status == "True"
        )

    def _say_changed(self) -> None:
        self._changed()

    async def _observe(self) -> Mapping[Signal, Observation]:
        try:
            images = await self._tools.images.filesystem()
        except (RuntimeFailure, OSError):
            images = None
        return await self._tools.stats.signals(images)

    async def _clear_up(self) -> int:
        return await self._tools.images.free()

    def _tell_pod(self, pod: pod_pb2.Pod, reason: str, message: str) -> None:
        self._tools.events.event(pod, "Warning", reason, message)

    def _evict(self, pod: pod_pb2.Pod, eviction: Eviction) -> bool:
        workers = self._workers()
        worker = workers.get(Uid(pod.metadata.uid)) if workers is not None else None
        if worker is None:
            return False
        since = eviction.at if eviction.disruption else None
        return worker.evict(Verdict(REASON, eviction.message, eviction.grace_seconds, since))

    async def _tidy(self) -> None:
        tools = self._tools
        if not tools.cgroup_parent:
            return
        room = tools.allocatable
        whole = CgroupLimits(cpu_shares=cpu_shares(room.cpu_millis), memory_bytes=room.memory_bytes)
        while True:
            # Tried again until Pods of before use no more than that
            # (`pkg/kubelet/cm/node_container_manager_linux.go`, enforceNodeAllocatableCgroups).
            tools.cgroups.apply(qos_cgroup(tools.cgroup_parent, ""), whole)
            tools.cgroups.apply(qos_cgroup(tools.cgroup_parent, BEST_EFFORT), CgroupLimits())
            pods = tuple(self._pods())
            tools.cgroups.apply(qos_cgroup(tools.cgroup_parent, BURSTABLE), burstable_limits(pods))
            resizing = self._resizing()
            for pod in pods:
                path = pod_cgroup(tools.cgroup_parent, pod)
                if pod.metadata.uid not in resizing:
                    tools.cgroups.apply(path, pod_cgroup_limits(pod, pids_limit=tools.pod_pids_limit))
                # Containers that were started just before this kubelet's predecessor ended.
                tools.cgroups.contain(path)
            await asyncio.to_thread(tools.cgroups.share_up)
            # Who is known is asked last: a Pod that comes meanwhile is no stranger.
            present = await asyncio.to_thread(tools.cgroups.present)
            workers = self._workers()
            if workers is not None:
                for uid in [uid for uid in present if Uid(uid) not in workers]:
                    await asyncio.to_thread(tools.cgroups.remove, uid)
            await tools.clock.sleep(TIDY_SECONDS)


def make_care(  # noqa: PLR0913 - a node's parts
    config: KubeletConfig,
    runtime: Runtime,
    images: ImageService,
    clock: Clock,
    events: EventSink,
    metrics: KubeletMetrics,
    *,
    stats: NodeStats,
    room: Resources,
    cgroups: PodCgroups,
) -> NodeCare:
    """Make what a node does for itself, as it is configured. Raises ThresholdError, QuantityError."""
    policy = ImagePolicy(
        config.image_gc_high_threshold_percent, config.image_gc_low_threshold_percent,
        config.image_minimum_gc_age_seconds,
    )  # fmt: skip
    thresholds = parse_thresholds(
        config.eviction_hard, soft=config.eviction_soft, grace=config.eviction_soft_grace_period,
        min_reclaim=config.eviction_minimum_reclaim,
    )  # fmt: skip
    evictions = EvictionSettings(
        thresholds,
        transition_seconds=config.eviction_pressure_transition_seconds,
        max_pod_grace_seconds=config.eviction_max_pod_grace_seconds,
        interval_seconds=config.eviction_interval_seconds,
    )

    def tell(reason: str, message: str) -> None:
        care.tell(reason, message)

    care = NodeCare(
        CareTools(
            clock=clock, events=events, metrics=metrics, stats=stats, cgroups=cgroups,
            images=ImageCollector(
                images, runtime, clock, policy, tell=tell, count=metrics.images_collected.labels("space").inc
            ),
            cgroup_parent=config.cgroup_parent, allocatable=room, pod_pids_limit=max(config.pod_pids_limit, 0),
            sample_seconds=config.sample_seconds,
        ),
        evictions,
    )  # fmt: skip
    return care
