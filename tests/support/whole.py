"""The whole system in one process under a fake clock.

Apiserver over memory, scheduler, controllers, and kubelets of hollow nodes.

Each part has a client of its own and can be killed in the middle of whatever it does, and started again; what
a kubelet's runtime holds outlives it, as containers do.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import Any

from prometheus_client import CollectorRegistry

from controller.build import build as build_controllers
from controller.config import ControllerConfig
from kubelet.build import Outlets, build_kubelet
from kubelet.config import KubeletConfig
from kubelet.hollow import hollow_machine
from kubelet.metrics import KubeletMetrics
from kubelet.pod.directory import PodFiles
from kubelet.runtime.hollow.program import Delay, Stages
from kubelet.runtime.hollow.runtime import HollowImages, HollowRuntime
from kubelet.runtimes import NodeRuntime
from kubelet.status.manager import StatusManager
from kubelet.volumes.interface import Volumes
from tests.support.apiserver import make_apiserver
from tests.support.scheduler import build as build_scheduler
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff
from vaina.cache.informer import MutationDetector
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.steps import StepReporter
from vaina.client.transport import InProcessTransport, Transport
from vaina.testing.clock import settle

STAGES = Stages(run_sandbox=Delay(0.05, 0.1), start_container=Delay(0.05, 0.1))


class HollowNode:
    """A node: its runtime stays when its kubelet is killed."""

    def __init__(self, whole: "Whole", name: str, index: int) -> None:
        self._whole, self.name = whole, name
        rng = random.Random(index)
        network = IPv4Network(f"10.128.{index}.0/24")
        self.runtime = HollowRuntime(whole.clock, rng, stages=STAGES, cidr=network)
        self._node_runtime = NodeRuntime(
            self.runtime, HollowImages(whole.clock, rng, STAGES), Volumes(), PodFiles(), None
        )

    async def kubelet(self) -> None:
        """Be the node's kubelet until cancelled."""
        whole, client = self._whole, self._whole.new_client()
        metrics = KubeletMetrics(CollectorRegistry(), whole.clock)
        events = EventRecorder(client.events, "kubelet", self.name, whole.clock)
        steps = StepReporter(client.pod_traces, "kubelet", self.name, whole.clock)
        status = StatusManager(
            client.pods,
            whole.clock,
            steps=steps,
            node_name=self.name,
            metrics=metrics,
            backoff=Backoff(0.5, 10.0),
        )
        kubelet = await build_kubelet(
            KubeletConfig(node_name=self.name), client, self._node_runtime, whole.clock, whole.rng, name=self.name,
            address="192.0.2.1", port=10250, machine=hollow_machine(self.name),
            outlets=Outlets(events, steps, metrics), status=status,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for run in (kubelet.run, status.run, events.run, steps.run):
                group.create_task(run())


class Whole:
    """All parts. Owned by the test's task."""

    def __init__(self, group: asyncio.TaskGroup, config: ControllerConfig, seed: int) -> None:
        self._group, self._config = group, config
        self.rng = random.Random(seed)
        self.server = make_apiserver(seed=seed)
        self.clock, self.client = self.server.clock, self.server.client
        self.detectors: list[MutationDetector] = []
        self.nodes: dict[str, HollowNode] = {}
        #: what stands between a part and the apiserver; tests put faults here
        self.connect: Callable[[Transport], Transport] = lambda transport: transport
        self._parts: dict[str, asyncio.Task[Any]] = {}

    def new_client(self) -> Clientset:
        """Return a client of a part's own."""
        return Clientset(self.connect(InProcessTransport(self.server.app.handlers, clock=self.clock)))

    def detector(self) -> MutationDetector:
        """Return a detector that is asked at the end."""
        self.detectors.append(MutationDetector())
        return self.detectors[-1]

    def start(self, part: str) -> None:
        """Start a part: scheduler, controller, or a node's kubelet by the node's name."""
        self._parts[part] = self._group.create_task(self._run(part), name=part)

    async def kill(self, part: str) -> None:
        """End a part at once, in the middle of whatever it does."""
        task = self._parts.pop(part)
        task.cancel()
        await asyncio.wait((task,))

    async def restart(self, part: str) -> None:
        """Kill a part and start it again."""
        await self.kill(part)
        self.start(part)

    @property
    def parts(self) -> list[str]:
        """The parts that run."""
        return [*self._parts]

    def add_node(self, name: str) -> HollowNode:
        """Make a node and start its kubelet."""
        node = self.nodes[name] = HollowNode(self, name, len(self.nodes))
        self.start(name)
        return node

    async def until(self, holds: Callable[[], Awaitable[Any]], *, seconds: float = 60.0) -> Any:
        """Move time on until `holds` returns something true, and return that."""
        end = self.clock.now() + seconds
        while True:
            await settle(300)
            found = await holds()
            if found:
                return found
            assert self.clock.now() < end, f"not within {seconds:g} s"
            await self.clock.advance(0.25)

    async def pods(self, selector: str = "") -> list[pod_pb2.Pod]:
        """Return the Pods of the namespace default."""
        return (await self.client.pods.list("default", label_selector=selector)).items

    async def stop(self) -> None:
        """End all parts."""
        for part in self.parts:
            await self.kill(part)

    def _run(self, part: str) -> Coroutine[Any, Any, None]:
        if part == "scheduler":
            return build_scheduler(
                self.new_client(), self.clock, tie_break=self.rng.randrange, detector=self.detector()
            ).run()
        if part == "controller":
            return build_controllers(
                self.new_client(), self.clock, self._config, detector=self.detector()
            ).run()
        if part == "apiserver":
            return self.server.app.run()
        return self.nodes[part].kubelet()


@asynccontextmanager
async def whole(
    nodes: int = 3, config: ControllerConfig | None = None, *, seed: int = 1
) -> AsyncIterator[Whole]:
    """Run the whole system with so many hollow nodes."""
    async with asyncio.TaskGroup() as group:
        made = Whole(group, config or ControllerConfig(), seed)
        await made.server.app.bootstrap()
        for part in ("apiserver", "scheduler", "controller"):
            made.start(part)
        for number in range(nodes):
            made.add_node(f"node-{number}")
        try:
            yield made
        finally:
            await made.stop()
    for detector in made.detectors:
        detector.check()
