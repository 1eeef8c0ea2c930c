"""What a Pod's worker works with: shared by all workers of a kubelet, made in `kubelet.build`."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from kubelet.containers.cgroups import CgroupLimits
from kubelet.containers.downward import PodFacts
from kubelet.decide.containers import RestartPolicy, field_path
from kubelet.decide.status import NodeAddresses
from kubelet.images.manager import ImageManager
from kubelet.metrics import KubeletMetrics
from kubelet.pod.config import NodeSettings
from kubelet.pod.directory import PodFiles
from kubelet.runtime.interface import Runtime
from kubelet.runtime.records import SandboxState
from kubelet.sources.static_files import is_static
from kubelet.volumes.interface import ObjectSource, Volumes
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.backoff import Backoff
from vaina.clock import Clock
from vaina.steps import PodStep

#: steps and waits of one static Pod that are kept for its mirror
_MAX_HELD: Final = 30


class EventSink(Protocol):
    """Where events go (`vaina.client.events.EventRecorder`); never blocks."""

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record an event about an object."""


class StepSink(Protocol):
    """Where finished steps go (`vaina.client.steps.StepReporter`); never blocks."""

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float,
        message: str = "",
        node_name: str = "",
    ) -> None: ...

    def wait(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float | None,
        message: str,
        node_name: str = "",
    ) -> None:
        """Report what a step waits for: with `end` None, and again with the same start when it is over."""


class ShownSteps:
    """Reports steps under the uid that the API knows: those of a static Pod under its mirror's, once there is
    one.

    Owned by the kubelet. A mirror that is made anew is told all steps again.
    """

    def __init__(self, steps: StepSink) -> None:
        self._steps = steps
        #: by static Pod's uid: what shows it, and what was reported
        self._shown: dict[str, meta_pb2.ObjectMeta] = {}
        self._held: dict[str, list[Callable[[meta_pb2.ObjectMeta], None]]] = {}

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float,
        message: str = "",
        node_name: str = "",
    ) -> None:
        self._tell(pod_meta, lambda meta: self._steps.report(meta, step, start, end, message, node_name))

    def wait(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float | None,
        message: str,
        node_name: str = "",
    ) -> None:
        self._tell(pod_meta, lambda meta: self._steps.wait(meta, step, start, end, message, node_name))

    def _tell(self, pod_meta: meta_pb2.ObjectMeta, tell: Callable[[meta_pb2.ObjectMeta], None]) -> None:
        if not is_static(pod_meta):
            tell(pod_meta)
            return
        held = self._held.setdefault(pod_meta.uid, [])
        if len(held) < _MAX_HELD:
            held.append(tell)
        if (shown := self._shown.get(pod_meta.uid)) is not None:
            tell(shown)

    def mirrored(self, uid: str, mirror: pod_pb2.Pod | None) -> None:
        """Report the steps of a static Pod to this mirror from now on; None: there is none."""
        if mirror is None:
            self._shown.pop(uid, None)
            return
        before = self._shown.get(uid)
        if before is None or before.uid != mirror.metadata.uid:
            self._shown[uid] = mirror.metadata
            for tell in self._held.get(uid, ()):
                tell(mirror.metadata)

    def forget(self, uid: str) -> None:
        self._shown.pop(uid, None)
        self._held.pop(uid, None)


class PodCgroups(Protocol):
    """The cgroups of Pods (`kubelet.machine.cgroups`); never fails: what the kernel refuses is logged."""

    def apply(self, path: str, limits: CgroupLimits) -> None:
        """Make a cgroup what it should be."""

    def used_above(self, path: str, limit: int) -> int:
        """Return the bytes of memory used where a new limit (0: none) would lower it to that or less; else 0."""
        return 0

    def contain(self, path: str) -> None:
        """Have the containers of a Pod's cgroup meet a lack of memory as they should."""

    def remove(self, uid: str) -> None:
        """Remove a Pod's."""


class NoCgroups(PodCgroups):
    """Of nodes that have none."""


class StatusSink(Protocol):
    """Where statuses go (`kubelet.status.manager`); never blocks."""

    def set(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Report the Pod's status, soon, unless it is what was reported last."""

    def shown(self, pod: pod_pb2.Pod) -> pod_pb2.PodStatus:
        """Return what the API says of a Pod; of a static Pod, what its mirror says, once that is known."""

    def finish(self, pod: pod_pb2.Pod) -> None:
        """Delete the object once its last status is written: nothing of the Pod runs any more."""


@dataclass(slots=True)
class NodeView:
    """What is known of this node. Written by the node's own task, read by all workers."""

    name: str
    host_ip: str = ""
    runtime_name: str = ""
    settings: NodeSettings = field(default_factory=NodeSettings)

    @property
    def addresses(self) -> NodeAddresses:
        return NodeAddresses(self.host_ip, self.runtime_name)

    def pod_ip(self, pod: pod_pb2.Pod, sandbox: SandboxState | None) -> str:
        """Return the address of a Pod; "": it has none yet."""
        if pod.spec.host_network:
            return self.host_ip
        return sandbox.ip if sandbox is not None else ""

    def facts(self, pod_ip: str) -> PodFacts:
        return PodFacts(pod_ip, self.host_ip, self.name, self.settings.allocatable)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times of a worker; tests take shorter ones."""

    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    #: a worker looks again after this time, even if nothing happened
    resync_seconds: float = 60.0
    sandbox_backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 8.0))
    volume_backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 30.0))
    #: after a container could not be created: never later than upstream, which tries again with the Pod's
    #: next sync, after 10 to 15 s (`pkg/kubelet/pod_workers.go`: completeWork)
    create_backoff: Backoff = field(default_factory=lambda: Backoff(2.0, 10.0))
    #: after a container could not be resized
    resize_backoff: Backoff = field(default_factory=lambda: Backoff(1.0, 60.0))
    #: after a pass that failed or changed nothing
    retry_backoff: Backoff = field(default_factory=lambda: Backoff(0.2, 10.0))


@dataclass(frozen=True, slots=True)
class PodTools:
    """All of it."""

    runtime: Runtime
    images: ImageManager
    volumes: Volumes
    files: PodFiles
    objects: ObjectSource
    events: EventSink
    steps: ShownSteps
    status: StatusSink
    node: NodeView
    metrics: KubeletMetrics
    clock: Clock
    rng: random.Random
    settings: WorkerSettings = field(default_factory=WorkerSettings)
    cgroups: PodCgroups = field(default_factory=NoCgroups)

    def event(self, pod: pod_pb2.Pod, type: str, reason: str, words: str, container: str = "") -> None:
        """Record an event about a Pod, or a container of it."""
        path = field_path(pod, container) if container else ""
        self.events.event(pod, type, reason, words, field_path=path)
