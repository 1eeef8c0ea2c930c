"""Watches the runtime: its events as they come, and a relist every so often (upstream's PLEG). Shell.

An event or a difference only wakes a Pod's worker. A relist also finds Pods that no source knows.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from kubelet.metrics import KubeletMetrics
from kubelet.runtime import records
from kubelet.runtime.interface import Runtime, RuntimeFailure
from vaina.backoff import Backoff
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

_RECONNECT = Backoff(0.5, 10.0)


@dataclass(frozen=True, slots=True)
class RuntimePod:
    """What the runtime's labels say of a Pod: enough to end it well when no source knows it any more."""

    uid: records.Uid
    name: str
    namespace: str
    #: what the containers get to end; None: not known
    grace_seconds: int | None
    static: bool = False


def pods_in(
    sandboxes: Iterable[records.SandboxState], containers: Iterable[records.ContainerState]
) -> Mapping[records.Uid, RuntimePod]:
    """Return the Pods that something in the runtime belongs to, by uid."""
    found = {}
    for item in containers:
        names = item.labels.get(records.POD_NAME_LABEL, ""), item.labels.get(records.POD_NAMESPACE_LABEL, "")
        found[item.pod_uid] = _runtime_pod(item.pod_uid, *names, item.annotations)
    for sandbox in sandboxes:
        found[sandbox.uid] = _runtime_pod(sandbox.uid, sandbox.name, sandbox.namespace, sandbox.annotations)
    return found


def _runtime_pod(uid: records.Uid, name: str, namespace: str, annotations: Mapping[str, str]) -> RuntimePod:
    grace = annotations.get(records.GRACE_ANNOTATION, "")
    static = annotations.get(records.SOURCE_ANNOTATION, "") == "file"
    return RuntimePod(uid, name, namespace, int(grace) if grace.isdecimal() else None, static)


class RuntimeWatch:
    """Owned by the kubelet."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        *,
        relist_seconds: float,
        poke: Callable[[records.Uid], None],
        on_relist: Callable[[Mapping[records.Uid, RuntimePod]], None],
        metrics: KubeletMetrics,
    ) -> None:
        self._runtime, self._clock, self._relist_seconds = runtime, clock, relist_seconds
        self._poke, self._on_relist, self._metrics = poke, on_relist, metrics
        self._seen: dict[records.Uid, frozenset[tuple[str, str]]] = {}
        self._last = 0.0

    async def relist(self) -> Mapping[records.Uid, RuntimePod]:
        """Compare what is there with the last time; return the Pods that are there. Raises RuntimeFailure."""
        begun = self._clock.monotonic()
        sandboxes = await self._runtime.list_pod_sandboxes()
        containers = await self._runtime.list_containers()
        now = self._clock.monotonic()
        self._metrics.relist.observe(now - begun)
        if self._last:
            self._metrics.relist_interval.observe(begun - self._last)
        self._last = begun
        self._metrics.last_relist.set(self._clock.now())
        seen: dict[records.Uid, set[tuple[str, str]]] = {}
        for sandbox in sandboxes:
            seen.setdefault(sandbox.uid, set()).add((sandbox.id, "ready" if sandbox.ready else "not ready"))
        for container in containers:
            seen.setdefault(container.pod_uid, set()).add((container.id, container.phase.value))
        self._metrics.running_pods.set(len({item.uid for item in sandboxes if item.ready}))
        for phase, name in _STATES.items():
            count = sum(item.phase is phase for item in containers)
            self._metrics.running_containers.labels(name).set(count)
        now_seen = {uid: frozenset(items) for uid, items in seen.items()}
        # In the same order in every process: a set of texts has its own in each.
        for uid in dict.fromkeys((*now_seen, *self._seen)):
            if now_seen.get(uid) != self._seen.get(uid):
                self._poke(uid)
        self._seen = now_seen
        return pods_in(sandboxes, containers)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relists())
            group.create_task(self._events())

    async def _relists(self) -> None:
        while True:
            await self._clock.sleep(self._relist_seconds)
            try:
                self._on_relist(await self.relist())
            except RuntimeFailure as error:
                log.warning("relist failed", error=str(error))

    async def _events(self) -> None:
        failures = 0
        while True:
            try:
                async with aclosing(self._runtime.events()) as events:  # type: ignore[type-var]
                    async for event in events:
                        failures = 0
                        # Starts are this kubelet's own doing.
                        if event.type is not records.RuntimeEventType.STARTED:
                            self._poke(event.pod_uid)
            except RuntimeFailure as error:
                log.warning("runtime events ended", error=str(error))
            await self._clock.sleep(_RECONNECT.delay(failures))
            failures += 1
            # What happened meanwhile is found by looking.
            for uid in [*self._seen]:
                self._poke(uid)


_STATES = {
    records.ContainerPhase.CREATED: "created",
    records.ContainerPhase.RUNNING: "running",
    records.ContainerPhase.EXITED: "exited",
}
