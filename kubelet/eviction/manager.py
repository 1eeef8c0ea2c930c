"""Keeps the node from running out of memory, disk and process ids. Shell; `signals` and `ranking` decide.

Where a threshold is met the node says so, removes what is unused, and when that does not help, evicts one
Pod; what that gives back is measured before the next goes (`pkg/kubelet/eviction/eviction_manager.go`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from kubelet.eviction.ranking import PodUse, eviction_message, exceeded, is_critical, is_limited, rank
from kubelet.eviction.signals import Observation, PressureState, Signal, Threshold, is_met, judge, resource_of
from kubelet.runtime.interface import RuntimeFailure
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.objects.meta import key_of
from vaina.objects.pods import is_terminal

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Eviction:
    """That a Pod has to go."""

    signal: str
    message: str
    #: at most; its own may be shorter
    grace_seconds: float
    #: the node was short of something, so the Pod gets the condition DisruptionTarget
    disruption: bool
    at: float


@dataclass(frozen=True, slots=True)
class EvictionSettings:
    """Upstream's numbers; tests take shorter ones."""

    thresholds: tuple[Threshold, ...] = ()
    #: how long a condition stays after it was last seen
    transition_seconds: float = 300.0
    #: what a Pod gets at a soft threshold, at most
    max_pod_grace_seconds: float = 0.0
    interval_seconds: float = 10.0


#: how long the end of an evicted Pod is waited for before the next one goes
CLEANUP_SECONDS = 30.0
#: what a Pod gets at a hard threshold, and for a limit of its own
IMMEDIATE_SECONDS = 1.0


class EvictionManager:
    """Owned by the node's housekeeping."""

    def __init__(  # noqa: PLR0913 - tools, all by keyword
        self,
        settings: EvictionSettings,
        clock: Clock,
        *,
        observe: Callable[[], Awaitable[Mapping[Signal, Observation]]],
        pod_use: Callable[..., Awaitable[tuple[PodUse, Mapping[str, int]]]],
        pods: Callable[[], Iterable[pod_pb2.Pod]],
        evict: Callable[[pod_pb2.Pod, Eviction], bool],
        clear_up: Callable[[], Awaitable[int]],
        tell: Callable[[str, str], None],
        changed: Callable[[], None],
    ) -> None:
        """Make it. `pod_use` is NodeStats', `pods` gives the active Pods, `clear_up` removes unused images.

        `evict` ends a Pod, and says so; False: it has ended, or ends already. `tell` makes an event.
        """
        self._settings, self._clock, self._observe, self._pod_use = settings, clock, observe, pod_use
        self._pods, self._evict, self._clear_up = pods, evict, clear_up
        self._tell, self._changed = tell, changed
        self._state = PressureState()
        self._ending: dict[str, float] = {}
        self.conditions: frozenset[str] = frozenset()

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (RuntimeFailure, OSError) as error:
                log.warning("the node could not be measured", error=str(error))
            await self._clock.sleep(self._settings.interval_seconds)

    async def look(self) -> None:
        settings = self._settings
        observed = await self._observe()
        judgement = judge(
            settings.thresholds, observed, self._state, now=self._clock.now(),
            transition_seconds=settings.transition_seconds,
        )  # fmt: skip
        self._state = judgement.state
        if judgement.conditions != self.conditions:
            log.info("node pressure changed", conditions=sorted(judgement.conditions))
            self.conditions = judgement.conditions
            self._changed()
        if await self._evict_above_own_limits() or not judgement.due:
            return
        if not self._waits():
            await self._reclaim(judgement.due[0], observed)

    def _waits(self) -> bool:
        """Say whether an evicted Pod is still ending: what it gives back is not measured yet."""
        now, active = self._clock.now(), {pod.metadata.uid for pod in self._active()}
        self._ending = {
            uid: at for uid, at in self._ending.items() if uid in active and now - at < CLEANUP_SECONDS
        }
        return bool(self._ending)

    def _active(self) -> list[pod_pb2.Pod]:
        return [pod for pod in self._pods() if not is_terminal(pod)]

    async def _evict_above_own_limits(self) -> bool:
        evicted = False
        for pod in self._active():
            if not is_limited(pod):
                continue
            use, volumes = await self._pod_use(pod, disk=True)
            found = exceeded(pod, use, volumes)
            if found is not None:
                signal, message = found
                evicted |= self._end(pod, message, signal, IMMEDIATE_SECONDS, disruption=False)
        return evicted

    async def _reclaim(self, threshold: Threshold, observed: Mapping[Signal, Observation]) -> None:
        resource = resource_of(threshold.signal)
        log.warning("attempting to reclaim", resource=resource, signal=threshold.signal)
        self._tell("EvictionThresholdMet", f"Attempting to reclaim {resource}")
        on_disk = resource in {"ephemeral-storage", "inodes"}
        if on_disk and await self._clear_up():
            after = (await self._observe()).get(threshold.signal)
            if after is not None and not is_met(threshold, after, with_reclaim=True):
                log.info("enough was reclaimed without evicting a pod", resource=resource)
                return
        pods = self._active()
        uses = {pod.metadata.uid: (await self._pod_use(pod, disk=on_disk))[0] for pod in pods}
        for pod in rank(threshold.signal, pods, uses):
            message = eviction_message(pod, threshold, observed.get(threshold.signal), uses[pod.metadata.uid])
            grace = IMMEDIATE_SECONDS if threshold.hard else self._settings.max_pod_grace_seconds
            if self._end(pod, message, threshold.signal.value, grace, disruption=True):
                return
        log.warning("no pod can be evicted", resource=resource)

    def _end(self, pod: pod_pb2.Pod, message: str, signal: str, grace: float, *, disruption: bool) -> bool:
        name = key_of(pod.metadata)
        if is_critical(pod):
            log.error("a critical pod is not evicted", pod=name, uid=pod.metadata.uid, signal=signal)
            return False
        if not self._evict(pod, Eviction(signal, message, grace, disruption, self._clock.now())):
            return False
        log.warning("pod evicted", pod=name, uid=pod.metadata.uid, signal=signal, message=message)
        self._ending[pod.metadata.uid] = self._clock.now()
        return True
