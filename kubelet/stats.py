"""What the node, its Pods and their containers use. Shell.

CPU, memory and processes come from the kernel's cgroups, whatever the runtime; only the runtime knows what a
container has on disk.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from kubelet.containers.cgroups import ROOT, pod_cgroup
from kubelet.eviction.ranking import ContainerUse, PodUse
from kubelet.eviction.signals import Observation, Signal
from kubelet.machine.capacity import Resources
from kubelet.machine.cgroups import Cgroups, CgroupUse
from kubelet.machine.machine import FilesystemUse, TreeUse, filesystem_use, tree_use
from kubelet.runtime.interface import NotFoundInRuntime, Runtime, RuntimeFailure
from kubelet.runtime.records import ContainerPhase, ContainerState, Uid
from kubelet.volumes.interface import Volumes
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StatsSettings:
    """What of the node is measured."""

    capacity: Resources
    allocatable: Resources
    #: cgroup below which Pods are; "": the whole machine counts
    cgroup_parent: str
    #: where Pods' files are
    root: Path


class NodeStats:
    """Measures one node. Keeps nothing."""

    def __init__(
        self, cgroups: Cgroups, runtime: Runtime, volumes: Volumes, clock: Clock, settings: StatsSettings
    ) -> None:
        self._cgroups, self._runtime, self._volumes = cgroups, runtime, volumes
        self._clock, self._settings = clock, settings
        self._own = cgroups.own() if settings.cgroup_parent else ""

    # The node

    def node(self) -> CgroupUse:
        """Return what the node uses: its Pods, and the engine and kubelet beside them."""
        parent = self._settings.cgroup_parent
        if not parent:
            return self._cgroups.use("/")
        uses = [self._cgroups.use(path) for path in (parent, self._own) if path]
        cpu = [use.cpu_nanos for use in uses if use.cpu_nanos is not None]
        memory = [use.working_set_bytes for use in uses if use.working_set_bytes is not None]
        return CgroupUse(sum(cpu) if cpu else None, sum(memory) if memory else None)

    async def signals(self, images: FilesystemUse | None) -> Mapping[Signal, Observation]:
        """Return what the node has left; what cannot be measured is missing. `images` have a file system."""
        now, settings = self._clock.now(), self._settings
        found: dict[Signal, Observation] = {}
        used = self.node().working_set_bytes
        if used is not None:
            capacity = settings.capacity.memory_bytes
            found[Signal.MEMORY] = Observation(max(capacity - used, 0), capacity, now)
        if settings.cgroup_parent:
            pods = self._cgroups.use(f"{settings.cgroup_parent}/{ROOT}").working_set_bytes
            if pods is not None:
                room = settings.allocatable.memory_bytes
                found[Signal.ALLOCATABLE_MEMORY] = Observation(max(room - pods, 0), room, now)
        try:
            disk = await asyncio.to_thread(filesystem_use, settings.root)
        except OSError:
            disk = None
        for use, space, inodes in (
            (disk, Signal.NODEFS, Signal.NODEFS_INODES),
            (images, Signal.IMAGEFS, Signal.IMAGEFS_INODES),
        ):
            if use is not None:
                found[space] = Observation(use.available, use.capacity, now)
                # Some file systems count no inodes.
                if use.inodes:
                    found[inodes] = Observation(use.inodes_free, use.inodes, now)
        pids = _process_ids()
        if pids is not None:
            found[Signal.PIDS] = Observation(max(pids[1] - pids[0], 0), pids[1], now)
        return found

    # Pods

    def pod(self, pod: pod_pb2.Pod) -> CgroupUse:
        path = pod_cgroup(self._settings.cgroup_parent, pod)
        return self._cgroups.use(path) if path else CgroupUse()

    async def container(self, pod: pod_pb2.Pod, state: ContainerState) -> CgroupUse:
        path = pod_cgroup(self._settings.cgroup_parent, pod)
        use = self._cgroups.use(f"{path}/{state.id}") if path else CgroupUse()
        if use.cpu_nanos is not None and use.working_set_bytes is not None:
            return use
        # Made by a kubelet that had no cgroups for Pods, or on an engine that has its own mind.
        stats = await self._runtime.container_stats(state.id)
        return CgroupUse(stats.cpu_usage_nanos, stats.memory_working_set_bytes)

    async def running(self) -> Mapping[Uid, Sequence[ContainerState]]:
        found: dict[Uid, list[ContainerState]] = {}
        for state in await self._runtime.list_containers():
            if state.phase is ContainerPhase.RUNNING:
                found.setdefault(state.pod_uid, []).append(state)
        return found

    async def pod_use(self, pod: pod_pb2.Pod, *, disk: bool) -> tuple[PodUse, Mapping[str, int]]:
        """Return a Pod's use, with `disk` by a walk over its files, and the bytes of its emptyDirs by name."""
        whole = self.pod(pod)
        states = await self._runtime.list_containers(Uid(pod.metadata.uid))
        containers: dict[str, ContainerUse] = {}
        total, inodes = 0, 0
        for state in states:
            memory = None
            if state.phase is ContainerPhase.RUNNING:
                memory = (await self.container(pod, state)).working_set_bytes
            taken = None
            if disk:
                try:
                    usage = await self._runtime.container_disk_usage(state.id)
                except NotFoundInRuntime:
                    continue
                taken = usage.writable_bytes + usage.log_bytes
                total, inodes = total + taken, inodes + usage.writable_inodes
            if state.phase is ContainerPhase.RUNNING or state.name not in containers:
                containers[state.name] = ContainerUse(memory, taken)
        memory = whole.working_set_bytes
        if memory is None:
            known = [use.memory_bytes for use in containers.values() if use.memory_bytes is not None]
            memory = sum(known) if known else None
        volumes = await asyncio.to_thread(self._empty_dirs, pod) if disk else {}
        on_disk = [use for use, in_memory in volumes.values() if not in_memory]
        use = PodUse(
            memory_bytes=memory,
            disk_bytes=total + sum(item.bytes for item in on_disk) if disk else None,
            inodes=inodes + sum(item.inodes for item in on_disk) if disk else None,
            processes=whole.processes,
            containers=containers,
        )
        return use, {name: item.bytes for name, (item, _) in volumes.items()}

    def _empty_dirs(self, pod: pod_pb2.Pod) -> Mapping[str, tuple[TreeUse, bool]]:
        uid = Uid(pod.metadata.uid)
        return {
            volume.name: (
                tree_use(self._volumes.host_path(uid, volume)),
                volume.volume_source.empty_dir.medium == "Memory",
            )
            for volume in pod.spec.volumes
            if volume.volume_source.HasField("empty_dir")
        }


