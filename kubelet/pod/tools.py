"""What a Pod's worker works with: shared by all workers of a kubelet, made in `kubelet.build`."""

import random
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubelet.containers.cgroups import CgroupLimits
from kubelet.containers.config import NodeSettings
from kubelet.containers.downward import PodFacts
from kubelet.images.manager import ImageManager
from kubelet.metrics import KubeletMetrics
from kubelet.pod.compute import RestartPolicy
from kubelet.pod.directory import PodFiles
from kubelet.pod.status import NodeAddresses
from kubelet.runtime.interface import Runtime
from kubelet.sources.static_files import is_static
from kubelet.volumes.interface import ObjectSource, Volumes
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.backoff import Backoff
from vaina.clock import Clock
from vaina.steps import PodStep


class EventSink(Protocol):
    """Where events go (`vaina.client.events.EventRecorder`); never blocks."""

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record an event about an object."""
        ...


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
    ) -> None:
        """Report a step."""
        ...


class StepsOfApiPods:
    """Leaves out static Pods: no object has their uid, so nobody could find the trace."""

    def __init__(self, steps: StepSink) -> None:
        self._steps = steps

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float,
        message: str = "",
        node_name: str = "",
    ) -> None:
        if not is_static(pod_meta):
            self._steps.report(pod_meta, step, start, end, message, node_name)


class PodCgroupKeeper(Protocol):
    """The cgroups of Pods (`kubelet.node.cgroups`); never fails: what the kernel refuses is logged."""

    def apply(self, path: str, limits: CgroupLimits) -> None:
        """Make a cgroup what it should be."""
        ...

    def remove(self, uid: str) -> None:
        """Remove a Pod's."""
        ...


class NoCgroups:
    """`PodCgroupKeeper` of nodes that have none."""

    def apply(self, path: str, limits: CgroupLimits) -> None:
        return

    def remove(self, uid: str) -> None:
        return


class StatusSink(Protocol):
    """Where statuses go (`kubelet.status.manager`); never blocks."""

    def set(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Report the Pod's status, soon, unless it is what was reported last."""
        ...

    def finish(self, pod: pod_pb2.Pod) -> None:
        """Remove the object once its last status is reported: nothing of the Pod runs any more."""
        ...


@dataclass(slots=True)
class NodeView:
    """What is known of this node. Written by the node's own task, read by all workers."""

    name: str
    host_ip: str = ""
    runtime_name: str = ""
    settings: NodeSettings = field(default_factory=NodeSettings)

    @property
    def addresses(self) -> NodeAddresses:
        """For statuses."""
        return NodeAddresses(self.host_ip, self.runtime_name)

    def facts(self, pod_ip: str) -> PodFacts:
        """For environments and volumes."""
        return PodFacts(pod_ip, self.host_ip, self.name, self.settings.allocatable)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times of a worker; tests take shorter ones."""

    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    #: a worker looks again after this time, even if nothing happened
    resync_seconds: float = 60.0
    sandbox_backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 8.0))
    volume_backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 30.0))
    #: after a container could not be created
    create_backoff: Backoff = field(default_factory=lambda: Backoff(2.0, 60.0))
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
    steps: StepSink
    status: StatusSink
    node: NodeView
    metrics: KubeletMetrics
    clock: Clock
    rng: random.Random
    settings: WorkerSettings = field(default_factory=WorkerSettings)
    cgroups: PodCgroupKeeper = field(default_factory=NoCgroups)
