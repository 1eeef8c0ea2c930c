"""What a node does for itself beside its Pods: it measures, makes room, evicts, keeps cgroups. Shell."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from kubelet.config import KubeletConfig
from kubelet.containers.cgroups import (
    CgroupLimits,
    burstable_limits,
    cpu_shares,
    pod_cgroup,
    pod_cgroup_limits,
    qos_cgroup,
)
from kubelet.decide.resize import IN_PROGRESS
from kubelet.decide.termination import Verdict
from kubelet.eviction.manager import Eviction, EvictionManager, EvictionSettings
from kubelet.eviction.ranking import REASON
from kubelet.eviction.signals import Observation, Signal, parse_thresholds
from kubelet.images.inventory import ImagePolicy
from kubelet.images.manager import ImageCollector
from kubelet.images.records import PullRecords
from kubelet.machine.capacity import Resources
from kubelet.machine.cgroups import PodCgroups
from kubelet.metrics import KubeletMetrics
from kubelet.node.manager import NodeManager
from kubelet.pod.workers import PodWorkers
from kubelet.runtime.interface import ImageService, Runtime, RuntimeFailure
from kubelet.runtime.records import Uid
from kubelet.stats import NodeStats, Sampler
from kubelet.status.node_status import NodeSeen
from kubelet.status.sinks import EventSink
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.objects.conditions import get_condition
from vaina.objects.pods import BEST_EFFORT, BURSTABLE

log = structlog.stdlib.get_logger(__name__)

#: how often the shares of the QoS classes are brought up to date, and strangers' cgroups removed
TIDY_SECONDS = 10.0


class NodeCare:
    """Owned by the kubelet's build, which attaches it to the node's workers before it runs."""

    _workers: PodWorkers
    _node: NodeManager

    def __init__(  # noqa: PLR0913 - a node's parts
        self,
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
        records: PullRecords | None,
    ) -> None:
        """Make it. Raises ThresholdError, QuantityError."""
        self._clock, self._events, self._stats, self._cgroups = clock, events, stats, cgroups
        self._counts = metrics.evictions
        self._parent, self._room, self._pids_limit = config.cgroup_parent, room, max(config.pod_pids_limit, 0)
        policy = ImagePolicy(
            config.image_gc_high_threshold_percent, config.image_gc_low_threshold_percent,
            config.image_minimum_gc_age_seconds,
        )  # fmt: skip
        self._images = ImageCollector(
            images,
            runtime,
            clock,
            policy,
            tell=self._tell,
            count=metrics.images_collected.labels("space").inc,
            records=records,
        )
        self.sampler = Sampler(stats, clock, self._pods, seconds=config.sample_seconds)
        thresholds = parse_thresholds(
            config.eviction_hard, soft=config.eviction_soft, grace=config.eviction_soft_grace_period,
            min_reclaim=config.eviction_minimum_reclaim,
        )  # fmt: skip
        self._evictions = EvictionManager(
            EvictionSettings(
                thresholds, config.eviction_pressure_transition_seconds, config.eviction_max_pod_grace_seconds,
                config.eviction_interval_seconds,
            ),
            clock, observe=self._observe, pod_use=stats.pod_use, pods=self._pods,
            evict=self._evict, clear_up=self._images.free, tell=self._tell, changed=self._say_changed,
        )  # fmt: skip

    def attach(self, workers: PodWorkers, node: NodeManager) -> None:
        self._workers, self._node = workers, node

    def look(self) -> NodeSeen:
        return NodeSeen(self._evictions.conditions, tuple(self._images.images))

    def _tell(self, reason: str, message: str) -> None:
        self._events.event(self._node.node, "Warning", reason, message)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for job in (self._images.run, self._evictions.run, self.sampler.run, self._tidy):
                group.create_task(job())

    def _pods(self) -> Iterable[pod_pb2.Pod]:
        return [worker.allocated_pod for worker in self._workers.all() if worker.holds_resources]

    def _resizing(self) -> frozenset[str]:
        """Return the Pods that have yet to get what they were allocated: less may have been refused."""
        found = [(worker.uid, get_condition(worker.reported, IN_PROGRESS)) for worker in self._workers.all()]
        return frozenset(
            uid for uid, condition in found if condition is not None and condition.status == "True"
        )

    def _say_changed(self) -> None:
        self._node.look_again()

    async def _observe(self) -> Mapping[Signal, Observation]:
        try:
            images = await self._images.filesystem()
        except (RuntimeFailure, OSError):
            images = None
        return await self._stats.signals(images)

    def _evict(self, pod: pod_pb2.Pod, eviction: Eviction) -> bool:
        worker = self._workers.get(Uid(pod.metadata.uid))
        if worker is None:
            return False
        since = eviction.at if eviction.disruption else None
        if not worker.evict(Verdict(REASON, eviction.message, eviction.grace_seconds, since)):
            return False
        self._events.event(pod, "Warning", REASON, eviction.message)
        self._counts.labels(eviction.signal).inc()
        return True

    async def _tidy(self) -> None:
        cgroups, parent, room = self._cgroups, self._parent, self._room
        if not parent:
            return
        whole = CgroupLimits(cpu_shares=cpu_shares(room.cpu_millis), memory_bytes=room.memory_bytes)
        while True:
            # Tried again until Pods of before use no more than that
            # (`pkg/kubelet/cm/node_container_manager_linux.go`, enforceNodeAllocatableCgroups).
            cgroups.apply(qos_cgroup(parent, ""), whole)
            cgroups.apply(qos_cgroup(parent, BEST_EFFORT), CgroupLimits())
            pods = tuple(self._pods())
            cgroups.apply(qos_cgroup(parent, BURSTABLE), burstable_limits(pods))
            resizing = self._resizing()
            for pod in pods:
                path = pod_cgroup(parent, pod)
                if pod.metadata.uid not in resizing:
                    cgroups.apply(path, pod_cgroup_limits(pod, pids_limit=self._pids_limit))
                # Containers that were started just before this kubelet's predecessor ended.
                cgroups.contain(path)
            await asyncio.to_thread(cgroups.share_up)
            # The workers are looked up last, so that the cgroup of a new Pod is not removed.
            present = await asyncio.to_thread(cgroups.present)
            for uid in [uid for uid in present if Uid(uid) not in self._workers]:
                await asyncio.to_thread(cgroups.remove, uid)
            await self._clock.sleep(TIDY_SECONDS)
