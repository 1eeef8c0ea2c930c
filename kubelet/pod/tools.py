"""What a Pod's worker works with: shared by all workers of a kubelet, made in `kubelet.build`."""

import random
from dataclasses import dataclass, field

from kubelet.containers.env import PodFacts
from kubelet.decide.containers import RestartPolicy, field_path
from kubelet.decide.status import NodeAddresses
from kubelet.images.manager import ImageManager
from kubelet.machine.cgroups import PodCgroups
from kubelet.metrics import KubeletMetrics
from kubelet.pod.config import NodeSettings
from kubelet.pod.directory import PodFiles
from kubelet.runtime.interface import Runtime
from kubelet.runtime.records import SandboxState
from kubelet.status.manager import StatusManager
from kubelet.status.sinks import EventSink, ShownSteps
from kubelet.volumes.interface import ApiObjects, Volumes
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff
from vaina.clock import Clock


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
        if pod.spec.host_network:
            return self.host_ip
        return sandbox.ip if sandbox is not None else ""

    def facts(self, pod_ip: str) -> PodFacts:
        settings = self.settings
        return PodFacts(pod_ip, self.host_ip, self.name, settings.allocatable, settings.services)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times of a worker; tests take shorter ones."""

    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    resync_seconds: float = 60.0
    sandbox_backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 8.0))
    volume_backoff: Backoff = field(default_factory=lambda: Backoff(0.5, 30.0))
    #: after a container could not be created: never later than upstream, which tries again with the Pod's
    #: next sync, after 10 to 15 s (`pkg/kubelet/pod_workers.go`: completeWork)
    create_backoff: Backoff = field(default_factory=lambda: Backoff(2.0, 10.0))
    resize_backoff: Backoff = field(default_factory=lambda: Backoff(1.0, 60.0))
    #: after a pass that failed or changed nothing
    retry_backoff: Backoff = field(default_factory=lambda: Backoff(0.2, 10.0))


@dataclass(frozen=True, slots=True)
class PodTools:
    """What all workers of a kubelet share."""

    runtime: Runtime
    images: ImageManager
    volumes: Volumes
    files: PodFiles
    objects: ApiObjects
    events: EventSink
    steps: ShownSteps
    status: StatusManager
    node: NodeView
    metrics: KubeletMetrics
    clock: Clock
    rng: random.Random
    settings: WorkerSettings
    cgroups: PodCgroups

    def event(self, pod: pod_pb2.Pod, type: str, reason: str, words: str, container: str = "") -> None:
        path = field_path(pod, container) if container else ""
        self.events.event(pod, type, reason, words, field_path=path)
