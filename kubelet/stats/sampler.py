"""How much CPU containers use: a rate needs two looks. Shell.

Every 15 s (metrics-server's resolution) the counters of all running containers are read; the rate is that
between the last two looks, and a container that was seen once has none. Bounded by the containers there are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from kubelet.machine.cgroups import CgroupUse
from kubelet.runtime.interface import RuntimeFailure
from kubelet.runtime.records import Uid
from kubelet.stats.provider import NodeStats
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

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
    """Owned by the node's housekeeping; read by the service."""

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