def _process_ids() -> tuple[int, int] | None:
    """Return how many process ids are taken on the machine, and how many there are."""
    try:
        running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        most = min(int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max"))
    except (OSError, ValueError, IndexError):
        return None
    return running, most


SAMPLE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Rate:
    """What something uses, as of `at`."""

    at: float
    #: between this look and the one before
    window_seconds: float
    #: thousand millions of a core; None: looked at once
    cpu_nano_cores: int | None
    #: cumulative, as is what `since` began to count
    cpu_nanos: int
    working_set_bytes: int
    started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class PodRates:
    """A Pod's."""

    pod: pod_pb2.Pod
    whole: Rate | None
    containers: Mapping[str, Rate] = field(default_factory=dict[str, Rate])


def rate(before: Rate | None, use: CgroupUse, *, at: float, started_at: float = 0.0) -> Rate | None:
    """Return what is used now; None: it cannot be measured. A counter that went back begins anew."""
    if use.cpu_nanos is None or use.working_set_bytes is None:
        return None
    window, cores = 0.0, None
    if before is not None and before.at < at and before.cpu_nanos <= use.cpu_nanos:
        window = at - before.at
        cores = round((use.cpu_nanos - before.cpu_nanos) / window)
    return Rate(at, window, cores, use.cpu_nanos, use.working_set_bytes, started_at)


class Sampler:
    """How much CPU is used: the rate between the last two looks, every 15 s (metrics-server's resolution).

    A container that was looked at once has none. Owned by the node's housekeeping; read by the service.
    """

    def __init__(
        self,
        stats: NodeStats,
        clock: Clock,
        pods: Callable[[], Iterable[pod_pb2.Pod]],
        *,
        seconds: float = SAMPLE_SECONDS,
    ) -> None:
        self._stats, self._clock, self._pods, self._seconds = stats, clock, pods, seconds
        self.node: Rate | None = None
        #: by container id
        self._containers: dict[str, Rate] = {}
        self._whole: dict[str, Rate] = {}
        self.pods: tuple[PodRates, ...] = ()

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (RuntimeFailure, OSError) as error:
                log.warning("use of resources not measured", error=str(error))
            await self._clock.sleep(self._seconds)

    async def look(self) -> None:
        self.node = rate(self.node, self._stats.node(), at=self._clock.now())
        running = await self._stats.running()
        containers: dict[str, Rate] = {}
        whole: dict[str, Rate] = {}
        found = []
        for pod in self._pods():
            uid, now = Uid(pod.metadata.uid), self._clock.now()
            own: dict[str, Rate] = {}
            for state in running.get(uid, ()):
                try:
                    use = await self._stats.container(pod, state)
                except RuntimeFailure:
                    # It has ended meanwhile.
                    continue
                seen = rate(self._containers.get(state.id), use, at=now, started_at=state.started_at)
                if seen is not None:
                    containers[state.id] = own[state.name] = seen
            together = rate(self._whole.get(uid), self._stats.pod(pod), at=now)
            if together is not None:
                whole[uid] = together
            if own:
                found.append(PodRates(pod, together, own))
        self._containers, self._whole, self.pods = containers, whole, tuple(found)
