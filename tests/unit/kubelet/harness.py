"""A kubelet over the whole apiserver in one process, with a hollow runtime and a clock under the test's hand."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from apiserver.build import build
from apiserver.storage.memory import MemoryStorage
from kubelet.build import Outlets, build_kubelet
from kubelet.config import KubeletConfig
from kubelet.hollow import hollow_machine
from kubelet.images.manager import ImageManager
from kubelet.kubelet import Kubelet
from kubelet.metrics import KubeletMetrics
from kubelet.pod.directory import PodFiles
from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowImages, HollowRuntime
from kubelet.runtime.records import ContainerState
from kubelet.runtimes import NodeRuntime
from kubelet.status.manager import StatusManager
from kubelet.status.sinks import StepSink
from kubelet.volumes.interface import ApiObjects, Volumes
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.tasks import volume_tasks
from tests.support.direct import Direct
from tests.support.tasks import threads_done, work_in_one_thread
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.backoff import Backoff
from vaina.client.clientset import Clientset
from vaina.client.steps import StepReporter
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, InProcessTransport, Metadata
from vaina.errors import NotFound
from vaina.serving.handlers import Handlers
from vaina.steps import PodStep
from vaina.testing.clock import FakeClock, settle

NODE = "node-1"
CONFIG = KubeletConfig(node_name=NODE, capacity_pods=110)

__all__ = ["CONFIG", "NODE", "ImageManager", "Node", "Recorder", "node"]


@dataclass
class Recorder:
    """Events and steps as they are said."""

    events: list[tuple[str, str, str]] = field(default_factory=list)
    steps: list[PodStep] = field(default_factory=list)
    #: (which step waited, whether it is over, what for)
    waits: list[tuple[PodStep, bool, str]] = field(default_factory=list)

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.events.append((type, reason, message))

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float | None,
        message: str = "",
        node_name: str = "",
        *,
        wait: bool = False,
    ) -> None:
        assert end is None or start <= end
        if wait:
            self.waits.append((step, end is not None, message))
        else:
            self.steps.append(step)

    def messages(self, reason: str) -> list[str]:
        return [message for _, found, message in self.events if found == reason]


class Counting(InProcessTransport):
    """Counts calls by the name of their method."""

    def __init__(self, handlers: Handlers) -> None:
        super().__init__(handlers)
        self.calls: Counter[str] = Counter()

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        self.calls[method.rpartition("/")[2]] += 1
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


class Node:
    """One node and its apiserver."""

    def __init__(
        self, clock: FakeClock, stages: Stages, config: KubeletConfig, root: Path | None, *, traced: bool
    ) -> None:
        self.clock, self.config, self._traced = clock, config, traced
        self.storage = MemoryStorage(clock)
        self.app = build(Direct(self.storage), clock, rng=random.Random(1))
        self.client = Clientset(InProcessTransport(self.app.handlers))
        #: what its kubelets go through; tests use `client`
        self.wire = Counting(self.app.handlers)
        rng = random.Random(2)
        self.runtime = HollowRuntime(clock, rng, stages=stages, cidr=IPv4Network("10.244.1.0/24"))
        self.images = HollowImages(clock, rng, stages)
        self._root = root
        self.volumes: Volumes = Volumes() if root is None else VolumeManager(root, ApiObjects(self.client))
        self.recorder = Recorder()
        self.kubelet: Kubelet
        #: of its metrics
        self.registry: CollectorRegistry
        #: in which its kubelets run
        self.group: asyncio.TaskGroup
        self._tasks: list[asyncio.Task[None]] = []

    async def start_kubelet(self, group: asyncio.TaskGroup) -> None:
        self.registry = CollectorRegistry()
        metrics = KubeletMetrics(self.registry, self.clock)
        client = Clientset(self.wire)
        reporter = StepReporter(client.pod_traces, "kubelet", NODE, self.clock)
        steps: StepSink = reporter if self._traced else self.recorder
        status = StatusManager(
            client.pods, self.clock, steps=steps, node_name=NODE, metrics=metrics,
            backoff=Backoff(0.5, 10.0), rng=random.Random(4),
        )  # fmt: skip
        node_runtime = NodeRuntime(self.runtime, self.images, self.volumes, PodFiles(), None)
        self.kubelet = await build_kubelet(
            self.config, client, node_runtime, self.clock, random.Random(3), name=NODE,
            address="192.0.2.1", port=10250, machine=hollow_machine(NODE),
            outlets=Outlets(self.recorder, steps, metrics), status=status,
        )  # fmt: skip
        self._tasks = [group.create_task(job()) for job in (self.kubelet.run, status.run, reporter.run)]
        for job in volume_tasks(
            self.volumes, self.client, self.clock, node=NODE, root=str(self._root), directory=str(self._root),
            events=self.recorder, known=lambda: None, arrived=self.kubelet.workers.retry_volumes,
        ):  # fmt: skip
            self._tasks.append(group.create_task(_run(job)))
        await settle()

    async def stop_kubelet(self) -> None:
        for task in self._tasks:
            task.cancel()
        await settle()

    async def create(self, pod: pod_pb2.Pod) -> pod_pb2.Pod:
        pod.spec.node_name = NODE
        pod.metadata.uid = ""
        pod.status.Clear()
        made = await self.client.pods.create(pod)
        await settle()
        return made

    async def get(self, name: str = "web") -> pod_pb2.Pod:
        return await self.client.pods.get(name, "default")

    async def find(self, name: str = "web") -> pod_pb2.Pod | None:
        try:
            return await self.get(name)
        except NotFound:
            return None

    async def containers(self) -> list[ContainerState]:
        return [*await self.runtime.list_containers()]

    async def until(
        self,
        accept: Callable[[pod_pb2.Pod], object],
        *,
        name: str = "web",
        steps: int = 200,
        step: float = 0.1,
    ) -> pod_pb2.Pod:
        """Let time pass until the Pod is as wanted; fails with what it is after `steps`."""
        pod = await self.get(name)
        for _ in range(steps):
            if accept(pod):
                return pod
            if self._root is not None:
                await threads_done()
            await self.clock.advance(step)
            pod = await self.get(name)
        raise AssertionError(f"the pod never came to be as wanted: {pod.status}")


async def _run(job: Callable[[], Awaitable[None]]) -> None:
    await job()


@asynccontextmanager
async def node(
    stages: Stages | None = None,
    config: KubeletConfig = CONFIG,
    *,
    root: Path | None = None,
    traced: bool = False,
) -> AsyncIterator[Node]:
    """Give a node whose kubelet runs and is registered.

    Args:
        stages: what takes time in its runtime.
        config: of its kubelet.
        root: real volumes are there.
        traced: its steps go to the apiserver, as a kubelet's do, instead of to `recorder`.
    """
    clock = FakeClock()
    if root is not None:
        work_in_one_thread()
    made = Node(clock, stages or Stages(), config, root, traced=traced)
    await made.app.bootstrap()
    async with asyncio.TaskGroup() as group:
        made.group = group
        app = group.create_task(made.app.run())
        await made.start_kubelet(group)
        try:
            yield made
        finally:
            await made.stop_kubelet()
            app.cancel()
